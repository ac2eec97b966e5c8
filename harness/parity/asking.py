"""
Asking one backend: a probe process of its own, several requests to one import of the framework.

Answers are read as soon as they are whole, so that the low rungs are judged while the high ones are being measured.
Both backends are asked at once, one core each. Each process has a token of its own below the run's: what one leaves
alive is not laid at the other's door.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import child, environment, job, targets
from harness.environment import Cell
from harness.events import EventLog
from harness.interruption import Interruption
from harness.parity import answer
from harness.parity.answer import Answer
from harness.runroot import RunRoot
from harness.target_parts import Probe
from harness.targets import Target
from ptycho.errors import InfrastructureError, UsageError
from ptycho.probe import MANIFEST
from ptycho.verdict import Verdict

PACKAGES = {"torch": "ptycho_torch", "tf": "ptycho_tf"}
PROBE_TIMEOUT_S = 300.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Another number of threads is another order of additions."""


@cache
def _shipped(side: str) -> Target:
    return targets.load(targets.built_in(side))


@dataclass(frozen=True, kw_only=True)
class Party:
    """
    One backend as it is asked: a target with a probe, whether it ships with the harness or not.

    Attributes:
        side: `torch` or `tf`.
        python: interpreter that has its framework.
        import_root: folder from which its packages are imported, the target's own if None; a changed copy of them for
            a planted fault.
        target: its description; the one that ships with the harness if None.
    """

    side: str
    python: str = sys.executable
    import_root: Path | None = None
    target: Target | None = None

    @property
    def described(self) -> Target:
        """The target."""
        return self.target or _shipped(self.side)

    @property
    def root(self) -> Path:
        """Where its packages are imported from."""
        return self.import_root or self.described.root

    @property
    def probe(self) -> Probe:
        """
        How it answers.

        Raises:
            UsageError: it does not.
        """
        if self.described.probe is None:
            raise UsageError(
                f"target {self.described.file} has no [probe], without which it cannot be on the ladder; "
                "docs/probe-kit.md says how to add one"
            )
        return self.described.probe

    @property
    def package(self) -> str:
        """The package that answers: the last of the probe's sources."""
        return self.probe.sources[-1]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """
    A probe process that ended well.

    Attributes:
        answers: one a request, in their order.
        seconds: wall time of the process.
    """

    answers: tuple[Answer, ...]
    seconds: float


OnAnswer = Callable[[int, Answer], None]


def ask(
    party: Party,
    requests: Sequence[Path],
    label: str,
    kept: RunRoot,
    events: EventLog,
    interruption: Interruption,
    *,
    on_answer: OnAnswer | None = None,
    timeout_s: float = PROBE_TIMEOUT_S,
) -> Asked:
    """
    Put requests to a backend, in one process.

    Args:
        party: whom.
        requests: files of `Request.save`.
        label: name of the process, unique in its run; names its folder and its log.
        kept: the run.
        events: its log.
        interruption: asked while waiting.
        on_answer: called with the position and the answer of each request as soon as it is there.
        timeout_s: limit for the process.

    Raises:
        InfrastructureError: the process did not end well; the message ends with its last lines.
        KeyboardInterrupt: the run was asked to end.
    """
    cell = Cell(path=kept.scratch / label).make()
    cell.output.mkdir()
    outs = [cell.output / str(number) for number in range(len(requests))]
    values = {"python": party.python, "root": party.root, "cache": cell.cache}
    argv = targets.fill(party.probe.command.argv, values)
    for request, out in zip(requests, outs, strict=True):
        argv += ["--request", str(request), "--out", str(out)]
    token = f"{kept.token}-{label}"
    env = environment.build(
        cell,
        token=f"{kept.token}:{token}",
        scratch=kept.scratch,
        events=kept.events,
        import_root=party.root,
        gpu=False,
        extra={name: text.format(**values) for name, text in party.described.environment.items()} | ONE_THREAD,
    )
    answers: list[Answer] = []

    def read_next() -> None:
        # The manifest is written last and renamed into place.
        while len(answers) < len(outs) and (outs[len(answers)] / MANIFEST).is_file():
            take(len(answers))

    def take(number: int) -> None:
        found = answer.read(outs[number], requests[number], party.package, party.root, party.probe.sources)
        answers.append(found)
        events.write("probe.answer", label=label, number=number, refusals=list(found.refusals))
        if on_answer is not None:
            on_answer(number, found)

    ended = child.run(
        argv,
        env=env,
        cwd=cell.cwd,
        log=kept.logs / f"{label}.log",
        timeout_s=timeout_s,
        token=token,
        interruption=interruption,
        meanwhile=read_next,
    )
    events.write("probe.end", label=label, returncode=ended.returncode, seconds=round(ended.seconds, 2))
    if job.verdict_of(ended) is not Verdict.PASS:
        raise InfrastructureError(job.complaint(f"the probe {label}", ended, timeout_s))
    while len(answers) < len(outs):
        take(len(answers))
    return Asked(answers=tuple(answers), seconds=ended.seconds)
