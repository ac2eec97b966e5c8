"""
Run the kit's recorders in somebody's interpreter: isolated, with limits, nothing left behind.

The recorders are handed to the interpreter by path: they need nothing of this project there.
"""

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.process import result, supervise
from harness.record import directory
from harness.record.directory import RunRoot
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.errors import InfrastructureError, UsageError
from ptycho.verdict import Verdict

KIT = Path(__file__).parents[1] / "kit"
LIMIT_S = 600.0
QUIET: Mapping[str, str] = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Another number of threads adds up in another order: 1e-6 of a gradient.
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "TF_INTRAOP")},
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    One side.

    Attributes:
        side: what reports call it.
        file: the maintainer's file.
        python: interpreter that has everything that it imports.
        folder: where its imports are looked for, besides the file's own folder.
    """

    side: str
    file: Path
    python: Path
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Runs recorders, each in a cell of its own."""

    kept: RunRoot
    interruption: Interruption
    count: list[int] = field(default_factory=lambda: [0])

    def run(self, script: str, subject: Subject, spec: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Path:
        """
        Run one of the kit's scripts on a subject.

        Args:
            script: name of the file in the kit.
            subject: the side.
            spec: what is asked, in plain values.
            arrays: what it is given.

        Returns:
            The folder with the answer.

        Raises:
            PtychoError: it could not be run, with the verdict that says why.
        """
        self.count[0] += 1
        label = f"{self.count[0]}-{subject.side}"
        cell = Sandbox(path=self.kept.scratch / label).make()
        request, log = cell.path / "request.npz", self.kept.logs / f"{label}.log"
        request.write_bytes(packed(spec, arrays))
        argv = [str(subject.python), str(KIT / script), str(subject.file.resolve())]
        done = supervise.run(
            [*argv, "--out", str(cell.output), "--request", str(request)],
            env=sandbox.build(
                cell,
                token=self.kept.token,
                scratch=self.kept.scratch,
                events=self.kept.scratch / "events.ndjson",
                import_root=subject.folder.resolve(),
                gpu=False,
                extra=QUIET,
            ),
            cwd=cell.cwd,
            log=log,
            timeout_s=LIMIT_S,
            token=self.kept.token,
            interruption=self.interruption,
        )
        self._check(subject, done)
        return cell.output

    def _check(self, subject: Subject, done: supervise.CompletedCommand) -> None:
        """Say why a recorder did not end well."""
        if result.verdict_of(done) is Verdict.PASS:
            return
        tail = done.tail()
        if "ModuleNotFoundError" in tail or "ImportError" in tail:
            raise InfrastructureError(
                f"{subject.python} lacks what {subject.file} imports; install it there, or name the folder of your "
                f"packages with --folder-one or --folder-two:\n{tail}"
            )
        if done.returncode == Verdict.USAGE:
            raise UsageError(f"{subject.file}: {tail}")
        raise result.error_of(subject.side, done, LIMIT_S)


def packed(spec: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A request as the bytes of an NPZ file."""
    buffer = io.BytesIO()
    members: dict[str, Any] = {**arrays, "spec": np.array(json.dumps(spec))}
    np.savez(buffer, **members)
    return buffer.getvalue()


def require(subjects: Sequence[Subject]) -> None:
    """
    Refuse files and interpreters that are not there.

    Raises:
        UsageError: a file is not there.
        InfrastructureError: an interpreter is not there.
    """
    if missing := [str(subject.file) for subject in subjects if not subject.file.is_file()]:
        raise UsageError(f"{', '.join(missing)} is not a file; give the file with model(), batch() and loss(…)")
    if missing := [str(subject.python) for subject in subjects if not subject.python.is_file()]:
        raise InfrastructureError(f"{', '.join(missing)} is not an interpreter; give the one that has the framework")


@contextmanager
def opened(root: Path) -> Iterator[Recorder]:
    """A recorder whose folder is gone at the end of the block, however it ends."""
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    kept = directory.create(root)
    try:
        with Interruption().installed() as interruption:
            yield Recorder(kept=kept, interruption=interruption)
    finally:
        for left in kept.remove():
            print(f"left in place: {left}", file=sys.stderr)
