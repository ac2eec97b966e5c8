"""
What a target file may say, as a table: it is validated against these rows, and `docs/targets.md` is held to them.

Rows and not code, so that a key is added in one place. `harness.target_reading` applies them; nothing here reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

REQUIRED: Any = object()
BLANK = "FILL IN"
"""What `target init` writes where it could not find out; a file that still holds it is refused."""

PLACEHOLDERS: Mapping[str, str] = {
    "python": "the target's interpreter",
    "train": "file to train on",
    "test": "file to test or reconstruct",
    "output": "the command's own output folder, which it makes; for an export that of inference",
    "model": "output folder of training",
    "cache": "folder where a command may leave what it likes",
    "root": "the target's root",
    "n_images": "[job] n_images",
    "device": "cpu or cuda",
    "nepochs": "[job] nepochs",
    "gridsize": "[job] gridsize",
    "batch_size": "[job] batch_size",
    "seed": "[job] seed",
    "kit": "the harness's folder of files that run in a target's environment",
}
_BARE = ("python", "root", "kit")
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "device_probe": _BARE,
    "environment": (*_BARE, "cache"),
    "probe": _BARE,
}
"""Placeholders of the tables in which not all of them mean something."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a value may be: a check, and the words for it."""

    words: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


TEXT = Kind(words="text", holds=lambda value: isinstance(value, str))
NAME = Kind(words="text, not empty", holds=lambda value: isinstance(value, str) and bool(value))
SECONDS = Kind(words="seconds above 0", holds=lambda value: _is_number(value) and value > 0)
NUMBER = Kind(words="a number", holds=_is_number)
WHOLE = Kind(words="a whole number from 1", holds=lambda value: type(value) is int and value >= 1)
SEED = Kind(words="a whole number from 0", holds=lambda value: type(value) is int and value >= 0)
LIST = Kind(words="a list of texts", holds=_is_list)
NAMES = Kind(words="a list of at least one text", holds=lambda value: _is_list(value) and bool(value))
ARGUMENTS = Kind(words="texts, with placeholders", holds=lambda value: isinstance(value, list) and bool(value))
EXTRA = Kind(words="a list of texts, with placeholders, or []", holds=lambda value: isinstance(value, list))
RANGE = Kind(
    words="two ascending numbers",
    holds=lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v)) and v[0] < v[1],
)
LAYOUT = Kind(words='true, false or "refused"', holds=lambda value: isinstance(value, bool) or value == "refused")
CHANGES = Kind(words='"files" or "output"', holds=lambda value: value in ("files", "output"))
STEP = Kind(words='"train" or "infer"', holds=lambda value: value in ("train", "infer"))
MEBIBYTES = Kind(words="MiB above 0; 0: 90 % of the machine's", holds=lambda value: _is_number(value) and value >= 0)
PHASES = Kind(
    words="seconds above 0 by phase",
    holds=lambda value: isinstance(value, dict) and all(SECONDS.holds(seconds) for seconds in value.values()),
)
TORCH = Kind(words='"cpu" or "auto"', holds=lambda value: value in ("cpu", "auto"))
WITH_PLACEHOLDERS = (ARGUMENTS, EXTRA)


@dataclass(frozen=True, kw_only=True)
class Key:
    """
    A key of a table.

    Attributes:
        kind: what its value may be.
        what: what it says, for the documentation and for the message when it is missing.
        default: its value where it is not given; `REQUIRED` where it must be.
    """

    kind: Kind
    what: str
    default: Any = REQUIRED


@dataclass(frozen=True, kw_only=True)
class Table:
    """
    A table of a target file.

    Attributes:
        keys: its keys; none for one whose keys are free (names of variables).
        what: what it is for.
        required: whether it must be there.
        many: whether it may be there several times (`[[name]]`).
    """

    keys: Mapping[str, Key]
    what: str
    required: bool = False
    many: bool = False


def _command(limit_s: float, argv: str, **more: Key) -> dict[str, Key]:
    return {
        "argv": Key(kind=ARGUMENTS, what=argv),
        "timeout_s": Key(kind=SECONDS, default=limit_s, what="wall-clock limit"),
        **more,
    }


_JOB = {
    "artifacts": Key(kind=LIST, default=[], what="files that it must leave in {output}: there, fresh and not empty"),
    "phase_timeout_s": Key(
        kind=PHASES, default={}, what="limits of one stay in a phase that it says; `start`: until it says the first"
    ),
    "memory_mib": Key(kind=MEBIBYTES, default=0, what="limit of the memory of all its processes together"),
}

