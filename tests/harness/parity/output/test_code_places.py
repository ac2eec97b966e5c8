"""Every quantity of the ladder leads to a file and a function that exist, in both backends and in the core."""

import ast
from functools import cache
from pathlib import Path

import pytest

from harness.parity.judge import oracle
from harness.parity.output import code_places
from harness.parity.output.code_places import CodePlace, QuantityPlaces, look_at
from harness.parity.reference import invariants, operations, problem
from ptycho.fingerprint import ROOT
from ptycho.parity.request import QUANTITIES

PACKAGES = {"torch": "ptycho_torch", "tf": "ptycho_tf"}


@cache
def names() -> tuple[str, ...]:
    """Every name that the ladder asks for, at both gridsizes."""
    found: dict[str, None] = {}
    for gridsize in (1, 2):
        request = problem.request(
            gridsize=gridsize,
            seed=1,
            scan=ROOT / "tests/fixtures/pytorch_integration/small.npz",
            steps=2,
            precision="f64",
            quantities=QUANTITIES,
        )
        expected = oracle.expected(request, PACKAGES)
        for exact in expected.exact.values():
            found |= dict.fromkeys(f"{rung}/{name}" for rung, values in exact.items() for name in values)
        found |= dict.fromkeys([*expected.arrays, *operations.expected(request)])
        found |= dict.fromkeys(f"R2c/{law.name}" for law in invariants.laws(request))
        found |= dict.fromkeys(f"R3/in_situ.{name}.{side}" for name in request.inputs for side in PACKAGES)
    return tuple(found)


@cache
def defined(file: Path) -> frozenset[str]:
    """Functions, methods and constants that a file defines; it is read and not imported."""
    found: set[str] = set()

    def walk(body: list[ast.stmt], before: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(f"{before}{node.name}")
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{before}{node.name}.")
            elif isinstance(node, ast.Assign):
                targets = [
                    t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])
                ]
                found.update(f"{before}{t.id}" for t in targets if isinstance(t, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(f"{before}{node.target.id}")

    walk(ast.parse(file.read_text(encoding="utf-8")).body, "")
    return frozenset(found)


def is_there(place: CodePlace) -> bool:
    file = ROOT / place.file
    return file.is_file() and place.name in defined(file)


@pytest.mark.deep
def test_every_name_of_the_ladder_has_a_place_for_each_side_and_a_hint() -> None:
    asked = names()
    assert len(asked) > 1000
    assert {name.partition("/")[0] for name in asked} == set(QUANTITIES)
    assert [name for name in asked if code_places.row(name) is None] == []
    assert [name for name in asked if not code_places.hint(name)] == []
    for side in PACKAGES:
        assert [name for name in asked if not look_at(name, [side])] == []


@pytest.mark.slow
@pytest.mark.parametrize("row", code_places.rows(), ids=lambda row: row.pattern)
def test_every_file_and_function_of_the_table_exists(row: QuantityPlaces) -> None:
    name = row.pattern
    assert code_places.row(next(asked for asked in names() if code_places.row(asked) is row)) is row, (
        "no name reaches the row"
    )
    made = [*code_places._places("ptycho", row.core)]
    for side, package in PACKAGES.items():
        made += code_places._places(package, code_places._of_side(row, side))
    assert made, name
    assert [place for place in made if not is_there(place)] == []


def test_a_function_that_does_not_exist_is_seen() -> None:
    assert is_there(CodePlace(file="ptycho_torch/loss.py", name="terms"))
    assert not is_there(CodePlace(file="ptycho_torch/loss.py", name="term"))
    assert not is_there(CodePlace(file="ptycho_torch/losses.py", name="terms"))


def test_places_are_those_of_the_guilty_side() -> None:
    assert [p.sentence for p in look_at("R2/terms", ["torch"])] == ["ptycho_torch/loss.py, terms()"]
    assert [p.sentence for p in look_at("R2/terms", ["tf"])] == ["ptycho_tf/loss.py, terms()"]
    assert [p.file for p in look_at("R2/terms", ["tf", "torch"])] == ["ptycho_tf/loss.py", "ptycho_torch/loss.py"]


def test_a_constant_is_named_without_brackets() -> None:
    assert [p.sentence for p in look_at("R0/optimiser.beta1", ["torch"])] == ["ptycho_torch/optimizer.py, BETA1"]


def test_what_both_share_is_in_the_core() -> None:
    assert [p.file for p in look_at("R2/join.inner", ["tf", "torch"], shared=True)] == ["ptycho/physics/forward.py"]
    assert [p.sentence for p in look_at("R2c/core.split.9.2", ["tf"])] == ["ptycho/data/grouping.py, split()"]


def test_of_a_foreign_side_nothing_is_known() -> None:
    assert look_at("R2/terms", ["torch"], foreign=["torch"]) == []
    assert look_at("R2c/core.split.9.2", ["torch"], foreign=["torch"]) == []
    assert [p.file for p in look_at("R2/terms", ["tf", "torch"], foreign=["torch"])] == ["ptycho_tf/loss.py"]


def test_a_name_that_nobody_asked_for_has_no_place() -> None:
    assert (look_at("R2/other", ["torch"]), code_places.hint("R2/other")) == ([], "")


def test_rank_follows_the_computation() -> None:
    wrong = ["R2/amplitude.odd", "R2c/light.formula", "R2/intensity.even", "R2/exit_wave.even", "R4/code", "R2/other"]
    assert sorted(wrong, key=code_places.rank) == [
        *("R2/exit_wave.even", "R2/intensity.even", "R2/amplitude.odd", "R2/other", "R2c/light.formula", "R4/code"),
    ]


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("R4/amplitude.0.out", "R4/amplitude.border.0.in"),
        ("R4/encoder.1.out", "R4/code"),
        ("R4/amplitude.border.0.out", "R4/amplitude"),
        ("R4/consistent", "R4/predicted.0"),
        ("R5/plain.nll", "R5/plain.total"),
        ("R5/evaluated.total", "R5/evaluated.mean_total"),
        ("R6/object", "R6/encoder.0.0.weight"),
        ("R6/amplitude.inner.weight", "R6/log_intensity_scale"),
        ("R7/1.adam.m/kernel_1", "R7/1.kernel_1"),
        ("R8/1.weights", "R8/losses"),
        ("R8/workflow.overlap", "R8/workflow.object"),
        ("R2/mae", "R2/root"),
        ("R2/placements.any", "R2/assemble.any"),
    ],
)
def test_a_cause_comes_before_its_effect(cause: str, effect: str) -> None:
    assert code_places.rank(cause) < code_places.rank(effect)


def test_a_loss_does_not_point_at_the_network() -> None:
    for name in names():
        if name.startswith("R5/") or name in ("R2/nll", "R2/mae", "R2/terms", "R2/variation", "R2/deviance"):
            assert not [word for word in ("padding", "pool", "sampling") if word in code_places.hint(name)], name
