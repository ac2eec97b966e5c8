import pytest

from harness.system import tables

TABLE = [("rung", "result"), ("R0", "pass"), ("a|b", "fail")]


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_with_text() -> None:
    assert "rung  result\nR0    pass\na|b   fail" == tables.plain(TABLE)


def test_a_bar_does_not_break_a_cell_of_markdown() -> None:
    assert "| rung | result |\n| --- | --- |\n| R0 | pass |\n| a\\|b | fail |\n" == tables.markdown(TABLE)


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        tables.plain([("a", "b"), ("c",)])


@pytest.mark.parametrize(("terminal", "drawn"), [(False, False), (True, True)])
def test_a_terminal_gets_a_drawn_table(
    terminal: bool, drawn: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    tables.show(TABLE, title="of rungs", styles=["green", "red"])
    printed = capsys.readouterr().out
    assert drawn == ("┃" in printed)
    assert all(text in printed for text in ("of rungs", "R0", "a|b", "fail"))
