"""The plugin in a real pytest: one event a test, whatever happens to the test or of the suite."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.record import schema
from harness.record.log import Log, parse
from harness.system.injected.ptycho_harness_pytest import LONGEST, shortened, verdict

SUITE = """
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2, "one is not two"
@pytest.mark.skip(reason="no such device")
def test_skips(): pass
@pytest.mark.xfail(reason="known")
def test_xfails(): assert 0
@pytest.fixture
def broken(): raise RuntimeError("no set-up")
def test_error(broken): pass
@pytest.fixture
def untidy():
    yield
    raise RuntimeError("no tear-down")
def test_untidy(untidy): pass
@pytest.mark.parametrize("value", ["a\\n", "å[b]"])
def test_many(value): pass
"""


def _argv(folder: Path, *arguments: str) -> list[str]:
    plugins = ("-p", "no:cacheprovider", "-p", "ptycho_harness_pytest")
    return [sys.executable, "-m", "pytest", str(folder), f"--rootdir={folder}", *plugins, *arguments]


def _environment(log: Path | None) -> dict[str, str]:
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(OBSERVER), "PYTHONDONTWRITEBYTECODE": "1"}
    return plain if log is None else plain | {"PTYCHO_HARNESS_EVENTS": str(log)}


def _run(folder: Path, source: str, *arguments: str) -> tuple[int, Log]:
    suite = folder / "suite"
    suite.mkdir()
    (suite / "test_it.py").write_text(source)
    log = folder / "events.ndjson"
    done = subprocess.run(
        _argv(suite, *arguments), env=_environment(log), cwd=suite, capture_output=True, text=True, check=False
    )
    assert "INTERNALERROR" not in done.stdout + done.stderr
    return done.returncode, parse(log.read_bytes())


@pytest.mark.slow
def test_every_test_reports_with_its_outcome(tmp_path: Path) -> None:
    code, log = _run(tmp_path, SUITE)
    assert code == 1
    ended = {row["test"].partition("::")[2]: row for row in log.rows if row["event"] == "test.end"}
    assert {name: row["outcome"] for name, row in ended.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_skips": "skipped",
        "test_xfails": "xfailed",
        "test_error": "error",
        "test_untidy": "error",
        "test_many[a\\n]": "passed",
        "test_many[\\xe5[b]]": "passed",
    }
    assert "one is not two" in ended["test_fails"]["message"]
    assert ended["test_skips"]["message"] == "Skipped: no such device"
    assert ended["test_xfails"]["message"] == "known"
    assert ended["test_passes"]["parts"].keys() == {"setup", "call", "teardown"}
    (collected,) = [row for row in log.rows if row["event"] == "suite.collected"]
    assert [name.partition("::")[2] for name in collected["tests"]] == list(ended)
    assert (collected["count"], collected["deselected"]) == (8, 0)
    assert (log.rows[0]["event"], log.rows[-1]["event"], log.rows[-1]["exitstatus"]) == ("suite.start", "suite.end", 1)
    order = [row["event"] for row in log.rows if row["event"].startswith("test.")]
    assert order == ["test.start", "test.end"] * 8


def test_what_a_selection_leaves_out_is_counted(tmp_path: Path) -> None:
    _, log = _run(tmp_path, SUITE, "-k", "passes")
    (collected,) = [row for row in log.rows if row["event"] == "suite.collected"]
    assert (collected["count"], collected["deselected"]) == (1, 7)


@pytest.mark.slow
def test_a_module_that_cannot_be_collected_is_named(tmp_path: Path) -> None:
    code, log = _run(tmp_path, "import nothing_of_that_name\n")
    assert code == 2
    (error,) = [row for row in log.rows if row["event"] == "collect.error"]
    assert error["test"] == "test_it.py"
    assert "nothing_of_that_name" in error["message"]


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_suite_that_dies_in_a_test_leaves_it_open(tmp_path: Path, end: str) -> None:
    source = f"import os\ndef test_first(): pass\ndef test_second(): {end}\ndef test_third(): pass\n"
    code, log = _run(tmp_path, source)
    assert code == (0 if "exit" in end else -9)
    assert [row["test"] for row in log.rows if row["event"] == "test.end"] == ["test_it.py::test_first"]
    checked = schema.check(log.rows)
    assert [str(span) for span in checked.open] == ["suite", "test test_it.py::test_second"]


def test_a_suite_that_is_killed_has_said_everything_until_then(tmp_path: Path) -> None:
    suite, log = tmp_path / "suite", tmp_path / "events.ndjson"
    suite.mkdir()
    (suite / "test_it.py").write_text("import time\ndef test_a(): pass\ndef test_b(): time.sleep(600)\n")
    process = subprocess.Popen(_argv(suite), env=_environment(log), cwd=suite, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if log.exists() and b"test_b" in log.read_bytes().rpartition(b'"test.start"')[2]:
                break
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    rows = parse(log.read_bytes()).rows
    assert [(row["event"], row["test"]) for row in rows if "test" in row] == [
        ("test.start", "test_it.py::test_a"),
        ("test.end", "test_it.py::test_a"),
        ("test.start", "test_it.py::test_b"),
    ]


def test_without_a_log_the_plugin_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    # What another plugin makes at its start (pytest-benchmark: a folder) is not this one's doing.
    argv = [*_argv(tmp_path), "-p", "no:benchmark"]
    done = subprocess.run(argv, env=_environment(None), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["test_it.py"]


def _part(when: str, **state: object) -> SimpleNamespace:
    return SimpleNamespace(**{"when": when, "failed": False, "skipped": False, "longrepr": "", **state})


def test_a_test_without_a_report_of_its_call_is_silent() -> None:
    assert verdict([_part("setup"), _part("teardown")]) == ("silent", "no report of its call")
    assert verdict([]) == ("silent", "no report of its call")
    assert verdict([_part("setup"), _part("call"), _part("teardown")]) == ("passed", "")
    assert verdict([_part("call"), _part("call", failed=True, longrepr="a subtest")]) == ("failed", "a subtest")


def test_a_long_failure_keeps_its_beginning_and_its_end() -> None:
    assert shortened("x" * LONGEST) == "x" * LONGEST
    cut = shortened("beginning" + "x" * LONGEST + "end")
    assert cut.startswith("beginning")
    assert cut.endswith("end")
    assert "[… 12 characters left out; see the suite's log …]" in cut
    assert len(cut) < LONGEST + 100
