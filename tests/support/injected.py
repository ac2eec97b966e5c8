"""
The proof that an injected fault was really there: without it, a test of a fault passes where nothing happened.

As root `chmod 555` stops nobody, a full volume may not be full, a signal may come too late. Every test that is marked
with a row of the table of faults calls `bites`; `harness.faults.table` reads the sources and says which one does not.
"""


def bites(condition: object, what: str) -> None:
    """
    Assert that an injection had its effect.

    Args:
        condition: true if it had.
        what: the effect, as a sentence: "the volume is full".
    """
    assert condition, f"the injection did not bite: not so: {what}"
