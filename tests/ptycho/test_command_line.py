"""Command lines: what is not an option is refused by name, with what is allowed, and nothing is guessed or ignored."""

import pytest

from ptycho.command_line import Parser, StrictParser


def parser() -> Parser:
    top = StrictParser(prog="top")
    commands = top.add_subparsers(required=True)
    run = commands.add_parser("run")
    run.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    run.add_argument("--name", action="append")
    run.add_argument("--root")
    run.hint = "ask pytest"
    commands.add_parser("clean").add_argument("--all", action="store_true")
    return top


def refusal(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(words.split())
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("run --devcie cpu", "unknown: --devcie cpu; did you mean --device?"),
        ("run --dev cpu", "unknown: --dev cpu"),
        ("run -k x", "ask pytest"),
        ("clean --al", "allowed: --all, --help"),
        ("run --device cpu --device cuda", "given twice"),
        ("run --root=", "argument --root: expected a value after ="),
        ("run stray", "unknown: stray"),
    ],
)
def test_it_is_refused(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in refusal(words, capsys)


def test_a_training_lets_the_later_value_win() -> None:
    training = Parser(prog="train")
    training.add_argument("--seed", type=int)
    assert training.parse_args(["--seed", "1", "--seed", "2"]).seed == 2


def test_a_refusal_speaks_of_the_command_that_met_the_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--device" not in refusal("clean --bogus", capsys)


def test_good_words_are_taken_and_lists_may_grow() -> None:
    options = parser().parse_args(["run", "--device", "cuda", "--name", "a", "--name", "b"])
    assert (options.device, options.name) == ("cuda", ["a", "b"])
    again = parser()
    assert [again.parse_args(["run", "--device", "cuda"]).device for _ in range(2)] == ["cuda", "cuda"]
