"""
The summaries of several runs on one page of a service, within its limit.

A service drops the whole of a page that is too long. Here the longest summaries are cut first, and each cut is said.
"""

from collections.abc import Sequence
from pathlib import Path

LARGEST = 1_000_000
"""Bytes of a page, below GitHub's 1 MiB for a step."""

NOTHING = "No run has left a summary: nothing reported, and that is not a pass.\n"


def joined(summaries: Sequence[str], limit: int = LARGEST) -> str:
    """
    Summaries one after another, in at most so many bytes.

    Args:
        summaries: Markdown, in the order in which it is read.
        limit: bytes of the whole.
    """
    if not summaries:
        return NOTHING
    share = limit // len(summaries)
    data = [text.encode() for text in summaries]
    # What short summaries leave of their share goes to the long ones.
    spare = sum(max(0, share - len(item)) for item in data)
    long = sum(len(item) > share for item in data)
    room = share + (spare // long if long else 0)
    return "".join(_cut(item, room) for item in data)


def _cut(data: bytes, room: int) -> str:
    text = data.decode() if len(data) < room else ""
    if text:
        return text if text.endswith("\n") else text + "\n"
    note = f"\n\n[cut here: {len(data)} bytes in all; the whole is in the run's summary.md]\n"
    return data[: max(0, room - len(note.encode()))].decode(errors="ignore") + note


def of_runs(root: Path) -> list[str]:
    """The summaries of the runs below a workspace's folder, oldest first."""
    paths = sorted(root.glob("runs/*/summary.md"))
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]
