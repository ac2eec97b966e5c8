"""Options that a target file gives and a command does not know, and the reverse, each with its line."""

from pathlib import Path
from typing import Any

import pytest

from harness.files.toml_lines import Lines
from harness.record import directory
from harness.system.signals import Interruption
from harness.targets import check_options, loader
from harness.targets.check_options import CommandCheck
from ptycho.verdict import Verdict
from tests.support.fakes import foreign_checkout

HELP = "usage: x [-h] -o OUT [--epochs N]\n\noptions:\n  -o OUT, --out OUT  where\n  --epochs N\n"


def _checked(workspace: Any, old: str = "", new: str = "", script: tuple[str, str] = ("", "")) -> list[CommandCheck]:
    path = foreign_checkout.write(workspace.path / "checkout")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    train = workspace.path / "checkout" / "ptycho_torch" / "train.py"
    assert script[0] in train.read_text()
    train.write_text(train.read_text().replace(*script))
    return check_options.run(loader.load(path), workspace.root, Interruption())


def test_a_sound_target_passes_and_its_extra_options_are_looked_up(workspace: Any) -> None:
    train, infer = _checked(workspace)
    assert (train.command, train.options, train.verdict, train.problems) == ("train", 7, Verdict.PASS, ())
    assert (infer.command, infer.options, infer.verdict, infer.problems) == ("infer", 3, Verdict.PASS, ())
    assert [] == list((workspace.root / "runs").iterdir())


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("--max_epochs", "--nepochs", "line 13: --nepochs is unknown to the command; did you mean --max_epochs?"),
        ("--out_dir", "--zzz", "line 13: --zzz is unknown to the command; its help names no such option; take it out"),
        ('"--train_data", "{train}", ', "", "line 11: the command requires --train_data, which argv lacks; add it"),
        ('"--seed", "{seed}"', '"--sede", "{seed}"', "line 40: --sede is unknown to the command; did you mean --seed?"),
        (
            "[checks]",
            '[[checks.option]]\nargv = ["--mmap", "False"]\nchanges = "files"\n[checks]',
            "line 40: --mmap is unknown to the command; ",
        ),
    ],
)
def test_what_file_and_command_do_not_agree_on_is_named(workspace: Any, old: str, new: str, sentence: str) -> None:
    train, infer = _checked(workspace, old, new)
    assert (train.verdict, infer.verdict) == (Verdict.USAGE, Verdict.PASS)
    assert [problem for problem in train.problems if problem.startswith(sentence)] != []


@pytest.mark.parametrize(("option", "verdict"), [("--model_path", Verdict.PASS), ("--model_part", Verdict.USAGE)])
def test_a_program_that_is_put_into_the_working_directory_is_asked(
    workspace: Any, option: str, verdict: Verdict
) -> None:
    path = foreign_checkout.write(workspace.path / "checkout")
    staged = '[[infer.files]]\npath = "go.py"\nsource = "ptycho_torch/inference.py"\n\n'
    staged += '[[infer.files]]\npath = "in/scan.npz"\nsource = "{test}"\n\n[reconstruction]'
    text = (
        path.read_text().replace('"-m", "ptycho_torch.inference"', '"go.py"').replace('"--model_path"', f'"{option}"')
    )
    path.write_text(text.replace("[reconstruction]", staged))
    _, infer = check_options.run(loader.load(path), workspace.root, Interruption())
    assert (infer.verdict, " go.py --help" in infer.asked) == (verdict, True)


@pytest.mark.parametrize(
    ("line", "verdict", "sentence"),
    [
        ("import no_such_module", Verdict.INFRA, "a module is missing in the environment: ModuleNotFoundError: "),
        ("raise SystemExit('broken')", Verdict.FAIL, "--help ended with 1; its output is in "),
    ],
)
def test_a_command_that_cannot_say_is_no_pass(workspace: Any, line: str, verdict: Verdict, sentence: str) -> None:
    train, _ = _checked(workspace, script=("import argparse\n", f"import argparse\n{line}\n"))
    assert train.verdict is verdict
    assert train.problems[0].startswith(sentence)
    # A reader who is sent to an output finds it; nothing else stays, and no run of nothing.
    left = [path for path in (workspace.root / "runs").rglob("*") if path.is_file()]
    assert {"train-help.log", "infer-help.log", "run.json", "run.lock"} >= {path.name for path in left}
    assert (str(workspace.root) in train.problems[0]) is any(path.name == "train-help.log" for path in left)
    assert [] == [run for run in directory.find(workspace.root) if run.events.exists() or run.is_empty]


@pytest.mark.slow
def test_a_command_that_hangs_at_its_help_is_killed(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.targets.help_text.HELP_S", 0.5)
    train, _ = _checked(workspace, script=("import argparse\n", "import argparse, time\ntime.sleep(60)\n"))
    assert (train.verdict, train.problems[0][:14]) == (Verdict.TIMEOUT, "--help killed ")


def test_a_command_without_options_or_with_a_text_of_its_own_is_not_run(workspace: Any) -> None:
    train, _ = _checked(
        workspace,
        '"{{python}}", "-m", "ptycho_torch.train",'.replace("{{", "{").replace("}}", "}"),
        '"{python}", "-c", "pass",',
    )
    assert (train.asked, train.verdict) == ("not run: it is a text of its own", Verdict.PASS)


def test_any_name_of_a_required_option_will_do() -> None:
    lines = Lines("[train]\nargv = []\n")
    assert check_options.compare(HELP, {"--out": ("train", "argv")}, lines) == []
    assert check_options.compare(HELP, {"--epochs": ("train", "argv")}, lines) == [
        "line 2: the command requires --out, which argv lacks; add it with its value"
    ]


def test_the_shipped_targets_say_where_each_extra_argument_stands() -> None:
    target = loader.load(loader.built_in("torch"))
    assert [(command, place[-1]) for command, place, _ in check_options.extra_arguments(target)] == [
        *(("train", "seed_flag"), ("train", "on"), ("train", "off"))
    ]
    assert Path(target.file).name == "torch.toml"


CAPTURE = """
[reconstruction.export]
argv = ["{python}", "{kit}/capture_arrays.py", "{output}/r.npz", "a.png", "p.png", "-m", "ptycho_torch.inference",
    "--model_path", "{model}", "--test_data", "{test}", "--out_dir", "{cache}/drawn"]

[job]"""


@pytest.mark.parametrize(("old", "new", "verdict"), [("", "", Verdict.PASS), ("--out_dir", "--outdir", Verdict.USAGE)])
def test_a_program_that_runs_another_one_is_asked_for_the_inner_one_s_help(
    workspace: Any, old: str, new: str, verdict: Verdict
) -> None:
    *_, export = _checked(workspace, "[job]", CAPTURE.replace(old, new, 1))
    assert ("reconstruction.export", 3, verdict) == (export.command, export.options, export.verdict), export.problems
    said = [sentence.partition(": ")[2] for sentence in export.problems if "--outdir" in sentence]
    assert ["--outdir is unknown to the command; did you mean --out_dir?"] * bool(old) == said
