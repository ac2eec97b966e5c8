"""Names of the last release: each still works, and says what it is called now."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.faults.kill import report as kill_report
from harness.kit import ptycho_adapter_kit as kit
from harness.parity.reference import problem
from harness.record import log, state
from harness.report import load_runs
from harness.runs import freshness
from harness.targets import loader
from ptycho import command_line
from ptycho.errors import UsageError
from ptycho.fingerprint import ROOT
from tests.support import sample_runs
from tests.support.fakes import fake_target, foreign_adapter
from tests.support.golden_step0 import FIXTURE

TABLE = '\n[{name}]\nargv = ["{{python}}", "answer.py"]\nquantities = ["R3"]\nsources = ["mine"]\n'


@pytest.fixture(autouse=True)
def told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not warned yet."""
    monkeypatch.setattr(command_line, "_RENAMED", set())


def _with_table(folder: Path, *names: str) -> Path:
    file = fake_target.write(folder, suite=None)
    with file.open("a", encoding="utf-8") as target:
        target.writelines(TABLE.format(name=name) for name in names)
    return file


def test_a_target_file_may_have_a_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _with_table(tmp_path, "probe")
    for _ in range(2):
        adapter = loader.load(file).adapter
        assert adapter is not None
        assert (adapter.argv, adapter.quantities) == (("{python}", "answer.py"), ("R3",))
    warning = f"warning: [probe] in {file} is called [adapter] now; the old name goes with the next release\n"
    assert capsys.readouterr().err == warning


def test_a_target_file_has_one_of_the_two(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"line \d+: \[probe\] is the old name of \[adapter\]; take it out"):
        loader.load(_with_table(tmp_path, "adapter", "probe"))


def test_a_new_name_warns_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loader.load(_with_table(tmp_path, "adapter")).adapter is not None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("package", ["ptycho_torch", "ptycho_tf"])
def test_a_backend_answers_as_a_probe(package: str) -> None:
    argv = [sys.executable, "-m", f"{package}.probe", "--request", "none.npz", "--out", "out", "--out", "more"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    first, *rest = done.stderr.splitlines()
    assert first == (
        f"warning: python -m {package}.probe is called python -m {package}.adapter now; "
        "the old name goes with the next release"
    )
    assert (done.returncode, rest) == (2, ["error: 1 --request and 2 --out; give one --out a --request"])


def test_the_kit_is_found_under_its_old_name() -> None:
    code = "import ptycho_probe_kit as kit, ptycho_adapter_kit; print(kit is ptycho_adapter_kit, callable(kit.serve))"
    env = {"PYTHONPATH": str(Path(kit.__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
    assert done.stderr == (
        "warning: ptycho_probe_kit is called ptycho_adapter_kit now; the old name goes with the next release\n"
    )


@pytest.mark.slow
def test_a_copy_of_the_kit_under_its_old_name_answers(tmp_path: Path) -> None:
    request = problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=0, quantities=("R3", "R4", "R5", "R6", "R7"))
    request.save(tmp_path / "request.npz")
    root = tmp_path / "checkout"
    foreign_adapter.write(root, request)
    (root / "ptycho_adapter_kit.py").rename(root / "ptycho_probe_kit.py")
    script = foreign_adapter.script(root)
    script.write_text(script.read_text().replace("ptycho_adapter_kit", "ptycho_probe_kit"))
    shutil.move(script, script.with_name("probe.py"))
    argv = [sys.executable, "-m", "ptycho_torch.probe", "--request", str(tmp_path / "request.npz")]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([*argv, "--out", str(tmp_path / "out")], env=env, cwd=tmp_path, check=True)
    manifest = json.loads((tmp_path / "out" / kit.MANIFEST).read_text())
    assert (manifest["schema"], manifest["backend"]) == ("ptycho-probe-answer/2", "ptycho_torch")


@pytest.mark.parametrize("checked", [[], [main.CHECK_OPTIONS]])
def test_endings_is_kill_test(checked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.main([*checked, "endings", "--cuont", "3"])
    err = capsys.readouterr().err
    warning = "warning: the command endings is called kill-test now; the old name goes with the next release\n"
    # A session takes every word of the check for a refusal.
    assert err.startswith(warning) is not bool(checked)
    assert "did you mean --count?" in err


def test_a_run_that_was_recorded_as_endings_is_read_as_a_kill_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sample_runs.stopped_campaign(tmp_path, "kill-test")
    written = (folder / "events.ndjson").read_text().replace('"kill-test"', '"endings"')
    (folder / "events.ndjson").write_text(written)
    (folder / "endings.json").write_text(json.dumps({"schema": kill_report.SCHEMA, "kills": 7}))
    assert state.tell(log.parse(written.encode())).kind == "kill-test"
    found = load_runs.load(folder)
    assert (found.name, found.document("kill-test.json")["kills"]) == ("kill-test", 7)
    (judged,) = freshness.judge(tmp_path, ["endings"])
    assert judged.lane == "kill-test"
    assert "the kind of run endings is called kill-test now" in capsys.readouterr().err


def test_files_that_scripts_name_are_found_at_their_old_places(tmp_path: Path) -> None:
    old, new = "harness/endings/stand_in.toml", "harness/faults/kill/stub_backend.toml"
    assert loader.load(ROOT / old).root == loader.load(ROOT / new).root == ROOT
    texts = [(ROOT / name).read_text().splitlines() for name in (old, new)]
    assert [one for one, two in zip(*texts, strict=True) if one != two] == [
        "#:schema ../../docs/schemas/target.schema.json",
        "# As harness/faults/kill/stub_backend.toml, at its old place for one release.",
        'root = "../.."  # of this file: the folder from which the packages are imported',
    ]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'shared'}"}
    code = "import sys, fake_target; print(fake_target.write(__import__('pathlib').Path(sys.argv[1]), suite=None))"
    argv = [sys.executable, "-c", code, str(tmp_path / "target")]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert loader.load(Path(done.stdout.strip())).name == "fake"
