"""
Findings about what a command left where it should have left nothing, with the same name each time.

Names of temporary files are drawn at random and counted up; the subject of a finding must not be, or each command
would have a finding of its own.
"""

import re
from pathlib import Path

from harness.isolation.leaks import Leak
from harness.record.findings import Finding

PLACES = {
    "the working directory": "leak-working-directory",
    "the parent of the working directory": "leak-parent",
    "HOME": "leak-home",
    "TMPDIR": "leak-tmpdir",
}
"""Finding by place of a command's own; any other place is shared."""

HELD = {
    "threads": "leak-thread",
    "descriptors": "leak-descriptor",
    "shared memory": "leak-shared-memory",
    "System V shared memory": "leak-shared-memory",
}
"""Finding by place that is not a folder; anything else that existed before the run is elsewhere."""

_SQLITE = b"SQLite format 3\0"
_LOOKED_AT = 200


def of_command(label: str, leak: Leak) -> Finding:
    """The finding about something that a command left in a place of its own."""
    path = Path(leak.path)
    name = "leak-database" if is_database(path) else PLACES[leak.place]
    sentence = f"leak: {label}: {leak}" + (" (a database)" if name == "leak-database" else "")
    return Finding(id=name, subject=lasting(path.name), sentence=sentence, figures={"place": leak.place})


def of_run(leak: Leak) -> Finding:
    """The finding about a change in a place that existed before the run, or about what a process held at its end."""
    name = leak.path if leak.place == "threads" else Path(leak.path).name
    return Finding(
        id=HELD.get(leak.place, "leak-elsewhere"),
        subject=lasting(name),
        sentence=f"leak: {leak}",
        figures={"place": leak.place},
    )


def of_process(label: str, survivor: str) -> Finding:
    """The finding about a process, `"PID (command line)"`, that outlived its command."""
    program = survivor.partition("(")[2].rstrip(")").split(" ")[0]
    sentence = f"leak: {label} left a process alive: {survivor} (killed)"
    return Finding(id="leak-process", subject=Path(program).name, sentence=sentence)


def lasting(name: str) -> str:
    """A file's name without what is drawn or counted again each time: `tmpx3k_9a0q` and `tmpf71bq2_w` are `tmp*`."""
    if re.search(r"[a-z0-9_]{8}(?:\.\w+)?$", name) and re.search(r"\d", name):
        name = re.sub(r"[a-z0-9_]{8}(?=(?:\.\w+)?$)", "*", name)
    return re.sub(r"\d+", "#", name)


def is_database(path: Path) -> bool:
    """Whether a path is an SQLite database, or a folder that holds one."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())[:_LOOKED_AT]
    for file in files:
        with file.open("rb") as stream:
            if stream.read(len(_SQLITE)) == _SQLITE:
                return True
    return False
