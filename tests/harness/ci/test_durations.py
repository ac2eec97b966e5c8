from pathlib import Path

import pytest

from harness.ci import durations, shards
from ptycho.errors import UsageError

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.core.test_a" name="test_one" time="1.25"/>
<testcase classname="tests.core.test_a.TestGroup" name="test_two" time="0.5"/>
<testcase classname="elsewhere.test_b" name="test_three" time="9"/>
<testcase classname="" name="an interruption" time="3"/>
</testsuite></testsuites>"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "core" / "test_a.py").touch()
    (tmp_path / "junit.xml").write_text(JUNIT)
    return tmp_path


def test_a_file_has_the_seconds_of_its_tests_and_of_their_classes(checkout: Path) -> None:
    assert {"tests/core/test_a.py": 1.75} == durations.of_junit([checkout / "junit.xml"], checkout)
    assert {"tests/core/test_a.py": 3.5} == durations.of_junit([checkout / "junit.xml"] * 2, checkout)


def test_what_is_written_is_what_a_plan_reads(checkout: Path) -> None:
    path = checkout / "durations.json"
    durations.write({"b": 2.0, "a": 1.0}, path)
    assert {"a": 1.0, "b": 2.0} == shards.load(path)


@pytest.mark.parametrize(
    ("text", "why"), [("<x", "is not a JUnit file"), ("<testsuites/>", "no test of this checkout")]
)
def test_files_without_a_test_of_the_checkout_are_refused(text: str, why: str, checkout: Path) -> None:
    (checkout / "junit.xml").write_text(text)
    with pytest.raises(UsageError, match=why):
        durations.of_junit([checkout / "junit.xml"], checkout)
