"""Where a failure's text sends its reader, and how far that is from an edit."""

from pathlib import Path

import pytest

from harness.faults.mutation.user_path import hints
from harness.faults.mutation.user_path.hints import Spot
from harness.isolation.source_overlay import Edit

TEXT = """
first failing rung: R5 at gridsize 1 in f64; at fault: torch
  R5/plain.total: torch is off, as ptycho_torch/other.py, nothing() is not
look at: ptycho_torch/loss.py:53, poisson_nll(): return other.py
     or: ptycho_torch/engine.py, TorchEngine.losses()
     or: ptycho_torch/assembly.py
points at: the loss
     or: ptycho_torch/never.py
"""
CODE = """import a


class A:
    def one(self):
        x = 1

        def inner(y):
            return y

        return x
"""


def test_places_are_read_from_their_lines_alone() -> None:
    assert hints.named(TEXT) == [
        Spot(file="ptycho_torch/loss.py", function="poisson_nll"),
        Spot(file="ptycho_torch/engine.py", function="losses"),
        Spot(file="ptycho_torch/assembly.py"),
    ]


@pytest.mark.parametrize(
    ("where", "steps"),
    [
        ("ptycho_torch/loss.py:poisson_nll", 1),
        ("ptycho_torch/loss.py", 1),
        ("ptycho_torch/loss.py:terms", 2),
        ("ptycho_torch/engine.py:losses", 2),
        ("ptycho_torch/engine.py:step", 2),
        ("ptycho_torch/assembly.py", None),
        ("ptycho_torch/physics.py:intensity", None),
    ],
)
def test_how_far_it_is(where: str, steps: int | None) -> None:
    assert hints.steps(hints.named(TEXT), Spot.read(where)) == steps
    assert hints.steps([], Spot.read(where)) is None


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("import a", "import b", ""),
        ("x = 1", "x = 2", "one"),
        ("return y", "return 2 * y", "inner"),
        ("return x", "return 2 * x", "one"),
        ("x = 1\n\n        def inner(y)", "x = 1\n\n        def inner(y, z)", "inner"),
        ("return x\n", "return x\n\n\nz = 1\n", "one"),
    ],
)
def test_the_function_that_holds_the_first_changed_letter(tmp_path: Path, old: str, new: str, function: str) -> None:
    (tmp_path / "a.py").write_text(CODE)
    found = hints.spot(Edit(file="a.py", old=old, new=new), tmp_path)
    assert found == Spot(file="a.py", function=function)


def test_another_file_than_python_has_no_functions(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\n")
    assert str(hints.spot(Edit(file="a.toml", old="1", new="2"), tmp_path)) == "a.toml"
    assert str(Spot.read("b/c.py:d")) == "b/c.py, d()"
