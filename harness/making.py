"""
Making fixtures from their recorded commands: under a temporary name, checked, then renamed.

Whoever looks finds either no file or the right one, also while several processes make the same fixture: makers of
one folder take turns with a lock on the folder itself, which leaves no lock file behind and falls with the process.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import sidecar
from harness.inventory import DriftError, Inventory, digest_of
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.verdict import Verdict

_SECONDS = 600
"""A fixture that takes longer is not made by a test run."""


def make(inventory: Inventory, name: str) -> Path:
    """
    Make a fixture and those that it is made of; what is there with the right bytes is left alone.

    Args:
        inventory: the list.
        name: of the fixture.

    Returns:
        The file.

    Raises:
        UsageError: a fixture that cannot be made.
        DriftError: the command gave other bytes than the recorded ones, or a source has drifted; nothing was written.
        PtychoError: the command failed.
        InfrastructureError: it took too long, or the folder is not writable.
    """
    fixture = inventory[name]
    if not fixture.make:
        raise UsageError(f"fixture {name!r} cannot be made; {inventory.why_absent(name)}")
    home = inventory.home(fixture)
    there = inventory.resolve(name)
    if there is not None and there != home and not inventory.drift(name):
        return there
    sources = {source: str(make(inventory, source)) for source in fixture.sources}
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(home.parent):
            if not home.is_file() or inventory.drift(name):
                _write(inventory, name, home, sources)
    except OSError as error:
        gone = next(
            (place for place in (home.parent, *home.parents) if place.is_symlink() and not place.exists()), None
        )
        why = error.strerror if gone is None else f"{gone} is a link to {gone.readlink()}, which is not there; mount it"
        raise InfrastructureError(f"fixture {name!r} cannot be made in {home.parent}: {why}") from error
    return home


def _write(inventory: Inventory, name: str, home: Path, sources: dict[str, str]) -> None:
    fixture = inventory[name]
    prefix = f".making-{home.stem}-"
    for stale in home.parent.glob(f"{prefix}*"):  # of a maker that was killed: this one holds the lock
        stale.unlink()
    temporary = home.with_name(f"{prefix}{os.getpid()}{home.suffix}")
    words = {"python": sys.executable, "output": str(temporary), **sources}
    try:
        _run([word.format_map(words) for word in fixture.make], name, inventory.checkout)
        if not temporary.is_file():
            raise PtychoError(f"fixture {name!r}: its command ended well and wrote nothing: {' '.join(fixture.make)}")
        kind, _, expected = fixture.digest.partition(":")
        actual = digest_of(temporary, kind)
        if actual != expected:
            raise DriftError(
                f"fixture {name!r} comes out with {kind} {actual}, the inventory says {expected}; if the change is "
                "meant, record the new digest in datasets/inventory.toml and make it again"
            )
        temporary.replace(home)
        if fixture.kind == "committed":
            sidecar.write(fixture, home)
    finally:
        temporary.unlink(missing_ok=True)


def _run(command: list[str], name: str, folder: Path) -> None:
    # Made on the CPU with the checkout's own code, wherever it is called from.
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(f"fixture {name!r} took more than {_SECONDS} s to make") from error
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        failed = PtychoError(f"fixture {name!r}: its command ended with {done.returncode}: {' '.join(command)}\n{tail}")
        # What the machine lacks is not the fixture's fault.
        failed.verdict = Verdict.INFRA if done.returncode == Verdict.INFRA else failed.verdict
        raise failed


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
