"""The README's line and the page of the score are written by the command, between markers, or not at all."""

from pathlib import Path

import pytest

from harness.faults.mutation import publish
from harness.faults.mutation.campaign import MutationScore
from ptycho.errors import UsageError
from tests.support import planted

SCORE = MutationScore(trials=[planted.trial(planted.mutant("torch"))], seconds=61.0)


def test_the_line_goes_between_the_markers_and_the_page_beside(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"# A\n\n{publish.BEGIN}\nold\n{publish.END}\n\nrest\n")
    assert publish.write(SCORE, tmp_path) == (tmp_path / "README.md", tmp_path / "docs" / "mutation-score.md")
    killed = "1 of 1 planted faults killed at or before their declared rung"
    line = f"{killed}, the right side named in 1 of 1 verdicts (100 %)."
    assert (tmp_path / "README.md").read_text() == f"# A\n\n{publish.BEGIN}\n{line}\n{publish.END}\n\nrest\n"
    page = (tmp_path / "docs" / "mutation-score.md").read_text()
    assert page.startswith("# Mutation score\n")
    assert "| R4 | 1 | 1 | 0 | 0 | 0 | 0 | 1 of 1 |" in page


@pytest.mark.parametrize(
    "text", ["# A\n", publish.BEGIN, f"{publish.END}{publish.BEGIN}", f"{publish.BEGIN}{publish.END}" * 2]
)
def test_a_readme_without_one_place_for_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(UsageError, match=r"must hold <!-- mutation-score --> and"):
        publish.write(SCORE, tmp_path)
    assert (tmp_path / "README.md").read_text() == text
    assert not (tmp_path / "docs").exists()


def test_the_edits_stay_where_the_score_is_written_anew_and_are_replaced_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{publish.BEGIN}\n{publish.END}\n")
    publish.write(SCORE, tmp_path)
    page = publish.write_edits("old table\n", tmp_path)
    publish.write(SCORE, tmp_path)
    assert page.read_text().count("old table") == 1
    publish.write_edits("new table\n", tmp_path)
    text = page.read_text()
    assert ("old table" in text, text.count("new table"), text.count(publish.EDITS_BEGIN)) == (False, 1, 1)
    assert text.startswith("# Mutation score\n")
