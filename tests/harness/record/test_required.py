"""Silence is named at every level; a manifest that is wrong is refused with everything that is wrong with it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.record import required
from harness.record.required import RequiredResults, dump, function_of, load, of_fields, silent
from ptycho.errors import UsageError

ALL = RequiredResults(
    fixtures=("small",),
    suite=True,
    tests={"t.py::test_a": 1, "t.py::test_b": 2},
    rungs=("R3, gridsize 1",),
    benchmarks=("epoch",),
)
GREEN = {"t.py::test_a": "passed", "t.py::test_b[1]": "passed", "t.py::test_b[2]": "xfailed"}


def _silent(expected: RequiredResults = ALL, **changes: Any) -> list[str]:
    reported = {
        "fixtures": ["small"],
        "collected": list(changes.get("tests", GREEN)),
        "tests": GREEN,
        "rungs": ["R3, gridsize 1"],
        "benchmarks": ["epoch"],
    }
    return [str(found) for found in silent(expected, **{**reported, **changes})]


def test_nothing_is_silent_where_everything_reported() -> None:
    assert _silent() == []
    assert _silent(tests=GREEN | {"t.py::test_new": "passed"}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fixtures": []}, ["fixture small: did not report"]),
        ({"rungs": ["R3, gridsize 2"]}, ["rung R3, gridsize 1: did not report"]),
        ({"benchmarks": ["epoch_renamed"]}, ["benchmark epoch: did not report"]),
        (
            {"tests": {}},
            [
                "suite: no test was collected",
                "test t.py::test_a: did not report: 0 of at least 1",
                "test t.py::test_b: did not report: 0 of at least 2",
            ],
        ),
        (
            {"tests": {key: GREEN[key] for key in list(GREEN)[1:]}},
            ["test t.py::test_a: did not report: 0 of at least 1"],
        ),
        (
            {"tests": {key: GREEN[key] for key in list(GREEN)[:2]}},
            ["test t.py::test_b: did not report: 1 of at least 2"],
        ),
        (
            {"tests": GREEN | {"t.py::test_a": "skipped"}},
            ["test t.py::test_a: 1 of its tests skipped: 0 of at least 1"],
        ),
        ({"tests": GREEN | {"t.py::test_new": "silent"}}, ["test t.py::test_new: was collected and did not report"]),
        (
            {"collected": [*GREEN, "t.py::test_b[3]"]},
            ["test t.py::test_b[3]: was collected and did not report"],
        ),
    ],
)
def test_what_is_silent_is_named(changes: dict[str, Any], said: list[str]) -> None:
    assert _silent(**changes) == said


def test_a_suite_of_skips_is_no_evidence_even_without_a_manifest() -> None:
    bare = RequiredResults(suite=True)
    skipped = dict.fromkeys(GREEN, "skipped")
    assert _silent(bare, tests=skipped) == ["suite: all 3 tests that reported were skipped"]
    assert _silent(bare, tests=skipped | {"t.py::test_a": "passed"}) == []
    assert _silent(bare, tests={}, collected=["t.py::test_a"])[0] == "suite: no test reported"


def test_a_listed_test_may_skip_only_for_a_reason_that_the_manifest_gives() -> None:
    allowed = RequiredResults(tests=ALL.tests, may_skip={"t.py::test_a": "needs a GPU"})
    assert _silent(allowed, tests=GREEN | {"t.py::test_a": "skipped"}) == []
    assert _silent(allowed, tests={key: value for key, value in GREEN.items() if "test_a" not in key}) == [
        "test t.py::test_a: did not report: 0 of at least 1"
    ]


def test_what_is_expected_goes_through_the_log() -> None:
    through = of_fields({"event": "run.expect", **_plain(ALL)})
    assert ALL == through
    assert RequiredResults() == of_fields({"tests": 7, "fixtures": None, "suite": "yes"})


def _plain(expected: RequiredResults) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in expected.as_fields().items()}


@pytest.mark.parametrize(
    ("test", "function"),
    [
        ("a/t.py::test_x", "a/t.py::test_x"),
        ("a/t.py::T::test_x[1-b]", "a/t.py::T::test_x"),
        ("a[1]/t.py::test_x[x[y]::z]", "a[1]/t.py::test_x"),
    ],
)
def test_a_function_is_a_test_without_its_parameters(test: str, function: str) -> None:
    assert function == function_of(test)


def test_a_written_manifest_is_read_back(tmp_path: Path) -> None:
    outcomes = GREEN | {"u.py::T::test_gpu": "skipped", "u.py::test_bad": "failed"}
    text = dump(outcomes, {"u.py::T::test_gpu": 'no "GPU"'})
    path = tmp_path / "fake.toml"
    path.write_text(text)
    found = load(path)
    assert (found.suite, dict(found.tests)) == (True, {**ALL.tests, "u.py::T::test_gpu": 1})
    assert dict(found.may_skip) == {"u.py::T::test_gpu": 'no "GPU"'}
    assert tomllib.loads(text)["tests"]["u.py"] == {"T::test_gpu": 1}


def test_everything_wrong_with_a_manifest_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "fake.toml"
    path.write_text(
        'test = 1\n[tests."t.py"]\ntest_a = 0\ntest_b = true\ntest_c = 2\n'
        '[may_skip]\n"t.py::test_c" = ""\n"t.py::test_d" = "why"\n'
    )
    with pytest.raises(UsageError) as caught:
        load(path)
    what = "allowed: a whole number from 1 (by module and name: how many of a test's cases there are at least)"
    assert str(caught.value).splitlines()[1:] == [
        "  - line 1: unknown key 'test'; did you mean 'tests'? allowed: tests, may_skip",
        f"""  - line 3: tests."t.py".test_a = 0; {what}""",
        f"""  - line 4: tests."t.py".test_b = True; {what}""",
        """  - line 7: may_skip."t.py::test_c" = ''; allowed: text, not empty (why a test may skip, by its node id)""",
        "  - line 8: [may_skip] t.py::test_d: there is no such test under [tests]",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "it lists no test"), ("[tests", "is not TOML"), ("tests = 3", r"tests = 3 is not a table; write \[tests\]")],
)
def test_an_empty_or_broken_manifest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "fake.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load(path)


def test_a_manifest_lies_beside_its_target_file() -> None:
    assert Path("/x/expected/torch.toml") == required.manifest_of(Path("/x/torch.toml"))
