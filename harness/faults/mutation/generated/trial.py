"""
One generated change before the checks that can see its function, and before nothing else.

Tests come first: the fast ones that import the changed module, directly or not, the nearest first. Then, for the
backends and the core, the whole ladder. A test that fails is asked again without the change: one that fails then, too,
proves nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from harness.faults.mutation import tests_trial
from harness.faults.mutation.catalogue import Mutant
from harness.faults.mutation.entry import OWNERS
from harness.faults.mutation.generated.changes import GeneratedChange, is_equivalent
from harness.faults.mutation.result import GateAnswer, PlantedMutant
from harness.faults.mutation.setup import MutationSetup
from harness.faults.mutation.user_path import ladder_run
from harness.faults.mutation.user_path import trial as user_path
from harness.isolation import source_overlay
from harness.isolation.source_overlay import PACKAGES, Edit
from harness.system.rmtree import remove_tree
from ptycho import git
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict

KILLED, EQUIVALENT, ALIVE, ERROR = "killed", "equivalent", "alive", "error"
FAST = "not slow and not deep and not integration"
LIMIT_S = 1800.0
"""Of the tests that can see one change: for the core, hundreds of files."""

AUTHOR = ("-c", "user.name=harness", "-c", "user.email=harness@localhost")
LADDER_OWNERS = ("torch", "tf", "core")
CORE_SIDES = ("tf", "torch")

TestsOf = Callable[[str], Sequence[str]]
"""The test files that depend on a file."""

RunTests = Callable[[Path, str, Sequence[str]], GateAnswer]
"""Runs test files in a copy, under a label."""

Walk = Callable[[Path, str, GeneratedChange], GateAnswer]
"""Runs the ladder in a copy, under a label."""


@dataclass(frozen=True, kw_only=True)
class ChangeTrial:
    """
    The result of a change.

    Attributes:
        change: which.
        outcome: `KILLED`, `EQUIVALENT`, `ALIVE` or `ERROR`.
        at: rung, or `tests`; empty for one that was not killed.
        named: sides that the ladder named; empty where it was not asked.
        detail: what failed, why it is equivalent, or what went wrong.
        tests: how many test files were asked.
        seconds: wall time.
    """

    change: GeneratedChange
    outcome: str
    at: str = ""
    named: tuple[str, ...] = ()
    detail: str = ""
    tests: int = 0
    seconds: float = 0.0

    @property
    def owner(self) -> str:
        """The side that the change is in, by its package."""
        return owner(self.change)

    @property
    def named_rightly(self) -> bool | None:
        """Whether the ladder named the side of the package; None where it named none."""
        if not self.named:
            return None
        return self.named == ((self.owner,) if self.owner in CORE_SIDES else CORE_SIDES)


@dataclass(frozen=True, kw_only=True)
class ChangeJudges:
    """
    The judges of a change.

    Attributes:
        tests_of: test files that can see a file.
        run_tests: runs them.
        walk: runs the ladder; None where nobody has both frameworks.
    """

    tests_of: TestsOf
    run_tests: RunTests
    walk: Walk | None


def owner(change: GeneratedChange) -> str:
    """Whose code is changed."""
    return OWNERS[change.file.partition("/")[0]]


def whole(checkout: Path, place: Path) -> Path:
    """
    A copy of a checkout with its tests and pages, as a repository of its own: some tests ask git for its files.

    Args:
        checkout: what is copied; where git does not know it, its packages alone.
        place: the copy; made here.

    Raises:
        InfrastructureError: git makes no repository of the copy.
    """
    try:
        listed = git.ask(checkout, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    except git.GitError:
        return source_overlay.copy(checkout, place, [name for name in PACKAGES if (checkout / name).is_dir()])
    place.mkdir(parents=True)
    for name in filter(None, listed.decode(errors="surrogateescape").split("\0")):
        if (checkout / name).is_file():
            source_overlay.add(checkout, place, name)
    try:
        for words in (("init", "-q"), ("add", "-A"), (*AUTHOR, "commit", "-q", "-m", "a copy")):
            git.ask(place, *words)
    except git.GitError as error:
        raise InfrastructureError(f"the copy {place} is not a repository: {error}") from error
    return place


def nearest_first(file: str, tests: Sequence[str]) -> list[str]:
    """Test files of one run: that of the file's own name, those of its folder, and then the others."""
    own = tests_trial.tests_of(file)
    folder = str(PurePosixPath(own).parent)
    return sorted(tests, key=lambda name: (name != own, not name.startswith(f"{folder}/"), name))


