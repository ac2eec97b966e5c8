"""What is shown: text, JSON and picture of a clean pair and of one that differs."""

import json
from pathlib import Path
from xml.etree import ElementTree

from harness.attach import command, layer_map, report
from harness.attach.findings import ModelDifference, StepStage
from harness.attach.report import ModelComparison
from tests.support.attach_recordings import changed, network, recording

ONE = recording("torch", network())


def judged(**settings: object) -> ModelComparison:
    layers = changed(network(), "norm", settings=settings) if settings else network()
    two = recording("keras", layers)
    return command.judge(ONE, two, layer_map.propose(ONE, two, mode="carry"))


def test_parity_is_said_only_where_nothing_differs() -> None:
    assert "parity shown" in report.text(judged())
    assert "parity shown" not in report.text(judged(epsilon=1e-5))


def test_the_first_difference_comes_first() -> None:
    lines = report.text(judged(epsilon=1e-5)).splitlines()
    assert "first difference: norm (forward)" in lines
    assert "  norm.epsilon · forward · norm: " in "\n".join(lines)


def test_the_document_names_the_first_difference_and_every_layer(tmp_path: Path) -> None:
    report.write(judged(epsilon=1e-5), tmp_path)
    document = json.loads((tmp_path / "report.json").read_text())
    assert "norm.epsilon" == document["first"]["name"]
    assert not document["parity"]
    assert [layer.name for layer in network()] == [row["one"] for row in document["layers"]]
    assert ["agrees", "agrees"] == document["layers"][0]["oracle"]
    assert document["layers"][0]["noise_units"] <= 32 < document["layers"][1]["noise_units"]


def test_the_picture_is_well_formed_and_has_a_dot_for_each_layer() -> None:
    drawn = ElementTree.fromstring(report.picture(judged(epsilon=1e-5).rows, "a < b"))
    dots = [circle for circle in drawn.iter("{http://www.w3.org/2000/svg}circle") if circle.get("r") == "4"]
    assert len(network()) == len(dots)
    assert {"#060", "#a00"} == {dot.get("fill") for dot in dots}


def test_what_is_said_of_several_layers_is_said_once() -> None:
    found = [
        ModelDifference(
            name=f"{name}.epsilon",
            stage=StepStage.FORWARD,
            order=0,
            place=name,
            sentence=f"{name} differs by {factor}",
        )
        for name, factor in (("a.norm", "1e-3"), ("b.norm", "2"), ("c.dense", "3.5"))
    ]
    kinds = report.together([*found, *judged(epsilon=1e-5).findings[:1]])
    assert [["a.norm", "b.norm", "c.dense"], ["norm"]] == [[finding.place for finding in kind] for kind in kinds]
    assert "a, b, c, d and 2 more" == report.listed(list("abcdef"))
