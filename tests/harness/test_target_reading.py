"""What is wrong with a file's tables, one sentence each, with the allowed values and the next step."""

from typing import Any

import pytest

from harness import target_reading
from harness.target_reading import Problem

GOOD: dict[str, Any] = {
    "target": {"name": "x", "framework": "none", "root": "."},
    "train": {"argv": ["{python}", "train.py"]},
    "infer": {"argv": ["{python}", "infer.py"]},
    "reconstruction": {"min_phase_correlation": 0.3},
    "job": {"fixtures": ["small"], "n_images": 1, "nepochs": 1},
}


def _read(**changes: Any) -> tuple[dict[str, Any], list[Problem]]:
    problems: list[Problem] = []
    tables = target_reading.read({**GOOD, **changes}, problems)
    return tables, problems


def test_a_good_file_has_its_defaults_and_no_problem() -> None:
    tables, problems = _read(checks={"option": [{"argv": ["--x"], "changes": "files"}]})
    assert problems == []
    limits = {"timeout_s": 300, "phase_timeout_s": {}, "memory_mib": 0}
    assert tables["train"] == {"argv": ["{python}", "train.py"], "artifacts": [], **limits}
    assert tables["job"]["seed"] == 42
    assert tables["checks"]["legacy_layout"] is True
    assert tables["checks.option"] == [{"argv": ["--x"], "changes": "files", "command": "train"}]
    assert [name for name in ("suite", "install", "summary", "checks.mlflow") if name in tables] == []


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"trian": {}}, ("trian",), "unknown table [trian]; did you mean 'train'? allowed: target, install, train"),
        ({"target": 3}, ("target",), "target = 3 is not a table; write [target] above its keys"),
        ({"suite": {}}, ("suite",), "[suite] lacks 'path': folder of tests, relative to root; add path = …"),
        ({"suite": {"pth": "x", "path": "t"}}, ("suite", "pth"), "unknown key 'pth' in [suite]; did you mean 'path'?"),
        ({"suite": {"path": "FILL IN: x"}}, ("suite", "path"), "suite.path is left to fill in: folder of tests"),
        ({"suite": {"path": "t", "timeout_s": 0}}, ("suite", "timeout_s"), "suite.timeout_s = 0; allowed: seconds"),
        (
            {"checks": {"option": {"argv": []}}},
            ("checks", "option"),
            "is not a list of tables; write [[checks.",
        ),
        (
            {"checks": {"option": [{"argv": ["-x"], "changes": "all"}]}},
            ("checks", "option", 0, "changes"),
            'checks.option.changes = \'all\'; allowed: "files" or "output"',
        ),
        ({"checks": {"mlflow": {"onn": []}}}, ("checks", "mlflow", "onn"), "unknown key 'onn' in [checks.mlflow]"),
        ({"environment": {"X": 1}}, ("environment", "X"), "environment.X = 1; allowed: text"),
        ({"environment": {"X": "{train}"}}, ("environment", "X"), "unknown placeholder {train}; allowed: python, root"),
        ({"train": {"argv": ["{outptu}"]}}, ("train", "argv"), "unknown placeholder {outptu}; allowed: python, train"),
        ({"train": {"argv": ["{seed:>3}"]}}, ("train", "argv"), "unknown placeholder {seed:>3}; allowed"),
        ({"train": {"argv": ["{seed!r}"]}}, ("train", "argv"), "unknown placeholder {seed!r}; allowed"),
        ({"train": {"argv": ["{0}"]}}, ("train", "argv"), "unknown placeholder {0}; allowed"),
        ({"train": {"argv": ["{"]}}, ("train", "argv"), "write {{ and }} for braces"),
        ({"train": {"argv": ["x", 3]}}, ("train", "argv"), "argument 3 is not text; quote it"),
        ({"device_probe": {"argv": ["{device}"]}}, ("device_probe", "argv"), "unknown placeholder {device}; allowed"),
        (
            {"reconstruction": {"min_phase_correlation": 0, "pictures": {"amplitude": "a", "phase_range": [1, 1]}}},
            ("reconstruction", "pictures", "phase_range"),
            "reconstruction.pictures.phase_range = [1, 1]; allowed: two ascending numbers",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(changes: dict[str, Any], path: tuple[str | int, ...], sentence: str) -> None:
    _, problems = _read(**changes)
    assert [problem.path for problem in problems if sentence in problem.sentence] == [path]


def test_every_fault_is_found_at_once() -> None:
    problems: list[Problem] = []
    target_reading.read({"target": {"nmae": "x"}, "job": {"n_images": 0}}, problems)
    missing = sorted(problem.path[0] for problem in problems if "is missing" in problem.sentence)
    assert missing == ["infer", "reconstruction", "train"]
    assert len(problems) == 3 + 1 + 3 + 1 + 2
