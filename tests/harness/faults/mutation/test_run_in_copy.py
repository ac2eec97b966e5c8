"""Whether a bad end is the mutant's doing or the machine's."""

import pytest

from harness.faults.mutation import run_in_copy


@pytest.mark.parametrize(
    ("text", "returncode", "is_machine"),
    [
        ("ValueError: wrong", 1, False),
        ("error: refused", 2, False),
        ("Killed", -9, True),
        ("out of memory", 12, True),
        ("interrupted", 130, True),
        ("MemoryError", 1, True),
        ("OSError: [Errno 28] No space left on device", 1, True),
    ],
)
def test_what_the_machine_does_is_not_laid_at_a_mutants_door(text: str, returncode: int, is_machine: bool) -> None:
    assert run_in_copy.machine_error(text, returncode) == (f"ended with {returncode}: {text}" if is_machine else "")


@pytest.mark.parametrize(("text", "line"), [("a\n b \n\n", "b"), ("", "it said nothing")])
def test_the_last_line_that_says_anything(text: str, line: str) -> None:
    assert run_in_copy.last_line(text) == line
