"""
Findings: what is wrong with a pipeline, each with a name that lasts, what it rests on, and how to see it again.

A finding is known by its id and its subject (a fixture, an option, a file that was left), so that the same fault in
ten commands is one finding that occurred ten times, and a list of known failures can name it. Which ids there are is
the table `KINDS`; `docs/findings.md` is held to it. That a check *ran* is recorded, too: silence is not evidence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ptycho.errors import UsageError
from ptycho.verdict import Verdict

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, kw_only=True)
class FindingKind:
    """
    A row of the table of findings.

    Attributes:
        check: the check that gives it.
        means: what is wrong, for the reader of a report.
        severity: `"error"` fails the lane, `"warning"` does not.
        verdict: what the lane ends with.
    """

    check: str
    means: str
    severity: str = ERROR
    verdict: Verdict = Verdict.FAIL


KINDS: Mapping[str, FindingKind] = {
    "exit-code": FindingKind(check="run", means="a command ended with an error"),
    "time-limit": FindingKind(check="run", means="a command was killed at its time limit", verdict=Verdict.TIMEOUT),
    "memory-limit": FindingKind(check="run", means="a command ran out of memory, or was about to", verdict=Verdict.OOM),
    "no-output": FindingKind(check="run", means="a command ended with 0 and left nothing"),
    "artifact-missing": FindingKind(check="artifacts", means="a declared file was not written"),
    "artifact-empty": FindingKind(check="artifacts", means="a declared file is empty"),
    "artifact-stale": FindingKind(
        check="artifacts", means="a declared file is older than the command that should write it"
    ),
    "input-hash-missing": FindingKind(check="input-hash", means="the summary does not say what the network was given"),
    "layouts-differ": FindingKind(
        check="layouts", means="the same data in two file layouts are not the same to the pipeline"
    ),
    "legacy-refused": FindingKind(
        check="layouts", means="the transposed legacy layout is not read, the canonical one is"
    ),
    "canonical-refused": FindingKind(check="layouts", means="the canonical layout is not read, the legacy one is"),
    "legacy-accepted": FindingKind(check="layouts", means="a layout that the target says it refuses is read"),
    "reconstruction-unreadable": FindingKind(check="quality", means="the reconstruction cannot be read or scored"),
    "reconstruction-flat": FindingKind(check="quality", means="the reconstruction is constant"),
    "reconstruction-poor": FindingKind(
        check="quality", means="too little in common with the truth, in any orientation"
    ),
    "untrained-weights": FindingKind(check="quality", means="what is reconstructed does not depend on the training"),
    "stitching-mirrored": FindingKind(check="orientation", means="object or patch positions are mirrored"),
    "stitching-swapped": FindingKind(
        check="orientation", means="x and y are swapped, in the object or in the positions"
    ),
    "object-conjugated": FindingKind(check="orientation", means="the phase has the wrong sign"),
    "stitching-shifted": FindingKind(
        check="orientation", means="the object lies beside its place, beyond what is removed"
    ),
    "object-offset": FindingKind(check="place", means="the object is off its place by 1 to 3 pixels", severity=WARNING),
    "object-scaled": FindingKind(check="scale", means="the amplitude is wrong by a factor"),
    "unseeded": FindingKind(check="repeat", means="the same command twice gives two results"),
    "seed-ignored": FindingKind(check="seed", means="another seed gives the same result"),
    "epochs-ignored": FindingKind(check="epochs", means="one epoch gives what all of them give"),
    "option-ignored": FindingKind(check="option", means="an option is accepted and has no effect"),
    "option-refused": FindingKind(check="option", means="a command with a declared option ends with an error"),
    "tracking-not-on": FindingKind(check="tracking", means="tracking is switched on and leaves nothing"),
    "tracking-not-off": FindingKind(check="tracking", means="tracking is switched off and leaves its store"),
    "leak-database": FindingKind(check="leaks", means="a database is left outside the output folder"),
    "leak-working-directory": FindingKind(check="leaks", means="files are left in the working directory"),
    "leak-parent": FindingKind(check="leaks", means="files are left in the parent of the working directory"),
    "leak-home": FindingKind(check="leaks", means="files are left in HOME"),
    "leak-tmpdir": FindingKind(check="leaks", means="files are left in TMPDIR"),
    "leak-process": FindingKind(check="leaks", means="a process outlives its command"),
    "leak-elsewhere": FindingKind(check="leaks", means="something outside the run was changed"),
    "leak-thread": FindingKind(check="leaks", means="a thread keeps a process from ending"),
    "leak-descriptor": FindingKind(check="leaks", means="a file is still open when its process ends"),
    "leak-shared-memory": FindingKind(check="leaks", means="shared memory keeps its name when its process ends"),
    "gpu-touched": FindingKind(
        check="device", means="a command touched a GPU in a lane from which every GPU is hidden"
    ),
    "gpu-unused": FindingKind(check="device", means="a training in a GPU lane did its work elsewhere"),
    "device-unproven": FindingKind(
        check="device", means="it is not shown which device was used, or a planted use was missed"
    ),
    "epoch-over-budget": FindingKind(
        check="budget", means="an epoch takes longer than allowed", verdict=Verdict.BUDGET
    ),
    "suite-failed": FindingKind(check="suite", means="the target's own tests fail or prove nothing"),
    "pair-inputs-differ": FindingKind(check="pair-inputs", means="two targets give their networks other values"),
    "pair-subsets-differ": FindingKind(
        check="pair-inputs", means="two targets draw other patterns, or in another order"
    ),
    "pair-hashes-differ": FindingKind(
        check="pair-hashes", means="two targets log other hashes of their input", severity=WARNING
    ),
    "pair-coordinates-differ": FindingKind(
        check="pair-coordinates", means="two targets place their patches differently"
    ),
    "pair-outputs-differ": FindingKind(
        check="pair-outputs", means="two reconstructions agree less than with the truth"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    Something wrong.

    Attributes:
        id: a key of `KINDS`.
        subject: what it is about, such as a fixture; `""` where there is nothing to tell apart.
        sentence: for people.
        figures: the numbers that it rests on, by name.
        picture: a picture that shows it, or None.
        command: a command line that shows it again.
        verdict: verdict of the lane, if nothing graver is found.
        times: in how many commands it occurred.
        known: why it is on the target's list of known failures; `""` if it is not.
    """

    id: str
    sentence: str
    subject: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    picture: str | None = None
    command: str | None = None
    verdict: Verdict | None = None
    times: int = 1
    known: str = ""

    def __post_init__(self) -> None:
        if self.id not in KINDS:
            raise UsageError(f"no finding {self.id!r}; allowed: {', '.join(KINDS)}; add a row to KINDS")

    @property
    def kind(self) -> FindingKind:
        """Its row of the table."""
        return KINDS[self.id]

    @property
    def counts(self) -> bool:
        """Whether the lane fails because of it."""
        return self.kind.severity == ERROR and not self.known

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        verdict = self.verdict if self.verdict is not None else self.kind.verdict
        plain = asdict(self) | {"verdict": verdict.label, "severity": self.kind.severity}
        return plain | {"check": self.kind.check, "known": self.known or None}


