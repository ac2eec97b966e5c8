from pathlib import Path

import pytest

from harness.ci import annotations
from harness.ci.annotations import Annotation
from ptycho.errors import UsageError

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.torch.test_loss.TestLoss" name="test_terms[a,b]"><failure message="assert">
tests/torch/test_loss.py:12: in test_terms
    check()
tests/support/loss.py:3: AssertionError
/usr/lib/python3/unittest.py:7: in run
</failure></testcase>
<testcase classname="tests.x" name="test_fine"/>
<testcase classname="torch-cpu.run" name="problem 1"><error message="100% gone&#10;really"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("tests/torch/test_loss.py", "tests/support/loss.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "junit.xml").write_text(JUNIT)
    return tmp_path


def test_a_failure_stands_at_its_last_line_in_the_checkout(checkout: Path) -> None:
    first, second = annotations.read(checkout / "junit.xml", checkout)
    assert (first.file, first.line) == ("tests/support/loss.py", 3)
    assert (second.file, second.line, second.message) == ("", 0, "100% gone\nreally")


def test_what_has_a_meaning_for_the_service_is_escaped(checkout: Path) -> None:
    first, second = map(str, annotations.read(checkout / "junit.xml", checkout))
    assert first.startswith(
        "::error file=tests/support/loss.py,line=3,title=tests.torch.test_loss.TestLoss test_terms[a%2Cb]::%0A"
    )
    assert second == "::error title=torch-cpu.run problem 1::100%25 gone%0Areally"
    assert "\n" not in first + second


def test_a_place_outside_the_checkout_is_none(checkout: Path) -> None:
    text = JUNIT.replace("tests/support/loss.py", "../loss.py").replace("tests/torch/test_loss.py", "gone.py")
    (checkout / "junit.xml").write_text(text)
    (checkout.parent / "loss.py").touch()
    assert {item.file for item in annotations.read(checkout / "junit.xml", checkout)} == {""}


def test_no_more_than_the_service_shows_and_the_last_one_counts_the_rest() -> None:
    found = [Annotation(title=f"t{number}", message="m", file="a.py" if number > 3 else "") for number in range(14)]
    shown = annotations.lines(found)
    assert len(shown) == annotations.MOST
    assert shown[0].startswith("::error file=a.py,line=0,title=t4::")
    assert shown[-1].startswith("::error title=5 failures more::")
    assert len(annotations.lines(found[:10])) == 10


def test_what_is_no_junit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuites>")
    with pytest.raises(UsageError, match="is not a JUnit file"):
        annotations.read(tmp_path / "junit.xml", tmp_path)


def test_the_files_of_the_runs_are_found_unless_others_are_named(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one" / "junit.xml"
    run.parent.mkdir(parents=True)
    for path in (run, tmp_path / "tests.xml"):
        path.touch()
    assert annotations.of_runs(tmp_path, []) == [run, tmp_path / "tests.xml"]
    assert annotations.of_runs(tmp_path, [Path("mine.xml")]) == [Path("mine.xml")]
