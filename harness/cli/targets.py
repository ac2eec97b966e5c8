"""
`python -m harness target check | init`: a target file on the command line, before anything is trained with it.

Registered without importing what the commands need: a command line must start at once.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.record.directory import DEFAULT_ROOT
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.targets.check_options import Checked


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `target` with its commands to the harness's parser."""
    parser = subparsers.add_parser(
        "target",
        help="check a target file, or write a first one for a checkout",
        description="Target files: how the harness is pointed at another checkout. See docs/targets.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="{check,init}")
    check = commands.add_parser(
        "check",
        help="validate a file and ask each of its commands for its options",
        description="Validate a target file, make its environment, run each command's --help, say what is missing. "
        f"Exit codes: pass 0 · the file is wrong {Verdict.USAGE:d} · what it names is not there {Verdict.INFRA:d}.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="target file, or the name of one that ships")
    check.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    check.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    check.set_defaults(run=_check)
    init = commands.add_parser(
        "init",
        help="look at a checkout and write a first target file",
        description="Read a checkout's source and write one target file for each pair of a training and an inference "
        "command in it. What cannot be found out is marked, and `check` names it. With --python, a command whose "
        "options cannot be read is asked for its help; nothing else is run.",
    )
    init.add_argument("checkout", type=Path, metavar="DIR", help="the checkout; nothing is written to it")
    init.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    init.add_argument("--python", metavar="PATH", help="interpreter that has everything; default: its requirements")
    init.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for runs (default: .harness)")
    init.add_argument("--stdout", action="store_true", help="print the files and write none")
    init.add_argument("--json", action="store_true", help="print one JSON document, and only that")
    init.set_defaults(run=_init)


def _check(args: argparse.Namespace) -> int:
    from harness.files.toml_lines import Lines
    from harness.fixtures import inventory
    from harness.system import identity
    from harness.system.signals import Interruption
    from harness.targets import check_options, environment, loader, preflight

    file = args.file if args.file.exists() or args.file.suffix else loader.built_in(str(args.file))
    target = loader.load(file)
    if wrong := inventory.complaints(target.fixtures):
        listed = "".join(f"\n  - line {Lines(file.read_text()).of(('job', 'fixtures'))}: {text}" for text in wrong)
        raise UsageError(f"target {target.file}: job.fixtures names what is not in the inventory:{listed}")
    identity.adopt_orphans()
    sys.dont_write_bytecode = True
    with Interruption().installed() as interruption:
        preflight.require(target)
        target, said = environment.prepare(target, args.root, interruption)
        checked = check_options.run(target, args.root, interruption)
    if args.json:
        rows = [asdict(row) | {"verdict": row.verdict.label} for row in checked]
        whole = {"target": target.name, "environment": said, "commands": rows, "notes": preflight.notes(target)}
        print(json.dumps(whole, indent=1))
    else:
        _show(target.name, said, checked)
        for note in preflight.notes(target):
            print(f"note: {note}")
    return int(Verdict.worst(row.verdict for row in checked))


def _show(name: str, said: str, checked: "list[Checked]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), title=f"target {name}", title_justify="left")
    table.add_column("command", no_wrap=True)
    table.add_column("options", justify="right")
    table.add_column("verdict", no_wrap=True)
    for row in checked:
        verdict = Text(row.verdict.label, style="green" if row.verdict is Verdict.PASS else "red")
        table.add_row(Text(row.command), str(row.options), verdict)
    console = Console()
    console.print(table)
    for row in checked:  # below the table, whose columns would break a path that somebody wants to copy
        console.print(f"asked {row.command}: {row.asked}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"environment: {said}", markup=False, highlight=False, soft_wrap=True)
    for row in checked:
        for sentence in row.problems:
            console.print(f"· {row.command}: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _init(args: argparse.Namespace) -> int:
    from harness.system import identity
    from harness.system.signals import Interruption
    from harness.targets import help_text, scaffold

    made = scaffold.describe(args.checkout, python=args.python)
    if args.python is not None:
        identity.adopt_orphans()
        with Interruption().installed() as interruption, help_text.answers(args.root) as (kept, _):
            made = [scaffold.asked(draft, kept, interruption) for draft in made]
    places = {args.output / f"{draft.name}.toml": draft.text for draft in made}
    told = {"targets": [{"name": path.stem, "path": str(path), "text": text} for path, text in places.items()]}
    if args.stdout:
        print(json.dumps(told, indent=1) if args.json else "\n".join(places.values()).rstrip("\n"))
        return int(Verdict.PASS)
    if there := [str(path) for path in places if path.exists()]:
        raise UsageError(f"{', '.join(there)} is there already; take it away, or give another --output")
    if args.output.resolve().is_relative_to(args.checkout.resolve()):
        raise UsageError(f"--output {args.output} lies in the checkout, which stays as it is; give another folder")
    args.output.mkdir(parents=True, exist_ok=True)
    for path, text in places.items():
        path.write_text(text, encoding="utf-8")
        if not args.json:
            print(f"{path}; next: nox -s target -- check {path}")
    if args.json:
        print(json.dumps(told, indent=1))
    return int(Verdict.PASS)