class Findings:
    """The findings of a lane and the checks that were made, while both are gathered."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}
        self._checked: dict[tuple[str, str], None] = {}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def add(self, finding: Finding) -> bool:
        """Add a finding, or count one more of it. Returns whether it is new; a finding implies its check."""
        key = finding.id, finding.subject
        self.checked(finding.kind.check, finding.subject)
        earlier = self._found.get(key)
        self._found[key] = finding if earlier is None else replace(earlier, times=earlier.times + 1)
        return earlier is None

    def checked(self, check: str, subject: str = "") -> None:
        """Record that a check was made: for one subject, or with `""` for all there could be."""
        self._checked[check, subject] = None

    def was_checked(self, id: str, subject: str) -> bool:  # noqa: A002 - the field's name
        """Whether the check behind an id was made for a subject; `""` asks for any subject."""
        check = KINDS[id].check
        if not subject:
            return any(made == check for made, _ in self._checked)
        return (check, subject) in self._checked or (check, "") in self._checked

    def checks(self) -> list[dict[str, str]]:
        """The checks that were made, for JSON."""
        return [{"check": check, "subject": subject} for check, subject in self._checked]

    def rows(self) -> list[tuple[str, ...]]:
        """A table, headings first."""
        table: list[tuple[str, ...]] = [("severity", "finding", "subject", "figures", "times")]
        for item in self:
            severity = "known" if item.known else item.kind.severity
            figures = " ".join(f"{name} {short(value)}" for name, value in item.figures.items())
            table.append((severity, item.id, item.subject, figures, str(item.times)))
        return table


def short(value: Any) -> str:
    """A figure for a table."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "(" + ", ".join(short(item) for item in value) + ")"
    return str(value)
