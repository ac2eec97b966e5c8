"""Every command line of README and docs is one that its program takes, and the quick ones run."""

import argparse
import contextlib
import importlib.util
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from harness.ci import jobs
from harness.cli import command_words, main
from ptycho import __main__ as core
from ptycho.fingerprint import ROOT
from ptycho.training import cli
from ptycho.verdict import Verdict
from tests.support import examples, prose

SHELL = ("export", ".", "cd", "sbatch")
"""Words of the shell, which have no parser of ours."""

NOX_COMMANDS = {
    "torch_integration": ("run", "torch"),
    "tf_integration": ("run", "tf"),
    **{name: (name,) for name in ("parity", "benchmark", "mutation", "kill-test", "report", "clean")},
}
"""Sessions whose words after `--` are those of a command of the harness."""

EXAMPLES = [
    example
    for page in prose.tracked(ROOT)
    if page.suffix == ".md" and page.name != "CHANGELOG.md"
    for example in examples.of_page(page, str(page.relative_to(ROOT)))
]


@cache
def sessions() -> tuple[str, ...]:
    """Sessions of the noxfile."""
    return tuple(jobs.sessions(ROOT))


@cache
def simulation() -> argparse.ArgumentParser:
    """The parser of the script that simulates."""
    place = ROOT / "scripts" / "simulation" / "simulate_and_save.py"
    spec = importlib.util.spec_from_file_location("simulate_and_save", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parser: argparse.ArgumentParser = module.parser()
    return parser


def harness(words: Sequence[str]) -> None:
    """Parse a command line of the harness."""
    own = list(words[: [*words, "--"].index("--")])
    parser = main.command_line()
    parser.parse_args(command_words.resolve(parser, own, quiet=True))


def nox(words: Sequence[str]) -> None:
    """Parse a command line of nox, and what follows `--` with the parser of the session's command."""
    own, rest = list(words[: [*words, "--"].index("--")]), list(words[[*words, "--"].index("--") + 1 :])
    parser = argparse.ArgumentParser(prog="nox")
    parser.add_argument("-s", "--sessions", nargs="+", default=[])
    parser.add_argument("-t", "--tags", choices=("test",))
    parser.add_argument("-l", "--list", action="store_true")
    parser.add_argument("--install-only", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    named = parser.parse_args(own).sessions
    if unknown := [name for name in named if name not in sessions()]:
        parser.error(f"no session {', '.join(unknown)}")
    if named and named[0] in NOX_COMMANDS and rest:
        command = [*NOX_COMMANDS[named[0]]]
        harness([*(command[:1] if "--target" in rest else command), *rest])


MODULES: dict[str, Callable[[Sequence[str]], object]] = {
    "harness": harness,
    "nox": nox,
    "ptycho": lambda words: core.parser().parse_args(list(words)),
    **{f"{name}.train": cli.training_parser("train").parse_args for name in ("ptycho_torch", "ptycho_tf")},
    **{f"{name}.inference": cli.inference_parser("infer").parse_args for name in ("ptycho_torch", "ptycho_tf")},
}


def check(words: Sequence[str]) -> str:
    """What the command's own parser says against it; empty if it takes it."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            refused = _parse(list(words))
        except SystemExit as ended:
            refused = "" if ended.code in (0, None) else said.getvalue() or str(ended.code)
    return refused


def _parse(words: list[str]) -> str:
    program, rest = words[0], words[1:]
    if program in SHELL or rest[:2] == ["-m", "pip"] or "…" in rest:
        return ""
    if program == "torchrun":
        program, rest = "python", rest[rest.index("-m") :]
    if program == "nox":
        nox(rest)
    elif program == "pytest":
        return "" if (ROOT / rest[0].partition("::")[0]).exists() else f"{rest[0]} is not a file"
    elif program == "python" and rest[:1] == ["-m"]:
        if rest[1] not in MODULES:
            return "" if importlib.util.find_spec(rest[1]) is not None else f"there is no module {rest[1]}"
        MODULES[rest[1]](rest[2:])
    elif program == "python" and rest[:1] == ["scripts/simulation/simulate_and_save.py"]:
        simulation().parse_args(rest[1:])
    else:
        return f"{program} is a program without a parser here"
    return ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.page}:{one.line}")
def test_every_example_is_taken_by_its_program(example: examples.Example) -> None:
    refused = check(example.words)
    # In a sentence a command may be called by its name alone.
    assert refused == "" or (example.inline and "the following arguments are required" in refused)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("python -m harness parity --gridsise 1", "unknown: --gridsise"),
        ("python -m harness reprot", "invalid choice"),
        ("nox -s paritty", "no session paritty"),
        ("nox -s parity -- --gridsise 1", "unknown: --gridsise"),
        ("nox -s torch_integration -- --devise cuda", "unknown: --devise"),
        ("python -m ptycho inspekt scan.npz", "invalid choice"),
        ("python -m ptycho_torch.train --data scan.npz", "train_data_file"),
        ("python scripts/simulation/simulate_and_save.py --output scan.npz", "--output-file"),
        ("pytest tests/torch/test_nothing.py", "is not a file"),
        ("python -m ptycho.nothing", "there is no module"),
        ("make all", "without a parser"),
    ],
)
def test_a_wrong_example_is_found(text: str, said: str) -> None:
    assert said in check(shlex.split(text))


def test_the_examples_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n\n```console\n$ X=1 nox -s \\\n      a  # b\nout\n```\n\nSee `python -m\nharness` and `nox -s …`.\n"
    )
    found = list(examples.of_page(page, "page.md"))
    assert [(one.line, one.words) for one in found] == [(4, ("nox", "-s", "a")), (9, ("python", "-m", "harness"))]
    assert len(EXAMPLES) > 80


QUICK = (
    ("python scripts/simulation/simulate_and_save.py --output-file scan.npz --n-images 1087 --seed 1 --visualize", 0),
    ("python -m ptycho inspect scan.npz --picture scan.png", 0),
    ("python -m harness fixtures list", 0),
    ("python -m harness fixtures verify", 0),
    ("python -m harness ci plan --shards 2", 0),
    ("python -m harness verdict torch-cpu tf-cpu parity", Verdict.FAIL),
    ("python -m harness report", Verdict.USAGE),
    ("python -m harness clean", 0),
)
"""Examples that take less than ten seconds, in an order in which they work, and how they end in an empty folder."""


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder, as the pages mean it: with the interpreter of an environment."""
    words = shlex.split(text)
    words = [str(ROOT / word) if word.startswith("scripts/") else word for word in words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_quick_examples_run(tmp_path: Path) -> None:
    shown = {example.text for example in EXAMPLES}
    for text, code in QUICK:
        assert text in shown
        done = run(text, tmp_path)
        assert (text, done.returncode, "Traceback" in done.stderr) == (text, int(code), False)
    assert (tmp_path / "scan.png").is_file()
