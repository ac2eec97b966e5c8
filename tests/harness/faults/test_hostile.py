"""A target that means harm, through a whole lane: nothing outside changes, all else reports, and it is not a pass."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.files import run_files
from harness.isolation import sandbox
from harness.lanes.lane import LaneOptions, run
from harness.record import directory
from harness.record import log as event_log
from harness.record.outcome import Outcome
from harness.runs import clean, freshness
from harness.system import identity
from harness.system.signals import Interruption
from ptycho.verdict import Verdict
from tests.support.injected import bites


def lane(workspace: Any, *, train: str = "", infer: str = "") -> Outcome:
    """Run the fake target's lane with code before its training, and after its inference."""
    target = workspace.target(suite=None)
    folder = target.file.parent
    (folder / "train.py").write_text(train + "\n" + (folder / "train.py").read_text())
    (folder / "infer.py").write_text((folder / "infer.py").read_text() + "\n" + infer)
    options = LaneOptions(device="cpu", fixtures={"scan": workspace.scan}, root=workspace.root, quiet=True, brief=True)
    return run(target, options, Interruption())


def ids(outcome: Outcome) -> list[str]:
    return [finding.id for finding in outcome.findings]


@pytest.mark.slow
@pytest.mark.fault("planted-reports")
def test_links_that_a_training_plants_lead_nowhere(workspace: Any) -> None:
    precious = workspace.home / "precious.txt"
    precious.write_text("precious")
    outcome = lane(
        workspace,
        train=f"""
import os as _os
run = _os.path.dirname(_os.environ["PTYCHO_HARNESS_EVENTS"])
for name in ("logs/scan-infer.log", "logs/scan-infer.stacks.txt", "outcome.json", "verdict.json", "summary.txt"):
    _os.symlink({str(precious)!r}, run + "/" + name)
_os.symlink({str(workspace.home / "made")!r}, run + "/junit.xml")
""",
    )
    bites(len([item for item in outcome.problems if "was put into the run's folder" in item.message]) >= 2, "it linked")
    assert precious.read_text() == "precious"
    assert [path.name for path in workspace.home.iterdir()] == ["precious.txt"]
    assert outcome.verdict is Verdict.FAIL


BROKEN = {
    "pipe": "p.unlink(); import os; os.mkfifo(p)",
    "folder": "p.unlink(); p.mkdir()",
    "device": "p.unlink(); p.symlink_to('/dev/zero')",
    "cut": "p.write_bytes(p.read_bytes()[:-3000])",
    "empty": "p.write_bytes(b'')",
    "garbage": "p.write_bytes(b'PK\\x03\\x04garbage')",
    "flipped": "b = bytearray(p.read_bytes()); b[len(b) // 2] ^= 0xff; p.write_bytes(b)",
    "array": "np.save(p.with_suffix('.npy'), inner); p.with_suffix('.npy').rename(p)",
    "crop of one number": "np.savez(p, object=inner, overlap=np.ones(inner.shape), crop=np.array(3))",
    "crop of words": "np.savez(p, object=inner, overlap=np.ones(inner.shape), crop=np.array(list('abcd')))",
    "crop far away": "np.savez(p, object=inner, overlap=np.ones(inner.shape), crop=np.array([2**62] * 4))",
    "no pixel": "np.savez(p, object=inner[:0], overlap=np.ones(inner[:0].shape), crop=crop)",
    "overlap of words": "np.savez(p, object=inner, overlap=np.full(inner.shape, 'x'), crop=crop)",
    "overlap of NaN": "np.savez(p, object=inner, overlap=np.full(inner.shape, np.nan), crop=crop)",
    "large when expanded": "np.savez_compressed(p, object=np.zeros((20000, 20000), np.complex64))",
}


@pytest.mark.deep
@pytest.mark.fault("hostile-files")
@pytest.mark.parametrize("how", BROKEN)
def test_a_reconstruction_that_cannot_be_read_is_a_finding_of_its_fixture(how: str, workspace: Any) -> None:
    started = time.monotonic()
    target = workspace.target(suite="def test_truth() -> None:\n    assert True\n")
    text = target.file.read_text().replace('artifacts = ["reconstruction.npz"]\n', "")
    bites(text != target.file.read_text(), "the file need not be an artifact")
    target.file.write_text(text)
    script = target.file.parent / "infer.py"
    script.write_text(f"{script.read_text()}\np = output / 'reconstruction.npz'\n{BROKEN[how]}\n")
    from harness.targets import loader

    options = LaneOptions(device="cpu", fixtures={"scan": workspace.scan}, root=workspace.root, quiet=True, brief=True)
    outcome = run(loader.load(target.file), options, Interruption())
    assert ids(outcome) == ["reconstruction-unreadable"]
    assert outcome.verdict is Verdict.FAIL
    assert outcome.suite is not None
    assert outcome.suite.passed == 1
    assert time.monotonic() - started < 60


