"""
`python -m harness schema`: the JSON Schemas of the files that users write.

Registered without importing what the command needs: a command line must start at once.
"""

import argparse
import json
from pathlib import Path

from ptycho.verdict import Verdict

NAMES = ("target", "inventory", "known-failures", "catalogue")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `schema` to the harness's parser."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of a target file, the inventory, known failures or the mutation catalogue",
        description="JSON Schemas of the files that users write, made from the models that read them. An editor that "
        "knows TOML completes a file whose first line is `#:schema` and the schema's place.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=NAMES, help="the file to describe")
    what.add_argument("--write", type=Path, metavar="DIR", help="write all of them into a folder")
    parser.add_argument("--json", action="store_true", help="with --write, print the files' places as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
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
