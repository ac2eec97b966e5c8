"""One exit code for each error, one screen on stderr, and no error of another tree is hidden."""

import subprocess
import sys
from pathlib import Path

import pytest

from ptycho import errors
from ptycho.verdict import Verdict

CODES: dict[type[errors.PtychoError], int] = {
    errors.PtychoError: 1,
    errors.SuspicionError: 1,
    errors.UsageError: 2,
    errors.ConfigurationError: 2,
    errors.ContractError: 2,
    errors.SuspicionError: 1,
    errors.StoreError: 2,
    errors.CheckpointError: 2,
    errors.InfrastructureError: 13,
    errors.DeviceError: 13,
}


def tree(root: type[errors.PtychoError]) -> set[type[errors.PtychoError]]:
    return {root}.union(*(tree(child) for child in root.__subclasses__() if child.__module__ == errors.__name__))


def test_every_error_has_its_exit_code() -> None:
    assert {kind: int(kind.verdict) for kind in tree(errors.PtychoError)} == CODES


def test_exit_codes_are_the_closed_set() -> None:
    assert {verdict.name: verdict.value for verdict in Verdict} == {
        "PASS": 0,
        "FAIL": 1,
        "USAGE": 2,
        "BUDGET": 10,
        "TIMEOUT": 11,
        "OOM": 12,
        "INFRA": 13,
        "INCONCLUSIVE": 14,
        "INTERRUPTED": 130,
    }


def ended(statement: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process that runs one statement as a command line does."""
    code = f"from ptycho import errors\nwith errors.exit_on_error():\n    {statement}"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("kind", [kind for kind in CODES if kind is not errors.ContractError])
def test_an_error_ends_a_command_with_its_code_and_message(kind: type[errors.PtychoError]) -> None:
    expected = (CODES[kind], "", "error: gridsize = 3; allowed: 1, 2\n")
    assert ended(f"raise errors.{kind.__name__}('gridsize = 3; allowed: 1, 2')") == expected


def test_a_contract_error_lists_every_violation() -> None:
    code, _, shown = ended("raise errors.ContractError('scan.npz', ['probeGuess is missing', 'xcoords has a NaN'])")
    assert code == 2
    assert shown.splitlines() == [
        "error: scan.npz breaks the data contract (DATA-001):",
        "  - probeGuess is missing",
        "  - xcoords has a NaN",
    ]


def test_a_contract_error_can_be_read_by_a_program() -> None:
    error = errors.ContractError("scan.npz", ["a", "b"])
    assert (error.path, error.violations) == (Path("scan.npz"), ("a", "b"))


def test_an_interrupt_ends_a_command_with_its_code() -> None:
    assert ended("raise KeyboardInterrupt") == (130, "", "interrupted\n")


def test_errors_of_another_tree_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), errors.exit_on_error():
        _ = 1 / 0
    assert ended("raise SystemExit(7)") == (7, "", "")


def test_success_passes_through() -> None:
    assert ended("print('done')") == (0, "done\n", "")
