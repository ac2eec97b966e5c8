"""The option `--versions`: what it takes, and what it refuses all at once."""

import pytest

from harness.cli import main
from harness.targets import version_option
from ptycho.errors import UsageError
from ptycho.verdict import Verdict


def test_versions_by_side_in_their_order() -> None:
    found = version_option.requested(["torch=2.13,2.14.1", "tf= 2.20.0 , newest"])
    assert found == {"torch": ("2.13.0", "2.14.1"), "tf": ("2.20.0", "newest")}
    assert version_option.requested(["tf=2.22.0rc1,2.21.0.post1,2.22.0.dev3,locked"]) == {
        "tf": ("2.22.0rc1", "2.21.0.post1", "2.22.0.dev3", "locked")
    }
    assert version_option.requested([]) == {}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("pytorch=2.13.0", "'pytorch' is no side"),
        ("2.13.0", "'2.13.0' is no side"),
        ("torch=", "no version"),
        ("torch", "'torch': 'torch' is no side"),
        ("torch=2.13.0,,2.14.1", "'' is no version"),
        ("torch=2.13.0,2.14.1,2.13", "2.13.0 is given twice"),
        ("torch=locked,locked", "locked is given twice"),
        *(
            (f"torch={word}", f"{word!r} is no version")
            for word in ("2", "v2.14.1", "2.13.0+cpu", "2.14.*", ">=2.13", "../x")
        ),
    ],
)
def test_what_is_no_version_of_a_side_is_named(given: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        version_option.requested([given])
    assert why in str(refused.value)
    assert "allowed: SIDE=V,V with SIDE of torch, tf" in str(refused.value)


def test_a_side_that_is_given_twice_and_everything_else_is_said_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        version_option.requested(["torch=2.13.0", "torch=2.14.1", "tf=x"])
    assert "torch is given twice; write its versions with commas" in str(refused.value)
    assert "'x' is no version" in str(refused.value)


EARLY = [
    (["--versions", "tf=2.x"], "'2.x' is no version"),
    (["--versions", "tf=2.20.0", "--device", "cuda"], "--versions with --device cuda"),
    (["--versions", "tf=2.20.0", "--side", "tf"], "--versions with --side tf"),
    (["--lock-of", "HEAD"], "--lock-of HEAD; allowed: with --versions"),
]
LATE = [
    (["--versions", "tf=2.20.0", "--against", "HEAD"], "--against and --versions with"),
    (["--versions", "tf=2.20.0", "--ways"], "--ways and --versions with"),
    (["--versions", "tf=2.20.0", "--canary-seed", "3"], "--versions with --target, --canary-seed"),
]


@pytest.mark.parametrize(
    ("command", "words", "why"),
    [
        *((["parity"], *case) for case in (*EARLY, *LATE)),
        # Before an environment is built for it.
        *((["check-options", "parity"], *case) for case in EARLY),
    ],
)
def test_the_command_refuses_it_with_2(
    command: list[str], words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([*command, *words])
    assert ended.value.code == Verdict.USAGE
    shown = capsys.readouterr()
    assert why in shown.err + shown.out


def test_an_ordinary_run_and_a_survey_ask_for_no_versions() -> None:
    parser = main.command_line()
    for words in (["parity", "run"], ["parity", "survey"]):
        assert (parser.parse_args(words).versions, parser.parse_args(words).lock_of) == ([], None)
