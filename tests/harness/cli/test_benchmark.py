"""The command line: everything wrong is said at once, and before anything heavy is imported."""

import subprocess
import sys

import pytest

from harness.cli import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--side", "jax", "--threads", "-1"], ["--side jax; allowed: torch, tf", "--threads -1"]),
        (["--budget", "0"], ["a budget above 0"]),
        (["--against", "HEAD", "--self-test"], ["--against and --self-test; allowed: one of them"]),
        (["self-test", "--trials", "0"], ["--trials 0; allowed: 1 or more"]),
        (["compare", "HEAD", "--device", "cuda"], ["processor time says little of a GPU's work"]),
        (["--python", "torch=/nowhere/python"], ["/nowhere/python"]),
        (["compare", "nosuch"], ["is not a commit of", "git fetch --unshallow"]),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    options: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["benchmark", *options])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert [part for part in said if part not in error] == []


def test_the_help_needs_no_numpy() -> None:
    code = (
        "import sys; from harness.cli import main\n"
        "try: main.main(['benchmark', '--help'])\n"
        "except SystemExit: raise SystemExit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
