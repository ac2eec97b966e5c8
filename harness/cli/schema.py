"""
`python -m harness target schema`: the JSON Schemas of the files that users write.

Registered without importing what the command needs: a command line must start at once.
"""

import argparse
import json
from pathlib import Path

from harness.cli import options
from harness.cli.options import Commands
from ptycho.verdict import Verdict

NAMES = ("target", "inventory", "known-failures", "catalogue")


def add_parser(commands: Commands) -> None:
    """Add `target schema` to the harness's parser."""
    parser = options.add_command(
        commands,
        "schema",
        "Print the JSON Schema of a file that users write.",
        more="The schemas are made from the models that read the files. An editor that knows TOML completes a file "
        "whose first line is `#:schema` and the place of the schema.",
        examples=("target schema target", "target schema --write docs/schemas"),
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=NAMES, help="Describe this kind of file.")
    what.add_argument("--write", type=Path, metavar="DIR", help="Write all schemas into this folder.")
    options.add_json(parser, "the places of the files that --write makes")
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
