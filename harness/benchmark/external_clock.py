"""
The clock of the benchmarks: it only advances when a benchmark reports how long something took in another process.

pytest-benchmark times a function by asking a clock before and after it. What is measured here happens in processes of
its own, whose start and supervision are not part of some figures; so a case moves the clock by what was measured.
"""

_seconds = 0.0


def now() -> float:
    """Seconds that were reported so far."""
    return _seconds


def add(seconds: float) -> None:
    """Move the clock."""
    global _seconds
    _seconds += seconds
