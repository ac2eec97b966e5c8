"""The picture of a campaign: one for any verdict, and the same bytes from the same runs."""

from pathlib import Path

import pytest

from harness.parity.quality import figure
from tests.support import quality_runs


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(), (1, 2), (1, 2, 3, 4)], ids=["none", "two", "four"])
def test_a_picture_is_drawn_of_any_campaign(seeds: tuple[int, ...], tmp_path: Path) -> None:
    report = quality_runs.judged(quality_runs.made_up(seeds=seeds), seeds)
    path = figure.save(tmp_path / "quality.png", report)
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [file.name for file in tmp_path.iterdir()] == ["quality.png"]


@pytest.mark.slow
def test_the_picture_shows_the_differences(tmp_path: Path) -> None:
    drawn = [
        figure.save(
            tmp_path / f"{shift}.png", quality_runs.judged(quality_runs.made_up(shift, seeds=(1, 2, 3)), (1, 2, 3))
        ).read_bytes()
        for shift in (0.0, 1.0)
    ]
    assert drawn[0] != drawn[1]
