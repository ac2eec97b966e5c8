from pathlib import Path

from harness.ci import combined_summary


def test_summaries_follow_one_another() -> None:
    assert "# a\n# b\n" == combined_summary.joined(["# a", "# b\n"])


def test_the_longest_is_cut_and_says_so_and_short_ones_stay_whole() -> None:
    page = combined_summary.joined(["short\n", "é" * 5_000], limit=1_000)
    assert len(page.encode()) <= 1_000
    assert page.startswith("short\n")
    assert "[cut here: 10000 bytes in all; the whole is in the run's summary.md]" in page
    assert len(page.encode()) > 900


def test_nothing_is_no_pass() -> None:
    assert combined_summary.joined([]) == combined_summary.NOTHING


def test_the_runs_come_in_their_order(tmp_path: Path) -> None:
    for name in ("2-b", "1-a"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "summary.md").write_text(name)
    assert combined_summary.of_runs(tmp_path) == ["1-a", "2-b"]
