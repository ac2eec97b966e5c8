"""
Writes down, line by line, where a backend's code is: what a process leaves that ends without a traceback.

It slows Python down many times, so that it is only done for a rung at which a process has died once without saying
where.
"""

import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "PTYCHO_ADAPTER_TRACE"
"""Names the file to an adapter."""

WIDTH = 512
"""Bytes of the record, which is written over again and again."""


def follow(path: Path, folder: Path) -> None:
    """
    Record every line that runs from now on, in all threads.

    Args:
        path: file of the record.
        folder: folder of the backend's code; other lines are not recorded.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    prefix = f"{folder}{os.sep}"

    def record(frame: FrameType, _event: str, _value: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(prefix):
            return None
        text = f'File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}'
        os.pwrite(descriptor, text.encode(errors="replace")[:WIDTH].ljust(WIDTH), 0)
        return record

    threading.settrace(record)
    sys.settrace(record)
