"""
Runs inside every Python child: notes which paths outside its scratch it opens for writing, makes, renames or links.

The ledger sees that a path in a shared place changed, but not who changed it; on a machine with other users it would
attribute their files to the run. This names the process exactly for everything that goes through Python. It imports
nothing of the harness, of which the child's interpreter knows nothing. The log is opened once, before the hook is
there.

The same hook hands on to the event log what a pipeline says of its own course: `sys.audit("ptycho.phase.start",
{"phase": "train"})` becomes the event `phase.start` with that field. A pipeline that says so needs no harness, no file
and no environment: without a listener the call does nothing.

And it waits for the signal by which the supervisor asks a hanging process for its stacks: `harness.process.stacks`.
The answer comes from C code inside the signal's handler: it needs no interpreter lock, and no Python code that runs.

Last it runs the `sitecustomize` of the environment itself, as Python would have done without this one.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

_TARGET = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "sqlite3.connect": 0, "os.truncate": 0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SAID = "ptycho."


def _install(log: str, scratch: str, tell: Callable[[str, dict[str, Any]], None]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    inside = scratch.rstrip("/") + "/"

    def observe(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & _WRITING:
                return
        elif event in _TARGET:
            path = arguments[_TARGET[event]]
        elif event.startswith(_SAID):
            tell(event.removeprefix(_SAID), arguments[0])
            return
        else:
            return
        if isinstance(path, str | bytes):
            # abspath and not pathlib: this runs at every event, also while the interpreter shuts down.
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
            if not name.startswith((inside, "/proc/", "/dev/null", "/dev/pts/", "/dev/tty", "/dev/nvidia")):
                os.write(descriptor, f"{os.getpid()}\t{name}\0".encode(errors="surrogateescape"))

    sys.addaudithook(observe)


def _teller(path: str | None) -> Callable[[str, dict[str, Any]], None]:
    """Return what writes to the event log; it is opened now, so that opening it is not a write of the child's own."""
    descriptor = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def tell(event: str, fields: dict[str, Any]) -> None:
        # Imported late: most children say nothing, and json costs them a hundredth of a second.
        from importlib import import_module

        if descriptor is not None:
            import_module("ptycho_harness_jsonl").append(descriptor, event, **fields)

    return tell


def _watch(log: str, scratch: str, tell: Callable[[str, dict[str, Any]], None]) -> None:
    """Look at what the process holds when it ends; a cell is known by the folder of its log."""
    from importlib import import_module

    audit = import_module("ptycho_harness_exit_audit")
    audit.watch(os.path.dirname(scratch), os.path.basename(os.path.dirname(log)), tell)  # noqa: PTH119, PTH120


def _wait_for_signal(dump: str) -> None:
    """Write the stacks of all threads into a file whenever the signal comes, unless somebody else waits for it."""
    import faulthandler
    import signal

    number = signal.SIGRTMAX - 3 if sys.platform == "linux" else signal.SIGUSR2
    if signal.getsignal(number) is signal.SIG_DFL:
        # Kept open, and never made: a command that outlives its run must not bring the file back.
        faulthandler.register(number, os.open(dump, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), chain=False)


if "PTYCHO_HARNESS_DEVICES" in os.environ and sys.platform == "linux":
    from importlib import import_module as _import

    _import("ptycho_harness_gpu").report(os.environ["PTYCHO_HARNESS_DEVICES"])

if (_dump := os.environ.get("PTYCHO_HARNESS_STACKS")) and os.path.exists(_dump):  # noqa: PTH110
    _wait_for_signal(_dump)

if "PTYCHO_HARNESS_WRITES" in os.environ:
    _tell = _teller(os.environ.get("PTYCHO_HARNESS_EVENTS"))
    _install(os.environ["PTYCHO_HARNESS_WRITES"], os.environ["PTYCHO_HARNESS_SCRATCH"], _tell)
    _watch(os.environ["PTYCHO_HARNESS_WRITES"], os.environ["PTYCHO_HARNESS_SCRATCH"], _tell)


def _run_hidden() -> None:
    """Run the environment's own `sitecustomize`, which this one hides by standing before it on the path."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    others = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


_run_hidden()
