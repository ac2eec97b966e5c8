"""
A block's entries in TensorFlow's placement log: tensors that the host handed over, and operations that ran elsewhere.

A process asks for it with `tf.debugging.set_log_device_placement(True)`, with soft placement off, and with
`TF_CPP_MIN_LOG_LEVEL=0`. Two logical devices of the CPU are enough to see what would cross to a GPU.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_EXECUTED = re.compile(r"Executing op (\S+) in device \S*device:(\w+:\d+)")
_NODE = re.compile(r"(\S+): \((\w+)\): \S*device:(\w+:\d+)")
CONSTANT = "_EagerConst"
_ARGUMENTS = ("_DeviceArg", "_DeviceRetval", "_Arg", "_Retval")
"""Ends of a function, which small integers enter and leave through the host's memory."""


@dataclass(kw_only=True)
class Placement:
    """
    Operations of a block.

    Attributes:
        constants: tensors that were made from the host's data.
        calls: operations and compiled functions that the host started, constants aside.
        elsewhere: operations that were placed on another device, with its name.
    """

    constants: int = 0
    calls: int = 0
    elsewhere: list[str] = field(default_factory=list)


def read(lines: Iterable[str], device: str) -> Placement:
    """
    Sum up a part of a placement log.

    Args:
        lines: of the log.
        device: on which everything must be, such as `"CPU:1"` or `"GPU:0"`.
    """
    found = Placement()
    for line in lines:
        if (executed := _EXECUTED.search(line)) is not None:
            name, place = executed.groups()
            found.constants += name == CONSTANT
            found.calls += name != CONSTANT
        elif (node := _NODE.search(line)) is not None and node[2] not in _ARGUMENTS:
            name, place = f"{node[1]} ({node[2]})", node[3]
        else:
            continue
        if place != device:
            found.elsewhere.append(f"{name} on {place}")
    return found
