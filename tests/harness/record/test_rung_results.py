"""Rungs are counted one way, from labels of a ladder or of a campaign, and the worst result of a rung is the rung's."""

import json
import xml.etree.ElementTree as ET

import pytest

from harness.record import rung_results
from harness.record.log import Row
from harness.runs import artifacts
from tests.support import sample_runs


@pytest.mark.parametrize(
    ("label", "rung", "place"),
    [
        ("R2 f64 gridsize 1 seed 42", "R2", "gridsize 1 in f64"),
        ("R2b f32 gridsize 2 seed 7", "R2b", "gridsize 2 in f32"),
        ("R4 f64 gridsize 2 N 128 seed 7", "R4", "gridsize 2 in f64 (N 128, seed 7)"),
        ("R3 g1 f64", "R3", "gridsize 1 in f64"),
        ("R9", "R9", ""),
        ("mutant probe-conjugated-torch", "mutant probe-conjugated-torch", ""),
        ("kill 003", "kill 003", ""),
        ("Rx f64", "Rx f64", ""),
    ],
)
def test_a_label_is_a_rung_and_a_place(label: str, rung: str, place: str) -> None:
    assert (rung_results.rung_of(label), rung_results.place_of(label)) == (rung, place)


def test_seeds_are_told_where_there_are_several() -> None:
    results = {f"R2 f64 gridsize 1 seed {seed}": "fail" for seed in (1, 2)}
    assert ["gridsize 1 in f64 at seed 1", "gridsize 1 in f64 at seed 2"] == rung_results.places(results, "R2")


def test_a_drawn_problem_is_not_another_seed_of_the_ladder_s_own() -> None:
    labels = ("R4 f64 gridsize 1 seed 42", "R4 f64 gridsize 2 N 64 seed 7")
    places = rung_results.places(dict.fromkeys(labels, "fail"), "R4")
    assert places == ["gridsize 1 in f64", "gridsize 2 in f64 (N 64, seed 7)"]
    assert [rung_results.problem_of(label) for label in labels] == ["", "N 64, seed 7"]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["pass", "fail", "unverified"], "fail"),
        (["pass", "not reached"], "not reached"),
        (["pass", "known failure"], "known failure"),
        (["pass", "fine"], "unverified"),
        ([], "not reached"),
    ],
)
def test_the_worst_result_counts(results: list[str], expected: str) -> None:
    assert expected == rung_results.worst(results)


def test_a_rung_stands_only_if_it_stands_everywhere() -> None:
    found = rung_results.tally(
        {"R0 g1 f64": "pass", "R0 g2 f64": "fail", "R1 g1 f64": "pass"}, ["R1 g1 f64", "R2 g1 f64"]
    )
    assert {"R1": "pass", "R2": "not reached", "R0": "fail"} == dict(found.results)
    assert "1 of 3 rungs pass; failed: R0; not reached: R2" == found.sentence
    assert (3, 1, ["R0"]) == tuple(found.as_dict()[key] for key in ("total", "standing", "failed"))


def test_trials_of_a_campaign_count_by_themselves() -> None:
    found = rung_results.tally({"mutant a": "pass", "mutant b": "fail"}, ["mutant a", "mutant b", "mutant c"])
    assert "1 of 3 mutants pass; failed: b; not reached: c" == found.sentence


def test_an_event_without_the_optional_fields_is_taken() -> None:
    row: Row = {"event": "rung.end", "rung": "R2", "result": "fail", "guilty": None, "where": 3}
    assert rung_results.RungResult(label="R2", result="fail") == rung_results.of_event(row)


@pytest.mark.parametrize("ending", sample_runs.ENDINGS)
def test_every_report_counts_alike_after_any_ending(ending: str) -> None:
    made, told, _ = artifacts.reports(sample_runs.stopped_log(ending, guilty=["torch"], reason="off by 2"))
    sentence = "1 of 4 rungs pass; failed: R2; not reached: R3, R4"
    assert sentence == told.tally.sentence
    assert sentence in made["summary.txt"].decode()
    assert sentence in made["summary.md"].decode()
    verdict = json.loads(made["verdict.json"])
    assert (sentence, 4) == (verdict["rung_counts"]["sentence"], verdict["rung_counts"]["total"])
    assert ["R2 f64 gridsize 1 seed 42", "R2 f64 gridsize 2 seed 42"] == [
        item["label"] for item in verdict["failed_rungs"]
    ]
    suites = {suite.get("name"): suite for suite in ET.fromstring(made["junit.xml"])}
    counts = suites["parity.rungs"].attrib
    assert ("4", "1", "2") == (counts["tests"], counts["failures"], counts["errors"])
    failure = suites["parity.rungs"].find(".//failure")
    assert failure is not None
    assert "fail (gridsize 1 in f64; gridsize 2 in f64): at fault: torch; off by 2" == failure.get("message")


def test_words_of_a_comparison_are_a_table_of_rungs_and_versions() -> None:
    def result(label: str, word: str, units: float | None = None) -> rung_results.RungResult:
        return rung_results.RungResult(label=label, result="pass", drift=word, units=units, unit="noise units")

    found = rung_results.drift_table(
        [
            result("R2 torch 2.14.1 f64 gridsize 1 seed 42", "identical"),
            result("R4 torch 2.14.1 f64 gridsize 1 seed 42", "rounding", 1.5),
            result("R4 torch 2.14.1 f64 gridsize 2 seed 42", "rounding", 20.25),
            result("R2 torch 2.14.1 f32 gridsize 1 seed 42", "identical"),
            result("R2 torch 2.14.1 f32 gridsize 2 seed 42", "regression", 3.0),
            result("R4 tf 2.20.0 f64 gridsize 1 seed 42", "rounding"),
            rung_results.RungResult(label="R4 f64 gridsize 1 seed 42", result="pass"),
        ]
    )
    assert found == [
        ("rung", "in", "torch 2.14.1", "tf 2.20.0"),
        ("R2", "f64", "identical", ""),
        ("R2", "f32", "regression", ""),
        ("R4", "f64", "rounding, 20.2 noise units", "rounding"),
    ]
    assert rung_results.drift_table([]) == []
