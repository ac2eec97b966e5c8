"""
`python -m harness fixtures list | verify | make`: the inventory on the command line.

Tables are drawn by rich, imported when the first is drawn; with `--json` it is not needed at all.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import options
from harness.cli.options import Commands
from harness.fixtures import inventory, verify
from ptycho.errors import PtychoError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.fixtures.schema import Fixture

_COLOURS = {"ok": "green", "made": "green", "there": "green", "absent": "yellow", "drift": "red", "failed": "red"}
_GOOD = ("ok", "made", "there")


def add_parser(commands: Commands) -> None:
    """Add `fixtures` with its three commands to the harness's parser."""
    inner = options.add_group(
        commands,
        "fixtures",
        "List, verify or make the data sets of datasets/inventory.toml.",
        examples=("fixtures list", "fixtures make synthetic"),
    )
    table: tuple[tuple[str, str, str, Callable[[argparse.Namespace], int]], ...] = (
        ("list", "Show each fixture, where it is, or why it is absent.", "fixtures list", _list),
        ("verify", "Compare the bytes of each fixture with its recorded digest.", "fixtures verify small", _verify),
        ("make", "Make the fixtures that can be made and are not there yet.", "fixtures make synthetic", _make),
    )
    for name, text, example, run in table:
        codes = f"pass 0 · bytes differ {Verdict.FAIL:d} · a named fixture is absent {Verdict.INFRA:d}"
        command = options.add_command(inner, name, text, examples=(example,), codes=codes)
        command.add_argument("names", nargs="*", metavar="NAME", help="Take only this fixture; without it all.")
        options.add_json(command)
        command.add_argument("--inventory", type=Path, default=inventory.INVENTORY, help=argparse.SUPPRESS)
        command.set_defaults(run=run)


def _list(args: argparse.Namespace) -> int:
    known = inventory.load(args.inventory)
    rows = []
    for name in args.names or known.fixtures:
        place = known.resolve(name)
        status, detail = ("there", str(place)) if place else ("absent", known.why_absent(name))
        rows.append(_row(known[name], status, detail))
    _show(rows, as_json=args.json)
    return int(Verdict.PASS)


def _verify(args: argparse.Namespace) -> int:
    known = inventory.load(args.inventory)
    rows, verdict = [], Verdict.PASS
    for name in args.names or known.fixtures:
        fixture, place = known[name], known.resolve(name)
        problems = verify.drift(known, name)
        if problems:
            verdict = Verdict.FAIL
            rows.append(_row(fixture, "drift", "\n".join(problems)))
        elif place is not None:
            rows.append(_row(fixture, "ok", str(place)))
        else:
            rows.append(_row(fixture, "absent", known.why_absent(name)))
            if fixture.kind == "committed":
                verdict = Verdict.FAIL
            elif args.names and verdict is Verdict.PASS:
                verdict = Verdict.INFRA
    _show(rows, as_json=args.json)
    return int(verdict)


def _make(args: argparse.Namespace) -> int:
    from harness.fixtures import build

    known = inventory.load(args.inventory)
    rows, verdict = [], Verdict.PASS
    for name in args.names or [name for name, fixture in known.fixtures.items() if fixture.make]:
        try:
            rows.append(_row(known[name], "made", str(build.make(known, name))))
        except PtychoError as error:
            if name not in known.fixtures:
                raise
            rows.append(_row(known[name], "failed", str(error)))
            verdict = error.verdict if verdict is Verdict.PASS else verdict
    _show(rows, as_json=args.json)
    return int(verdict)


def _row(fixture: "Fixture", status: str, detail: str) -> dict[str, Any]:
    return asdict(fixture) | {"status": status, "detail": detail}


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("fixture", "kind", "layout"):
        table.add_column(column, no_wrap=True)
    for column in ("M", "N"):
        table.add_column(column, justify="right")
    table.add_column("status", no_wrap=True)
    table.add_column("file", overflow="fold")
    explained: list[str] = []
    for row in rows:
        good = row["status"] in _GOOD
        cells = [str(row[key]) for key in ("name", "kind", "layout", "patterns", "side")]
        table.add_row(*cells, Text(row["status"], style=_COLOURS[row["status"]]), Text(_short(row, good=good)))
        explained += [] if good else row["detail"].splitlines()
    console = Console()
    console.print(table)
    for line in explained:
        console.print(f"· {line}", markup=False, highlight=False, soft_wrap=True)


def _short(row: dict[str, Any], *, good: bool) -> str:
    """The file, relative to the checkout where it lies in it; what is wrong is said below the table."""
    place = Path(row["detail"]) if good else Path(row["path"])
    return str(place.relative_to(inventory.CHECKOUT) if place.is_relative_to(inventory.CHECKOUT) else place)
