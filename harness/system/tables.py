"""
Tables, drawn one way everywhere: by rich on a terminal, as plain columns elsewhere, as Markdown in pages.

A table is a sequence of rows of cells, headings first, so that what is drawn can also be tested and written.
"""

import sys
from collections.abc import Sequence

Table = Sequence[Sequence[str]]
"""Rows of cells, headings first."""


def plain(table: Table) -> str:
    """Columns of equal width, two blanks between them; no row ends in a blank."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join(row.rstrip() for row in padded)


def markdown(table: Table) -> str:
    """A table of a page, each line ended; a bar in a cell is escaped."""
    headings, *rows = table
    lines = (headings, ["---"] * len(headings), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def show(table: Table, *, title: str = "", styles: Sequence[str] = ()) -> None:
    """
    Print a table.

    Args:
        table: headings and rows.
        title: above it.
        styles: one rich style for each row but the headings, `""` for none; only a terminal shows them.
    """
    if not sys.stdout.isatty():
        print(f"{title}\n{plain(table)}" if title else plain(table))
        return
    from rich.console import Console
    from rich.table import Table as Drawn

    drawn = Drawn(*table[0], title=title or None)
    for number, row in enumerate(table[1:]):
        drawn.add_row(*row, style=styles[number] or None if number < len(styles) else None)
    Console().print(drawn)