def run(change: GeneratedChange, stage: MutationSetup, checks: ChangeJudges) -> ChangeTrial:
    """
    Try a change in a copy of its own.

    Raises:
        KeyboardInterrupt: the run was asked to end.
    """
    clock = time.monotonic()
    before = (stage.tree / change.file).read_text(encoding="utf-8")
    after = change.applied(before)
    if is_equivalent(before, after):
        return ChangeTrial(change=change, outcome=EQUIVALENT, detail="it compiles to the same instructions")
    names = sorted(path.name for path in stage.tree.iterdir())
    root = source_overlay.copy(stage.tree, stage.kept.scratch / f"{change.id}.code", names)
    try:
        (root / change.file).write_text(after, encoding="utf-8")
        tried = judged(change, root, checks)
    finally:
        for path in stage.kept.scratch.glob(f"{change.id}.*"):
            remove_tree(path)
    return replace(tried, seconds=time.monotonic() - clock)


def judged(change: GeneratedChange, root: Path, checks: ChangeJudges) -> ChangeTrial:
    """Ask the tests, and then the ladder where it can see the change."""
    files = nearest_first(change.file, checks.tests_of(change.file))
    made = ChangeTrial(change=change, outcome=ALIVE, tests=len(files))
    for number, group in enumerate(by_interpreter(files)):
        found = checks.run_tests(root, f"{change.id}.tests{number}", group)
        if found.error:
            return replace(made, outcome=ERROR, detail=found.error)
        if found.at is not None:
            return replace(made, outcome=KILLED, at="tests", detail=found.detail)
    if owner(change) in LADDER_OWNERS and checks.walk is not None:
        found = checks.walk(root, f"{change.id}.ladder", change)
        if found.error:
            return replace(made, outcome=ERROR, detail=found.error)
        if found.at is not None:
            return replace(made, outcome=KILLED, at=found.at, named=found.guilty, detail=found.detail)
    return made if files or owner(change) in LADDER_OWNERS else replace(made, detail="no test imports it")


def by_interpreter(files: Sequence[str]) -> list[list[str]]:
    """Test files in groups that one interpreter can run: everybody's first, then each backend's."""
    folders = tuple(f"{folder}/" for folder in tests_trial.FOLDERS.values())
    shared = [name for name in files if not name.startswith(folders)]
    groups = [shared, *([name for name in files if name.startswith(folder)] for folder in folders)]
    return [group for group in groups if group]


def checks_of(stage: MutationSetup, tests_of: TestsOf, *, ladder: bool = True) -> ChangeJudges:
    """The real checks."""

    def run_tests(root: Path, label: str, files: Sequence[str]) -> GateAnswer:
        ended = tests_trial.run(
            _planted(None, root, label, files), stage, marked=FAST, empty_passes=True, limit_s=LIMIT_S
        )
        if ended.at is None or ended.error:
            return ended
        # Does the same test pass without the change?
        failed = ended.detail.removeprefix("FAILED ").removeprefix("ERROR ").partition("::")[0]
        again = [name for name in files if failed.endswith(name)] or list(files)
        names = sorted(path.name for path in stage.tree.iterdir())
        clean = source_overlay.copy(stage.tree, stage.kept.scratch / f"{label}.clean", names)
        found = tests_trial.run(
            _planted(None, clean, f"{label}.again", again), stage, marked=FAST, empty_passes=True, limit_s=LIMIT_S
        )
        if found.at is not None:
            return GateAnswer(error=f"it fails without the change, too: {found.detail}")
        return ended

    def walk(root: Path, label: str, change: GeneratedChange) -> GateAnswer:
        walked = ladder_run.walk(root, label, stage)
        kind = "hangs" if walked.exit_code == Verdict.TIMEOUT else "value"
        return user_path.judge(walked, replace(_mutant(change), kind=kind))

    return ChangeJudges(tests_of=tests_of, run_tests=run_tests, walk=walk if ladder else None)


def _mutant(change: GeneratedChange | None, tests: Sequence[str] = ()) -> Mutant:
    edits = () if change is None else (Edit(file=change.file, old=change.old, new=change.new),)
    side: Any = "harness" if change is None else owner(change)
    return Mutant(id="generated", edits=edits, guilty=side, story="", dies_at="tests", tests=tuple(tests))


def _planted(change: GeneratedChange | None, root: Path, label: str, tests: Sequence[str]) -> PlantedMutant:
    return PlantedMutant(mutant=_mutant(change, tests), root=root, label=label, compared=False)
