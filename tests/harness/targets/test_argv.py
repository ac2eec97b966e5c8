"""Argument vectors and help texts taken apart, without running anything."""

import argparse

import pytest

from harness.targets import argv as target_argv
from harness.targets.argv import Option

HELP = """\
usage: python -m pkg.train [-h] --train_data_file FILE -o OUT
                           [--logger {none,csv}] [--seed [SEED]]
                           (--cpu | --gpu) [--quiet | --loud]

Trains. See --not-listed of another command.

options:
  -h, --help            show this help message and exit
  --train_data_file FILE
                        the scan; unlike --test_data it is required
  -o OUT, --out-dir OUT where to
  --logger {none,csv}   what to write
  --cache, --no-cache   whether to keep it
  --quiet               say nothing
  --[no-]mmap           map it
"""


@pytest.mark.parametrize(
    ("argv", "program", "module", "script", "options"),
    [
        (["{python}", "-m", "a.b", "--x", "{train}"], ["{python}", "-m", "a.b"], "a.b", "", ["--x"]),
        (["{python}", "-P", "-X", "dev", "-m", "a"], ["{python}", "-P", "-X", "dev", "-m", "a"], "a", "", []),
        (["{python}", "{root}/t.py", "fit", "-n", "-3"], ["{python}", "{root}/t.py", "fit"], "", "{root}/t.py", ["-n"]),
        (["/usr/bin/python3.12", "t.py", "{train}"], ["/usr/bin/python3.12", "t.py"], "", "t.py", []),
        (["trainer", "run", "--a=1", "--b"], ["trainer", "run"], "", "trainer", ["--a", "--b"]),
        (
            ["{python}", "{kit}/c.py", "{output}/o.npz", "a.png", "-m", "a.b", "--x"],
            ["{python}", "{kit}/c.py", "{output}/o.npz", "a.png", "-m", "a.b"],
            *("", "{kit}/c.py", ["--x"]),
        ),
        (["torchrun", "--n", "2", "t.py", "--x"], ["torchrun", "--n", "2", "t.py"], "", "torchrun", ["--x"]),
        (["{python}", "t.py", "--script", "u.py"], ["{python}", "t.py"], "", "t.py", ["--script"]),
        (["{python}", "t.py", "-m", "{model}"], ["{python}", "t.py"], "", "t.py", ["-m"]),
    ],
)
def test_the_program_ends_where_options_and_data_begin(
    argv: list[str], program: list[str], module: str, script: str, options: list[str]
) -> None:
    found = target_argv.parse(argv)
    assert (list(found.argv), found.module, found.script, list(found.options), found.inline) == (
        program,
        module,
        script,
        options,
        False,
    )


def test_a_text_of_its_own_has_no_help() -> None:
    assert target_argv.parse(["{python}", "-c", "print('--x')"]).inline


def test_a_help_text_offers_its_options() -> None:
    wanted = {"--train_data_file", "-o", "--out-dir", "--logger", "--no-cache", "--mmap", "--no-mmap", "--quiet"}
    assert wanted - target_argv.offered(HELP) == set()
    assert "--train" not in target_argv.offered(HELP)


def test_what_a_usage_line_requires() -> None:
    assert target_argv.needed(HELP) == ("--train_data_file", "-o")
    assert target_argv.needed("no usage here") == ()
    assert target_argv.aliases(HELP, "-o") == {"-o", "--out-dir"}
    assert target_argv.aliases(HELP, "--absent") == {"--absent"}


def test_options_as_a_help_text_describes_them() -> None:
    found = {option.name: option for option in target_argv.described(HELP)}
    names = ["--logger", "--mmap", "--no-cache", "--out-dir", "--quiet", "--train_data_file"]
    assert sorted(found) == names
    assert [name for name in names if found[name].takes_value] == ["--logger", "--out-dir", "--train_data_file"]
    assert found["--out-dir"] == Option(names=("--out-dir", "-o"), required=True, takes_value=True, choices=())
    assert found["--logger"] == Option(names=("--logger",), required=False, takes_value=True, choices=("none", "csv"))


def test_it_agrees_with_argparse_itself() -> None:
    parser = argparse.ArgumentParser(prog="python -m x")
    parser.add_argument("--data", required=True)
    parser.add_argument("-n", "--number", type=int, required=True)
    parser.add_argument("--kind", choices=["a", "b"])
    parser.add_argument("--flag", action=argparse.BooleanOptionalAction)
    text = parser.format_help()
    assert target_argv.needed(text) == ("--data", "-n")
    assert {"--flag", "--no-flag", "--kind"} - target_argv.offered(text) == set()
    names = [option.name for option in target_argv.described(text) if option.takes_value]
    assert names == ["--data", "--number", "--kind"]
