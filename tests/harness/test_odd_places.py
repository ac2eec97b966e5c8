"""A lane gives the same under any path that a file system allows, and names the path that it cannot use."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.lanes.lane import LaneOptions, run
from harness.record import directory
from harness.record.outcome import Outcome
from harness.system.signals import Interruption
from harness.targets import loader
from ptycho.errors import InfrastructureError
from ptycho.verdict import Verdict
from tests.support.fakes import fake_target
from tests.support.injected import bites

OWN = OBSERVER.parents[2]
NAMES = {
    "spaces": " with  spaces ",
    "unicode": "größe \u2028 \U0001f52c",
    "newline": "new\nline",
    "percent": "100%s%(n)d%",
    "dash": "-rf",
    "braces": "{train} {0}",
    "quotes": 'it\'s "$HOME" `id`; *',
    "long": "n" * 250,
    "no utf-8": os.fsdecode(b"\xff\xfe"),
}


def _lane(workspace: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Outcome:
    """The fake target's lane with checkout, target, run root, HOME and TMPDIR below a folder."""
    for name in ("cwd", "home", "tmp"):
        (folder / name).mkdir(parents=True)
    monkeypatch.chdir(folder / "cwd")
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(folder / "tmp"))
    target = loader.load(fake_target.write(folder / "target", **{"suite": None, **settings}))
    options = LaneOptions(
        device="cpu", fixtures={"scan": workspace.scan}, root=Path(".harness"), quiet=True, brief=True
    )
    return run(target, options, Interruption())


def _figures(outcome: Outcome) -> tuple[object, ...]:
    (result,) = outcome.fixtures
    return outcome.verdict, result.scores, result.flat, [problem.message for problem in outcome.problems]


@pytest.mark.deep
@pytest.mark.fault("odd-paths")
def test_results_are_the_same_in_an_odd_place(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _lane(workspace, workspace.path / "plain", monkeypatch)
    assert _figures(plain)[0] is Verdict.PASS
    for name in NAMES.values():
        odd = _lane(workspace, workspace.path / name, monkeypatch)
        bites(odd.run_root.parents[2] == workspace.path / name / "cwd", "the place is odd")
        assert _figures(odd) == _figures(plain), name
        left = [sorted(path.name for path in found.run_root.iterdir()) for found in (odd, plain)]
        assert left[0] == left[1], name


@pytest.mark.slow
@pytest.mark.fault("odd-paths")
def test_a_leak_is_found_in_an_odd_place(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = workspace.path / (NAMES["newline"] + NAMES["percent"])
    stray = str(folder / "cwd" / "stray")
    outcome = _lane(workspace, folder, monkeypatch, fault="absolute", absolute=stray.replace("\n", "\\n"))
    bites(Path(stray).is_file(), "the file was left in the odd place")
    assert f"new in working directory: {stray} (written by process " in outcome.problems[0].message


READ_ONLY = """
import subprocess, sys
from pathlib import Path
root = Path(sys.argv[1])
root.mkdir()
for options in (["--bind", root, root], ["-o", "remount,bind,ro", root]):
    if subprocess.run(["mount", *options], capture_output=True).returncode:
        raise SystemExit(77)
try:
    (root / "trial").touch()
except OSError as error:
    print("bites:", error.strerror, flush=True)
raise SystemExit(subprocess.run([sys.executable, "-m", "harness", *sys.argv[2:], "--root", root]).returncode)
"""


@pytest.mark.slow
@pytest.mark.fault("odd-paths")
@pytest.mark.parametrize("name", ["read only", "-read only\n%s"])
def test_a_root_that_cannot_be_written_is_named_before_anything_runs(
    workspace: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root writes through `chmod 555`, so the folder is mounted read-only, in a mount namespace of the test's own."""
    root = workspace.path / name
    file = fake_target.write(workspace.path / "target", suite=None)
    command = ["run", "--target", str(file), "--fixture", str(workspace.scan), "--brief"]
    argv = ["unshare", "--mount", "--map-root-user", sys.executable, "-c", READ_ONLY, str(root), *command]
    env = {**os.environ, "PYTHONPATH": str(OWN)}
    done = subprocess.run(["env", *argv], env=env, capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        # No mount is allowed here: the refusal is planted where the kernel would give it.
        print(f"NO MOUNT NAMESPACE HERE: {done.stderr or 'mount is refused'}", file=sys.stderr)

        def refuse(path: Path, *_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(InfrastructureError, match="Read-only file system"):
            directory.create(root)
        return
    bites(done.stdout == "bites: Read-only file system\n", "nobody can write there")
    assert done.returncode == Verdict.INFRA
    assert done.stderr.startswith(f"error: the folder for runs {str(root / 'runs')!r} cannot be used: Read-only file")
    assert list(root.iterdir()) == []


def test_a_folder_for_runs_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / ("n" * 256)):
        with pytest.raises(InfrastructureError, match=r"the folder for runs '.*' cannot be used: .*--root") as found:
            directory.create(root)
        assert repr(str(root / "runs")) in str(found.value)
