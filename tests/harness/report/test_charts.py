"""Lines and bars: in the picture what is in the table, nothing that breaks out of it."""

import xml.etree.ElementTree as ET

import pytest

from harness.report import charts, svg
from harness.report.charts import Bar, Series
from tests.support import sample_runs

CURVES = (
    Series(name="a, train", points=[(1, -10.0), (2, -20.0), (3, -30.0)], colour=0),
    Series(name="a, validation", points=[(1, -9.0), (3, -25.0)], colour=0, dashed=True),
)


def test_a_chart_of_lines_has_every_figure_in_its_table() -> None:
    chart = charts.lines("Loss", CURVES, x="epoch", y="loss")
    assert chart is not None
    assert ("epoch", "a, train", "a, validation") == tuple(chart.table.headings)
    assert [("1", "-10", "-9"), ("2", "-20", "–"), ("3", "-30", "-25")] == list(chart.table.rows)
    assert "a, train ends at -30; a, validation ends at -25" in chart.drawing
    drawn = ET.fromstring(chart.drawing)
    lines = [item.get("points") for item in drawn.iter("polyline")]
    assert "0.00,4.76 50.00,52.38 100.00,100.00" == lines[0]


def test_no_point_is_no_chart_and_one_point_is_seen() -> None:
    assert None is charts.lines("Loss", [Series(name="a", points=[], colour=0)], x="epoch", y="loss")
    single = charts.lines("Loss", [Series(name="a", points=[(1, 5.0)], colour=0)], x="epoch", y="loss")
    assert single is not None
    assert 1 == single.drawing.count("<circle")
    assert None is charts.bars("Budget", [], unit="s")


def test_a_logarithmic_axis_shows_what_was_measured_and_refuses_zero() -> None:
    curve = Series(name="a", points=[(1e3, 10.0), (1e5, 12.0)], colour=0)
    chart = charts.lines("Cost", [curve], x="patterns", y="µs", logarithmic=True)
    assert chart is not None
    assert [("1000", "10"), ("100000", "12")] == list(chart.table.rows)
    with pytest.raises(ValueError, match="no place for 0"):
        charts.lines("Cost", [Series(name="a", points=[(0, 1)], colour=0)], x="x", y="y", logarithmic=True)


def test_bars_show_parts_sum_and_limit_and_turn_bad_beyond_it() -> None:
    given = [
        Bar(name="a", parts={"import": 2.0, "train": 8.0}, limit=120.0),
        Bar(name="b", parts={"train": 130.0}, limit=120.0),
    ]
    chart = charts.bars("Epoch", given, unit="s", headings="lane")
    assert chart is not None
    assert ("lane", "import", "train", "together / s", "limit / s") == tuple(chart.table.headings)
    assert [("a", "2", "8", "10", "120"), ("b", "–", "130", "130", "120")] == list(chart.table.rows)
    assert 1 == chart.drawing.count('class="bar bad"')
    assert 2 == chart.drawing.count("limit 120 s")
    free = charts.bars("Phases", [Bar(name="a", parts={"x": 1.0})], unit="s")
    assert free is not None
    assert "together / s" == free.table.headings[-1]


def test_names_from_a_log_cannot_break_out_of_a_drawing() -> None:
    chart = charts.bars("Epoch", [Bar(name=sample_runs.HOSTILE, parts={sample_runs.HOSTILE: 1.0})], unit="s")
    assert chart is not None
    assert "<script" not in chart.drawing
    assert "<img" not in chart.drawing
    attribute = svg.element("rect", class_='"><script>')
    assert '<rect class="&#34;&gt;&lt;script&gt;"></rect>' == attribute
    assert sample_runs.HOSTILE in "".join(ET.fromstring(chart.drawing).itertext())


@pytest.mark.parametrize("ends", [(0, 10), (-1333.2, -1210.9), (1, 3), (0, 1e-6), (5, 5)])
def test_ticks_are_few_round_and_inside(ends: tuple[float, float]) -> None:
    low, high = charts._span(ends)
    ticks = charts._ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert low - 1e-9 <= min(ticks) <= max(ticks) <= high + 1e-9