SCHEMA: Mapping[str, Table] = {
    "target": Table(
        required=True,
        what="who it is",
        keys={
            "name": Key(kind=NAME, what="name of the target and of its lanes"),
            "framework": Key(kind=NAME, what="what it is built on; shown, never interpreted"),
            "root": Key(
                kind=NAME,
                what="folder from which its packages are imported; relative to the file, or $VARIABLE",
            ),
        },
    ),
    "install": Table(
        what="its environment; without this table the harness's own interpreter is taken",
        keys={
            "python": Key(kind=TEXT, default="", what="an interpreter that has everything; nothing is installed"),
            "requirements": Key(kind=LIST, default=[], what="requirements files or a pyproject.toml, relative to root"),
            "lock": Key(kind=TEXT, default="", what="a compiled requirements file, with hashes if it has them"),
            "packages": Key(kind=LIST, default=[], what="further requirements, written here"),
            "base": Key(kind=TEXT, default="", what="interpreter that the environment is made from, python3.12"),
            "torch_backend": Key(kind=TORCH, default="auto", what="which build of torch; cpu needs uv or a wheelhouse"),
            "timeout_s": Key(kind=SECONDS, default=3600, what="wall-clock limit of the installation"),
        },
    ),
    "train": Table(required=True, what="trains", keys=_command(300, "command that trains", **_JOB)),
    "infer": Table(
        required=True,
        what="reconstructs from {model}, in another process",
        keys=_command(300, "command that reconstructs", **_JOB),
    ),
    "device_probe": Table(
        what="exits with 0 only if a GPU computed; without it, --device cuda is refused",
        keys=_command(120, "command that computes on the GPU and prints which"),
    ),
    "probe": Table(
        what="answers requests of the parity ladder; see docs/probe-kit.md",
        keys=_command(
            300,
            "command to which `--request NPZ --out DIR` is appended, once a request",
            quantities=Key(kind=NAMES, what="rungs that it answers; the others are listed as unverified"),
            sources=Key(kind=NAMES, what="packages below root whose source text identifies the answer"),
        ),
    ),
    "reconstruction": Table(
        required=True,
        what="what inference leaves, and how it is read: arrays, or two pictures, or arrays by an export",
        keys={
            "path": Key(kind=TEXT, default="reconstruction.npz", what="NPZ file below {output}"),
            "object": Key(kind=NAME, default="object", what="its complex object"),
            "overlap": Key(kind=TEXT, default="overlap", what="its overlap count; empty: it has none"),
            "crop": Key(kind=TEXT, default="crop", what="its row0, row1, col0, col1 in the object; empty: it has none"),
            "min_phase_correlation": Key(kind=NUMBER, what="what must be reached; a flat object has 0"),
        },
    ),
    "reconstruction.pictures": Table(
        what="a target that leaves pictures only: 8 bits a pixel, so nothing finer than range/255 is judged",
        keys={
            "amplitude": Key(kind=NAME, what="grey picture of the amplitude below {output}, one pixel per pixel"),
            "phase": Key(kind=NAME, what="grey picture of the phase below {output}"),
            "amplitude_range": Key(kind=RANGE, default=[0.0, 1.0], what="values of black and white"),
            "phase_range": Key(kind=RANGE, default=[-3.141592653589793, 3.141592653589793], what="the same, radians"),
        },
    ),
    "reconstruction.export": Table(
        what="a script that turns what inference left into the NPZ file of `path`",
        keys=_command(120, "command that writes it into {output}"),
    ),
    "summary": Table(
        what="where training says the hash of what the network was given; without this table it does not",
        keys={
            "path": Key(kind=NAME, default="summary.json", what="JSON file below {output} of training"),
            "input_hash": Key(kind=NAME, default="input_sha256", what="its entry with the hash"),
            "device": Key(
                kind=TEXT, default="", what="its entry, a.b, with the work done on a GPU; without it a GPU lane fails"
            ),
        },
    ),
    "suite": Table(
        what="its own tests",
        keys={
            "path": Key(kind=NAME, what="folder of tests, relative to root"),
            "timeout_s": Key(kind=SECONDS, default=900, what="wall-clock limit"),
            "memory_mib": _JOB["memory_mib"],
        },
    ),
    "job": Table(
        required=True,
        what="what is run",
        keys={
            "fixtures": Key(kind=NAMES, what="names of the inventory; they hold the same data, in several layouts"),
            "n_images": Key(kind=WHOLE, what="value of {n_images}"),
            "nepochs": Key(kind=WHOLE, what="value of {nepochs}"),
            "gridsize": Key(kind=WHOLE, default=1, what="value of {gridsize}"),
            "batch_size": Key(kind=WHOLE, default=16, what="value of {batch_size}"),
            "seed": Key(kind=SEED, default=42, what="value of {seed}"),
        },
    ),
    "checks": Table(
        what="what the black-box checks may rely on",
        keys={
            "seed_flag": Key(kind=EXTRA, default=[], what="arguments of train that set {seed}; empty: it has none"),
            "legacy_layout": Key(
                kind=LAYOUT,
                default=True,
                what="the legacy transposed layout is read, not tried (false), or must be refused",
            ),
            "known_failures": Key(kind=TEXT, default="", what="list of known failures, relative to the target file"),
        },
    ),
    "checks.option": Table(
        many=True,
        what="an option that must have an effect: the command runs with and without it",
        keys={
            "argv": Key(kind=ARGUMENTS, what="the option, with its value"),
            "changes": Key(kind=CHANGES, what="what must differ: the names of the files left, or what it prints"),
            "command": Key(kind=STEP, default="train", what="which command has the option"),
        },
    ),
    "checks.mlflow": Table(
        what="how tracking is switched",
        keys={
            "on": Key(kind=EXTRA, default=[], what="arguments of train with tracking, in the place of off"),
            "off": Key(kind=EXTRA, default=[], what="arguments of train without, in the place of on"),
            "store": Key(kind=NAME, default="mlruns", what="what tracking leaves below {output}, and nowhere else"),
        },
    ),
    "checks.input_dump": Table(
        what="how the network's input is had as an array",
        keys={
            "argv": Key(kind=EXTRA, default=[], what="arguments of train that ask for it"),
            "path": Key(kind=NAME, what="NPY or NPZ file below {output} of training"),
            "key": Key(kind=TEXT, default="", what="its array in an NPZ file"),
        },
    ),
    "environment": Table(keys={}, what="variables that its commands get"),
}
