"""The steps of a check: what each must show, and that no step's end keeps the next from running."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import command_line
from harness.gpu_check import steps
from harness.gpu_check.steps import CheckStep
from ptycho.verdict import Verdict

WORK = {"parameters": ["cuda:0"], "batch": ["cuda:0"], "parameter_bytes": 40, "peak_bytes": 400, "kernels": 3}


def step(name: str, code: str, limit_s: float = 60.0, **settings: Any) -> CheckStep:
    return CheckStep(name=name, argv=(sys.executable, "-S", "-c", code), limit_s=limit_s, shows="something", **settings)


def trained(folder: Path, work: Any = WORK, losses: tuple[float, ...] = (3.0, 1.0)) -> Path:
    """What a training leaves."""
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps({"engine": {"work": work}}))
    (folder / "history.csv").write_text("epoch,validation_loss\n" + "".join(f"1,{loss}\n" for loss in losses))
    return folder


@pytest.mark.slow
def test_every_step_runs_and_has_the_verdict_of_its_end(tmp_path: Path) -> None:
    made = steps.run(
        [
            step("fails", "raise SystemExit('it is broken')"),
            step("lacks", "raise SystemExit(13)"),
            step("shows nothing", "", judge=lambda: "gpu-unused: on the CPU"),
            step("hangs", "import time; time.sleep(60)", limit_s=0.5),
            step("cannot be read", "", judge=lambda: json.loads("{")),
            CheckStep(name="absent", argv=("/no/such/program",), limit_s=1.0, shows="something"),
            step("works", "print('well')"),
        ],
        tmp_path,
        time.monotonic() + 60,
        lambda _text: None,
    )
    assert [item.verdict for item in made] == [
        *(Verdict.FAIL, Verdict.INFRA, Verdict.FAIL, Verdict.TIMEOUT, Verdict.FAIL, Verdict.INFRA, Verdict.PASS)
    ]
    assert ["it is broken", "gpu-unused: on the CPU", ""] == [made[0].why, made[2].why, made[-1].why]
    assert "well\n" == (tmp_path / "logs" / "works.log").read_text()


def test_what_has_no_time_left_is_a_timeout_and_not_a_pass(tmp_path: Path) -> None:
    (made,) = steps.run([step("late", "")], tmp_path, time.monotonic() - 1, lambda _text: None)
    assert (made.verdict, made.why) == (Verdict.TIMEOUT, "no time was left for it")


@pytest.mark.parametrize(
    ("left", "says"),
    [
        ({}, ""),
        ({"work": WORK | {"kernels": 0}}, "gpu-unused: kernels"),
        ({"work": None}, "device-unproven: the entry 'engine.work'"),
        ({"losses": (3.0, float("nan"))}, "its validation losses are [3.0, nan]"),
        ({"losses": ()}, "its validation losses are []"),
    ],
)
def test_a_training_shows_where_it_computed_and_that_it_learnt(left: Any, says: str, tmp_path: Path) -> None:
    found = steps.elsewhere(trained(tmp_path / "out", **left))
    assert found == "" if not says else says in found


def test_bfloat16_must_end_near_float32(tmp_path: Path) -> None:
    single = trained(tmp_path / "single")
    assert "" == steps.apart(trained(tmp_path / "near", losses=(3.0, 1.05)), single)
    assert "float32's 1; allowed: 10% apart" in steps.apart(trained(tmp_path / "far", losses=(3.0, 1.2)), single)
    assert "left no losses" in steps.apart(single, tmp_path / "none")


@pytest.mark.parametrize("side", ["torch", "tf"])
def test_the_plan_s_commands_are_those_of_the_harness_and_within_the_time(side: str, tmp_path: Path) -> None:
    planned = steps.plan(side, sys.executable, tmp_path)
    commands = [
        item.argv[3 : [*item.argv, "--"].index("--")] for item in planned if item.argv[1:3] == ("-m", "harness")
    ]
    parsed = [command_line().parse_args(list(words)) for words in commands]
    assert [3, 3] == [len(parsed), sum("cuda" in str(args.device) for args in parsed)]
    trainings = [item.argv for item in planned if f"ptycho_{side}.train" in item.argv]
    assert [3, 3] == [len(trainings), sum(argv[argv.index("--device") + 1] == "cuda" for argv in trainings)]
    assert len({item.name for item in planned}) == len(planned) == 7
