"""`benchmark history`: table, picture and JSON of a workspace's history; what cannot be used is named."""

import json
from pathlib import Path

import pytest

from harness.benchmark.trend import command
from harness.record import history
from ptycho.errors import UsageError
from tests.support.fakes.nights import night


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for day in range(40):
        for record in (
            night(day, 1.0 + 0.05 * (day >= 20) + 1e-3 * (day % 3), subject="test_cost[torch]"),
            night(day, 2.0, measure="noise_units", subject="R4 f32 gridsize 1"),
        ):
            history.append(tmp_path, record.fingerprint, [record.entry])
    return tmp_path


def test_the_change_is_named_with_its_commits_step_word_and_picture(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((root / "history").iterdir())
    path.write_text(path.read_text() + "{torn")
    assert command.main(root, out=None, only=(), as_json=False) == 0
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("test_cost[torch], cost") and "same machine" in line]
    assert "+5.0 %" in row
    assert "regression" in row
    assert "2 series: 1 × regression; 1 without a change beyond noise" in out
    assert "left out: " in out
    assert "it is not JSON" in out
    assert (root / "history" / "changes.png").read_bytes()[:4] == b"\x89PNG"


def test_json_has_every_value_and_nothing_else_is_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(root, out=None, only=("cost",), as_json=True) == 0
    (one,) = json.loads(capsys.readouterr().out)["series"]
    assert len(one["values"]) == len(one["commits"]) == 40
    assert [(change["says"], change["place"]) for change in one["changes"]] == [("regression", 20)]


def test_the_course_has_a_stroke_at_the_change(root: Path) -> None:
    courses, _ = command.courses_of(root)
    drawn = {course.series.subject: command.sparkline(course) for course in courses}
    assert drawn["R4 f32 gridsize 1"] == "▁" * 32
    before, after = drawn["test_cost[torch]"].split("|")
    assert (len(before), len(after)) == (12, 20)
    assert set(before) < set("▁▂")


@pytest.mark.parametrize(
    ("content", "only", "message"),
    [
        (None, (), "has no series of two values or more; runs of"),
        ("{torn\n", (), "1 lines cannot be used: bad.ndjson line 1: it is not JSON"),
        ("good", ("mood",), "--series mood: no series has that in its name; there are: s, cost over"),
    ],
)
def test_without_anything_to_show_the_next_step_is_named(
    tmp_path: Path, content: str | None, only: tuple[str, ...], message: str
) -> None:
    if content is not None:
        (tmp_path / "history").mkdir()
        good = [history.line_of(one.fingerprint, one.entry) for one in (night(1, 1.0), night(2, 1.0))]
        text = "\n".join(good) if content == "good" else content
        (tmp_path / "history" / "bad.ndjson").write_text(text)
    with pytest.raises(UsageError, match=message):
        command.main(tmp_path, out=None, only=only, as_json=False)
