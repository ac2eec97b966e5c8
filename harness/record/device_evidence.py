"""
Evidence of the device in a log, and what is missing of it: of a run about to end and of one that is read alike.

A lane that writes at its beginning that it will prove its device is held to it: without the control, or without the
proof of one of its commands, it does not pass, whoever forgot to write it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.record.state import RunState


def sentences(told: "RunState") -> list[str]:
    """Return why a log does not show what its device did; none for one that did not promise it."""
    if not told.expected.device_proof:
        return []
    said = []
    if told.control is None:
        # A lane that never came to choose its device ran nothing that could be proved.
        said += ["no evidence: the planted use of a GPU (device.control) did not report"] if told.commands else []
    elif told.control.get("missed") and "device-unproven" not in told.known:
        said.append("no evidence: a planted use of a GPU was not caught")
    ended = [label for label, command in told.commands.items() if command.returncode is not None]
    if silent := [label for label in ended if label not in told.proofs]:
        said.append(f"no evidence: which device was used is not proved for {', '.join(silent)}")
    rows = [row for row in told.proofs.values() if not row.get("gpu") and row.get("touched")]
    if rows and "gpu-touched" not in told.known:
        said.append(f"a GPU was touched although hidden: {', '.join(str(row.get('label')) for row in rows)}")
    return said