@pytest.mark.fault("commanding-text")
def test_output_that_is_shown_commands_nobody(workspace: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.record import outcome as outcomes

    said = "::error file=a.py::forged", "::add-mask::e", "\x1b[2J\x1b]52;c;aGk=\x07", "##[group]x"
    made = lane(workspace, train=f"import sys\nprint(*{said!r}, sep='\\n', flush=True)\nraise SystemExit(1)")
    log = (made.run_root / "logs" / "scan-train.log").read_text()
    bites(all(text in log for text in said), "it was printed")
    outcomes.show(made)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, (made.run_root / "summary.txt").read_text()):
        assert "\x1b" not in text
        assert not any(line.lstrip().startswith(("::", "##[")) for line in text.splitlines())


@pytest.mark.fault("commanding-text")
def test_one_long_line_stays_one_line(workspace: Any) -> None:
    long = "import sys\nfor _ in range(40): sys.stdout.write('x' * 2**20)\nsys.stdout.write('END')\nraise SystemExit(3)"
    made = lane(workspace, train=long)
    bites(made.verdict is Verdict.FAIL, "it failed after its line")
    sizes = {path.name: path.stat().st_size for path in made.run_root.rglob("*") if path.is_file()}
    assert max(sizes.values()) < 5 * 2**20
    assert (made.run_root / "logs" / "scan-train.log").read_text().rstrip().endswith("END")
    assert any("xEND" in item.message for item in made.problems)
    assert max(len(item.message) for item in made.problems) < 10_000


HOPPER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid()
until = time.time() + 60
while time.time() < until:
    if os.fork():
        os._exit(0)
    os.utime(sys.argv[1])
    time.sleep(0.0002)
