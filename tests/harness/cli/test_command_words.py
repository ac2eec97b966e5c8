"""Old names and command lines of sessions become today's: the command first, then its options."""

import pytest

from harness.cli import command_words, main
from ptycho import command_line
from ptycho.errors import UsageError

PARSER = main.command_line()
SESSION = ("--python=torch=a", "--python=tf=b", "--follow", "7")
"""What a session of the noxfile puts before the words that follow its `--`."""


@pytest.fixture(autouse=True)
def never_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not warned yet."""
    monkeypatch.setattr(command_line, "_RENAMED", set())


@pytest.mark.parametrize(
    ("typed", "resolved"),
    [
        ("parity", "parity run"),
        ("parity --steps 3", "parity run --steps 3"),
        ("parity --help", "parity --help"),
        ("parity run --help", "parity run --help"),
        ("parity quality --seeds 3", "parity quality --seeds 3"),
        ("parity --follow 7 quality --seeds 3", "parity quality --follow 7 --seeds 3"),
        ("parity --fixture quality", "parity run --fixture quality"),
        ("parity --fixture=small replay a.npz", "parity replay --fixture=small a.npz"),
        ("benchmark --quick", "benchmark run --quick"),
        ("benchmark --python tf=x compare main", "benchmark compare --python tf=x main"),
        ("report", "report page"),
        ("report RUN --open", "report page RUN --open"),
        ("report rebuild RUN", "report rebuild RUN"),
        ("attach one.py two.py", "attach models one.py two.py"),
        ("run torch", "run torch"),
        ("fixtures", "fixtures"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_todays_words_pass_without_a_warning(typed: str, resolved: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_words.resolve(PARSER, typed.split()) == resolved.split()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("typed", "resolved", "names"),
    [
        ("rebuild RUN", "report rebuild RUN", "the command rebuild is called report rebuild now"),
        ("scale --steps 3", "benchmark scale --steps 3", "the command scale is called benchmark scale now"),
        ("physics mine.py", "attach physics mine.py", "the command physics is called attach physics now"),
        ("install torch-cpu", "ci install torch-cpu", "the command install is called ci install now"),
        ("endings --count 3", "kill-test --count 3", "the command endings is called kill-test now"),
        ("parity --quality --seeds 3", "parity quality --seeds 3", "parity --quality is called parity quality now"),
        ("parity --seeds 3 --steps 2", "parity survey --seeds 3 --steps 2", "parity --seeds is called parity survey"),
        ("parity --replay a.npz --json", "parity replay a.npz --json", "parity --replay is called parity replay now"),
        ("parity --replay=a.npz", "parity replay a.npz", "parity --replay is called parity replay now"),
        ("parity --recalibrate --write", "parity calibrate --write", "parity --recalibrate is called parity calibrate"),
        ("benchmark --against HEAD~1", "benchmark compare HEAD~1", "benchmark --against is called benchmark compare"),
        ("benchmark --quick --self-test", "benchmark self-test --quick", "is called benchmark self-test now"),
    ],
)
def test_old_words_work_and_name_the_new_ones(
    typed: str, resolved: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_words.resolve(PARSER, typed.split()) == resolved.split()
    assert names in capsys.readouterr().err
    assert command_words.resolve(PARSER, typed.split(), quiet=True) == resolved.split()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("parity", ["parity", "run"]),
        ("parity quality --seeds 8", ["parity", "quality"]),
        ("parity --replay a.npz", ["parity", "replay"]),
        ("parity replay a.npz", ["parity", "replay"]),
        ("parity calibrate", ["parity", "calibrate"]),
        ("parity --seeds 2 --canaries 0", ["parity", "survey"]),
        ("benchmark --quick", ["benchmark", "run"]),
        ("benchmark --against main", ["benchmark", "compare"]),
        ("benchmark compare main", ["benchmark", "compare"]),
        ("benchmark self-test --quick", ["benchmark", "self-test"]),
        ("benchmark scale", ["benchmark", "scale"]),
        ("benchmark overhead", ["benchmark", "overhead"]),
        ("benchmark quality-curve", ["benchmark", "quality-curve"]),
    ],
)
def test_each_command_takes_what_a_session_puts_before_it(typed: str, command: list[str]) -> None:
    name, *words = typed.split()
    line = command_words.resolve(PARSER, [name, *SESSION, *words], quiet=True)
    assert line[:2] == command
    assert callable(PARSER.parse_args(line).run)


def test_two_old_commands_in_one_line_are_refused() -> None:
    with pytest.raises(UsageError, match="--quality and --replay; allowed: one of them"):
        command_words.resolve(PARSER, ["parity", "--quality", "--replay", "a.npz"])


def test_every_old_name_has_a_command_of_today() -> None:
    commands = {*command_words._commands(PARSER)}
    assert commands.isdisjoint(command_words.COMMANDS)
    for new in command_words.COMMANDS.values():
        inner = command_words._commands(command_words._commands(PARSER)[new[0]])
        assert new[0] in commands
        assert new[1:] == () or new[1] in inner
    for group, old in command_words.OPTIONS.items():
        assert set(old.values()) <= set(command_words._commands(command_words._commands(PARSER)[group]))
