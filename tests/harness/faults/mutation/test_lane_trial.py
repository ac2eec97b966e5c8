"""The shortened lane: the target's own file without its suite, and the first problem of what it prints."""

import json
import tomllib
from pathlib import Path

import pytest

from harness.faults.mutation import lane_trial
from ptycho.fingerprint import ROOT


@pytest.mark.parametrize("side", ["torch", "tf"])
def test_only_the_suite_goes_and_only_a_thread_count_comes(side: str) -> None:
    text = (ROOT / "harness" / "targets" / f"{side}.toml").read_text(encoding="utf-8")
    whole, short = tomllib.loads(text), tomllib.loads(lane_trial.shortened(text))
    assert whole.pop("suite")
    argv = whole["train"]["argv"]
    at = argv.index("--seed") + 2
    whole["train"]["argv"] = [*argv[:at], "--threads", "1", *argv[at:]]
    assert short == whole


def test_the_first_problem_is_told(tmp_path: Path) -> None:
    outcome = {"problems": [{"message": "leak: small-train: a file\nand more"}, {"message": "other"}]}
    (tmp_path / "log").write_text("noise\n" + json.dumps([outcome], indent=1))
    assert lane_trial.problem(tmp_path / "log") == "leak: small-train: a file"


@pytest.mark.parametrize(("text", "said"), [("a\nb\n\n", "b"), ("[]", "[]"), ("", "it said nothing")])
def test_without_an_outcome_the_last_line_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "log").write_text(text)
    assert lane_trial.problem(tmp_path / "log") == said