"""


@pytest.fixture
def adopting() -> Iterator[None]:
    """This process adopts orphans, as a command line of the harness does."""
    import ctypes

    identity.adopt_orphans()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


@pytest.mark.deep
@pytest.mark.fault("pid-hopper")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux adopts orphans")
@pytest.mark.usefixtures("adopting")
def test_what_changes_its_pid_all_the_time_is_ended(workspace: Any) -> None:
    alive = workspace.home / "alive"
    alive.touch()
    program = workspace.path / "hop.py"
    program.write_text(HOPPER)
    start = f"subprocess.Popen([sys.executable, '-S', '-E', {str(program)!r}, {str(alive)!r}])"
    made = lane(workspace, train=f"import subprocess, sys, time\n{start}\ntime.sleep(0.5)")
    bites(any("each start the next" in item.message for item in made.problems), "it hopped")
    assert "leak-process" in ids(made)
    time.sleep(0.5)
    assert time.time() - alive.stat().st_mtime > 0.4


@pytest.mark.fault("hidden-startup")
def test_the_environments_own_sitecustomize_runs_too(cell: sandbox.Sandbox, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os; os.environ['MARK'] = 'yes'\n")
    env = sandbox.build(
        cell, token="t", scratch=tmp_path, events=tmp_path / "events", import_root=own, gpu=False, extra={}
    )
    say = "import os, sys; print(os.environ.get('MARK'), sys.modules['sitecustomize'].__file__)"
    plain = subprocess.run([sys.executable, "-c", say], env=env, capture_output=True, text=True, check=True).stdout
    bites(env["PYTHONPATH"].split(os.pathsep)[0] == str(sandbox.OBSERVER), "the observer's comes before it")
    assert plain.split() == ["yes", str(own / "sitecustomize.py")]
    assert cell.writes.exists()


@pytest.mark.slow
@pytest.mark.fault("odd-users")
@pytest.mark.parametrize("odd", ["no home", "colon", "link"])
def test_an_odd_user_or_place_is_no_leak(odd: str, workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if odd == "no home":

        def nobody() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", nobody)
        bites(sandbox.home() is None, "there is no home")
    if odd == "link":
        (workspace.path / "disk").mkdir()
        workspace.root.symlink_to(workspace.path / "disk")
        bites(workspace.root.resolve() != workspace.root, "the root is reached through a link")
    if odd == "colon":
        target = workspace.target(suite=None)
        place = workspace.path / "a:b"
        target.file.parent.rename(place)
        from harness.targets import loader, preflight
        from ptycho.errors import InfrastructureError

        bites(os.pathsep in str(place), "the name has the separator in it")
        with pytest.raises(InfrastructureError, match="a:b"):
            preflight.require(loader.load(place / target.file.name))
        return
    assert workspace.run(fault="none").verdict is Verdict.PASS


@pytest.mark.deep
@pytest.mark.fault("left-out")
@pytest.mark.parametrize("how", ["fixture", "brief", "ignore", "nothing"])
def test_a_part_is_no_verdict_of_the_whole(how: str, workspace: Any) -> None:
    target = workspace.target()
    (target.file.parent / "expected").mkdir()
    (target.file.parent / "expected" / target.file.name).write_text('[tests."checks/test_fake.py"]\n"test_truth" = 1\n')
    names = ("scan",) if how == "fixture" else ("scan", "scan_again")
    more: tuple[str, ...] = ("-k", "test_truth or nothing", "--ignore=nowhere") if how == "nothing" else ()
    if how == "ignore":
        (target.file.parent / "checks" / "test_other.py").write_text("def test_other() -> None:\n    assert True\n")
        more = (f"--ignore={target.file.parent / 'checks' / 'test_fake.py'}",)
    made = run(
        target,
        LaneOptions(
            device="cpu",
            fixtures=dict.fromkeys(names, workspace.scan),
            root=workspace.root,
            quiet=True,
            brief=how == "brief",
            pytest=more,
        ),
        Interruption(),
    )
    bites(made.verdict is Verdict.PASS, "the run itself passes")
    (judged,) = freshness.judge(workspace.root, ["fake-cpu"])
    assert judged.verdict is (Verdict.PASS if how == "nothing" else Verdict.FAIL)


def test_the_run_of_a_planted_pipe_is_judged(tmp_path: Path) -> None:
    kept = directory.create(tmp_path)
    kept.open_events().close()
    os.mkfifo(kept.logs / "x")
    assert len(run_files.strange(kept.path)) == 1
    assert list(event_log.read(kept.events)) == []


PLANTED = [
    *((name, "pipe") for name in ("events.ndjson", "run.json", "run.lock", "verdict.json", "logs/scan-train.log")),
    *(("events.ndjson", kind) for kind in ("folder", "device", "nothing", "cut")),
    *(("run.json", kind) for kind in ("folder", "device", "deep")),
]
MAKE = {
    "pipe": "os.mkfifo(p)",
    "folder": "os.mkdir(p)",
    "device": "os.symlink('/dev/zero', p)",
    "nothing": "pass",
    "cut": "open(p, 'w').close()",
    "deep": "open(p, 'w').write('[' * 50_000)",
}


@pytest.mark.deep
@pytest.mark.fault("hostile-files")
@pytest.mark.parametrize(("name", "kind"), PLANTED)
def test_what_takes_the_place_of_a_record_or_log_hangs_nobody(name: str, kind: str, workspace: Any) -> None:
    plant = f"""
import os
run = os.path.dirname(os.environ["PTYCHO_HARNESS_EVENTS"])
p = os.path.join(run, {name!r})
os.unlink(p) if os.path.lexists(p) else None
{MAKE[kind]}
"""
    began = time.monotonic()
    outcome = lane(workspace, train=plant)
    if kind != "nothing":
        bites(os.path.lexists(outcome.run_root / name), "it was planted")
    if name not in ("verdict.json", "logs/scan-train.log", "run.lock"):
        assert outcome.verdict is not Verdict.PASS
    judged = freshness.judge(workspace.root, ["fake-cpu"])[0]
    assert judged.verdict is not Verdict.PASS or outcome.verdict is Verdict.PASS
    clean.main(workspace.root, check=True, dry_run=False, everything=False)
    # The next run neither waits for what lies there nor trips over it.
    assert lane(workspace).verdict is Verdict.PASS
    assert time.monotonic() - began < 60
