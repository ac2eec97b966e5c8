"""What other rungs say, composed from results and from nothing else."""

import pytest

from harness.parity.compare.comparison import Judgement, Result
from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.ladder import JudgedRung
from harness.parity.output.rung_context import sentences
from ptycho.parity.request import QUANTITIES


def climbed(results: dict[str, str], gridsize: int = 1, precision: str = "f64") -> list[JudgedRung]:
    """Rungs with their results: `p` passes, `f` fails."""
    rungs = {rung.name: rung for rung in RUNGS}
    words = {"p": Result.PASS, "f": Result.FAIL, "k": Result.KNOWN_FAILURE}
    return [
        JudgedRung(
            rung=rungs[name],
            gridsize=gridsize,
            precision=precision,
            judgements=(Judgement(tensor=f"{name}/a", result=words[letter]),),
        )
        for name, letter in results.items()
    ]


def said(failing: str, results: dict[str, str], others: list[JudgedRung] | None = None, **where: object) -> list[str]:
    made = climbed(results, **where)  # type: ignore[arg-type]
    (failed,) = (item for item in made if item.rung.name == failing)
    return sentences(failed, [*made, *(others or [])])


ALL = dict.fromkeys(QUANTITIES, "p")


def test_a_loss_that_fails_alone_is_told_from_the_network() -> None:
    found = said("R5", ALL | {"R5": "f", "R6": "f", "R8": "f"})
    assert found == ["R3 and R4 pass, R5 fails: the loss, not the network", "above it: R6 and R8 fail, too; R7 passes"]


def test_what_was_not_reached_is_said_and_nothing_is_concluded_from_it() -> None:
    found = said("R2", {"R0": "p", "R1": "p", "R2": "f", "R2b": "p", "R2c": "f"})
    assert found[0] == "R0 and R1 pass, R2 fails: a single operation, not the data"
    assert found[1] == "above it: R2c fails, too; R2b passes; R3, R4, R5, R6, R7 and R8 were not reached"
    assert len(found) == 2


def test_only_rungs_that_pass_are_said_to_pass() -> None:
    assert said("R5", {"R3": "p", "R5": "f"})[0] == "R3 passes, R5 fails: the loss"
    assert said("R5", {"R3": "k", "R4": "k", "R5": "f"})[0] == "R5 fails: the loss"


def test_in_float32_what_is_not_asked_there_is_not_missing() -> None:
    found = said("R2", {"R0": "p", "R2": "f", "R2b": "p"}, precision="f32")
    assert "R1" not in " ".join(found)
    assert "R2c" not in " ".join(found)


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ("R0", "nothing that is computed here uses the value"),
        ("R2", "only for arguments that the network and the loss do not meet here"),
        ("R4", "in what inference calls, not in what the loss is made of"),
        ("R5", "in what is reported, not in what is minimised"),
    ],
)
def test_what_passes_above_narrows_it_down(failing: str, sentence: str) -> None:
    assert said(failing, ALL | {failing: "f"})[-1].endswith(sentence)
    assert sentence not in " ".join(said(failing, ALL | {failing: "f", "R6": "f", "R7": "f", "R8": "f"}))


def test_where_the_rung_passes_elsewhere_is_said() -> None:
    others = climbed({"R4": "p"}, gridsize=1) + climbed({"R4": "f"}, gridsize=2, precision="f32")
    assert said("R4", {"R4": "f"}, others, gridsize=2)[-1] == "R4 passes at gridsize 1 in f64"


def test_every_rung_has_a_sentence() -> None:
    for name in QUANTITIES:
        assert said(name, ALL | {name: "f"})[0].startswith("R")


def test_rungs_that_a_target_does_not_answer_are_not_missing() -> None:
    (failed,) = climbed({"R4": "f"})
    assert "R8" not in " ".join(sentences(failed, [failed], ("R8",)))
