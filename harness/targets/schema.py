"""
Types of the values of a target file with their constraints, and the placeholders of arguments.

The tables that are made of them are in `harness.targets.model`.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from harness.files import toml_model
from harness.files.toml_model import Words, fault

BLANK = "FILL IN"
"""What `target init` writes where it could not find out; a file that still holds it is refused."""

KIT = Path(__file__).resolve().parents[1] / "kit"

PLACEHOLDERS: Mapping[str, str] = {
    "python": "the target's interpreter",
    "train": "file to train on",
    "test": "file to test or reconstruct",
    "output": "the command's own output folder, which it makes; for an export that of inference",
    "model": "output folder of training",
    "cache": "folder where a command may leave what it likes",
    "root": "the target's root",
    "here": "folder of the target file",
    "n_images": "[job] n_images",
    "device": "cpu or cuda",
    "nepochs": "[job] nepochs",
    "gridsize": "[job] gridsize",
    "batch_size": "[job] batch_size",
    "seed": "[job] seed",
    "kit": "the harness's folder of files that run in a target's environment",
}
BARE = ("python", "root", "here", "kit")
"""Placeholders of commands that are run apart from a job."""

OF_VARIABLES = (*BARE, "cache")
"""Placeholders of the table [environment]."""


def _filled(value: Any) -> Any:
    if isinstance(value, str) and BLANK in value:
        raise fault("{key} is left to fill in: {what}", BLANK)
    return value


def _texts_only(value: Any) -> Any:
    if not isinstance(value, str):
        raise fault(f"argument {value!r} is not text; quote it", str(value))
    return value


def _with_placeholders(allowed: Sequence[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            fields = [(name, spec, kind) for _, name, spec, kind in string.Formatter().parse(text) if name is not None]
        except ValueError as error:
            first = text.strip().splitlines()[0] if text.strip() else ""
            raise fault(f"argument {first!r}: {error}; write {{{{ and }}}} for braces", first) from error
        wrong = []
        for name, spec, conversion in fields:
            whole = "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
            if name not in allowed or whole != f"{{{name}}}":
                wrong.append(whole)
        if wrong:
            said = f"unknown placeholder {', '.join(wrong)}; allowed: {', '.join(allowed)}"
            raise fault(f"{said}; write {{{{ and }}}} for braces", wrong[0].rstrip("}"))
        # The one placeholder that is the same for everybody. Its braces are doubled: the others are filled later.
        return text.replace("{kit}", str(KIT).replace("{", "{{").replace("}", "}}"))

    return check


Text = Annotated[toml_model.Text, BeforeValidator(_filled)]
Name = Annotated[toml_model.Name, BeforeValidator(_filled)]
Word = Annotated[
    str,
    Strict(),
    BeforeValidator(_filled),
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=64),
    Words("a word of letters, digits, '-', '_' and single '.' between them: files are called after it"),
]
"""A name that becomes a part of paths and of lane names."""
Seconds = Annotated[float, Strict(), Field(gt=0), Words("seconds above 0")]
Number = Annotated[float, Strict(), Words("a number")]
Seed = Annotated[int, Strict(), Field(ge=0), Words("a whole number from 0")]
Limit = Annotated[Seconds, Field(description="wall-clock limit")]
Memory = Annotated[
    float,
    Strict(),
    Field(ge=0, description="limit of the memory of all its processes together"),
    Words("MiB above 0; 0: 90 % of the machine's"),
]
Phases = Annotated[
    dict[str, Seconds],
    Field(description="limits of one stay in a phase that it says; `start`: until it says the first"),
    Words("seconds above 0 by phase"),
]
Flag = Annotated[bool, Strict(), Words("true or false")]
Texts = Annotated[tuple[Text, ...], Words("a list of texts")]
Names = Annotated[tuple[Text, ...], Field(min_length=1), Words("a list of at least one text")]
Place = Annotated[
    Path | None,
    BeforeValidator(lambda value: None if value == "" else _filled(value)),
    WithJsonSchema({"type": "string"}),
    Words("text"),
]
Places = Annotated[
    tuple[Annotated[Path, BeforeValidator(_filled), WithJsonSchema({"type": "string"})], ...], Words("a list of texts")
]


def _below(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError("not below")
    return text


Below = Annotated[
    str, Strict(), BeforeValidator(_filled), AfterValidator(_below), Words("a path below the folder, without '..'")
]
"""A path inside a folder that the harness gives to a command."""
Belows = Annotated[tuple[Below, ...], Words("a list of paths below the folder, without '..'")]
_LEFT = "files that it must leave in {output}: there, fresh and not empty; * is the part of a name that varies"
Artifacts = Annotated[Belows, Field(description=_LEFT)]

_Plain = Annotated[str, BeforeValidator(_filled), BeforeValidator(_texts_only)]
_Argument = Annotated[_Plain, AfterValidator(_with_placeholders(tuple(PLACEHOLDERS)))]
_BareArgument = Annotated[_Plain, AfterValidator(_with_placeholders(BARE))]
Arguments = Annotated[tuple[_Argument, ...], Field(min_length=1), Words("texts, with placeholders")]
BareArguments = Annotated[tuple[_BareArgument, ...], Field(min_length=1), Words("texts, with placeholders")]
Extra = Annotated[tuple[_Argument, ...], Words("a list of texts, with placeholders, or []")]
Template = Annotated[Text, AfterValidator(_with_placeholders(tuple(PLACEHOLDERS)))]
"""A text with placeholders; empty for none."""
Variable = Annotated[Text, AfterValidator(_with_placeholders(OF_VARIABLES))]


def _ascending(values: tuple[float, float]) -> tuple[float, float]:
    if not values[0] < values[1]:
        raise ValueError("not ascending")
    return values


Range = Annotated[tuple[Number, Number], AfterValidator(_ascending), Words("two ascending numbers")]
Layout = Annotated[Annotated[bool, Strict()] | Literal["refused"], Words('true, false or "refused"')]
Changes = Literal["files", "output", "result", "field"]
Step = Literal["train", "infer"]
TorchBuild = Literal["cpu", "auto"]
