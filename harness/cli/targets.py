"""
`python -m harness target check | init | schema`: a target file on the command line, before anything is trained with it.

Registered without importing what the commands need: a command line must start at once.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import options
from harness.cli.options import Commands
from ptycho.errors import UsageError
from ptycho.verdict import Verdict

if TYPE_CHECKING:
    from harness.targets.check_options import CommandCheck

SCHEMAS = ("target", "inventory", "known-failures", "catalogue")


def add_parser(commands: Commands) -> None:
    """Add `target` with its commands to the harness's parser."""
    inner = options.add_group(
        commands,
        "target",
        "Write or check a target file, which points the harness at another checkout.",
        more="docs/targets.md explains target files.",
        examples=("target init ~/src/mine", "target check mine.toml"),
    )
    _add_check(inner)
    _add_init(inner)
    _add_schema(inner)


def _add_check(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "check",
        "Validate a target file and ask each of its commands for its options.",
        more="The target's environment is made, each command is run with --help, and what is missing is listed.",
        examples=("target check mine.toml", "target check ptychopinn-torch"),
        codes=f"pass 0 · the file is wrong {Verdict.USAGE:d} · what it names is not there {Verdict.INFRA:d}",
    )
    text = "Check this target file, or the shipped one of this name."
    parser.add_argument("file", type=Path, metavar="FILE", help=text)
    options.add_root(parser)
    options.add_json(parser)
    parser.set_defaults(run=_check)


def _add_init(commands: Commands) -> None:
    parser = options.add_command(
        commands,
        "init",
        "Read a checkout and write a first target file for it.",
        more="One file is written for each pair of a training and an inference command. What cannot be found out is "
        "marked, and `target check` names it. Nothing of the checkout is run, except that --python asks a command "
        "whose options cannot be read for its help.",
        examples=("target init ~/src/mine", "target init ~/src/mine --python ~/envs/mine/bin/python"),
    )
    text = "Read this checkout; nothing is written into it."
    parser.add_argument("checkout", type=Path, metavar="DIR", help=text)
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="Write into this folder (here).")
    text = "Name the interpreter that has everything; without it the file names the requirements."
    parser.add_argument("--python", metavar="PATH", help=text)
    options.add_root(parser)
    parser.add_argument("--stdout", action="store_true", help="Print the files and write none.")
    options.add_json(parser)
    parser.set_defaults(run=_init)


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


def _show(name: str, said: str, checked: "list[CommandCheck]") -> None:
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


def _add_schema(commands: Commands) -> None:
    """`target schema`: the JSON Schemas of the files that users write."""
    parser = options.add_command(
        commands,
        "schema",
        "Print the JSON Schema of a file that users write.",
        more="The schemas are made from the models that read the files. An editor that knows TOML completes a file "
        "whose first line is `#:schema` and the place of the schema.",
        examples=("target schema target", "target schema --write docs/schemas"),
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=SCHEMAS, help="Describe this kind of file.")
    what.add_argument("--write", type=Path, metavar="DIR", help="Write all schemas into this folder.")
    options.add_json(parser, "the places of the files that --write makes")
    parser.set_defaults(run=_schema)


def _schema(args: argparse.Namespace) -> int:
    from harness.cli import json_schemas
    from harness.files import schema_files
    from ptycho.files import replacing

    if args.write is None:
        print(json_schemas.text(args.name), end="")
        return int(Verdict.PASS)
    args.write.mkdir(parents=True, exist_ok=True)
    places = {name: args.write / schema_files.path(name).name for name in json_schemas.MODELS}
    for name, place in places.items():
        with replacing(place) as file:
            file.write(json_schemas.text(name).encode())
    if args.json:
        print(json.dumps({name: str(place) for name, place in places.items()}, indent=1))
    else:
        print(*places.values(), sep="\n")
    return int(Verdict.PASS)
