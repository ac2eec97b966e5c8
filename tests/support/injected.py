"""
The proof that an injected fault was really there: without it, a test of a fault passes where nothing happened.

As root `chmod 555` stops nobody, a full volume may not be full, a signal may come too late. Every test that is marked
with a row of the table of faults calls `bites`; `harness.faults.table` reads the sources and says which one does not.
"""

import pytest

from harness.process import control_group


def bites(condition: object, what: str) -> None:
    """
    Assert that an injection had its effect.

    Args:
        condition: true if it had.
        what: the effect, as a sentence: "the volume is full".
    """
    assert condition, f"the injection did not bite: not so: {what}"


def control_group_or_skip(token: str) -> control_group.ControlGroup:
    """A control group of the kernel's; where none can be made, the test is skipped and says why."""
    if (made := control_group.make(token)) is not None:
        return made
    where = control_group.own()
    why = "no cgroup v2 is mounted" if where is None else f"{where} is not writable, or the kernel is older than 5.14"
    pytest.skip(f"no control group can be made: {why}")
