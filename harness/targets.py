"""
A target: a pipeline that the harness can drive, described by a TOML file and by nothing else.

The backends of this repository are described by the same kind of file as anybody's checkout; no code here or elsewhere
in the harness knows their names. Everything wrong with a file is collected and reported at once, with the line.
"""

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptycho.errors import UsageError

PLACEHOLDERS = (
    *("python", "train", "test", "output", "model", "cache", "root"),
    *("n_images", "device", "nepochs", "gridsize", "batch_size", "seed"),
)
"""Names that an argument may contain in braces. `{output}` is the command's own folder, `{model}` that of training."""

BUILT_IN = Path(__file__).parent / "targets"


@dataclass(frozen=True, kw_only=True)
class Command:
    """
    One command of a target.

    Attributes:
        argv: argument vector with placeholders.
        timeout_s: wall-clock limit in seconds.
        artifacts: files that it must leave in its output folder.
    """

    argv: tuple[str, ...]
    timeout_s: float
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    A pipeline.

    Attributes:
        name: of the target, and of its lanes.
        framework: what its environment is built for; shown, never interpreted.
        root: folder from which its packages are imported, and against which its paths are read.
        train: trains; `{output}` gets weights and `summary`.
        infer: reconstructs from `{model}`.
        device_probe: exits with 0 if a GPU computes, printing which.
        reconstruction: file in the output of `infer`.
        reconstruction_keys: its arrays: object, overlap, crop.
        summary: JSON file in the output of `train`.
        input_hash_key: its entry with the hash of the network's input.
        suite: folder of its own tests, or None.
        suite_timeout_s: wall-clock limit of the suite in seconds.
        fixtures: names of the fixtures of the job; the hash of their network input must agree.
        settings: values of the numeric placeholders.
        min_phase_correlation: what the reconstruction must reach; a flat object has 0.
        environment: variables that its commands get.
    """

    name: str
    framework: str
    root: Path
    train: Command
    infer: Command
    device_probe: Command | None
    reconstruction: str
    reconstruction_keys: Mapping[str, str]
    summary: str
    input_hash_key: str
    suite: Path | None
    suite_timeout_s: float
    fixtures: tuple[str, ...]
    settings: Mapping[str, int]
    min_phase_correlation: float
    environment: Mapping[str, str]


_REQUIRED = object()
_SCHEMA: Mapping[str, Mapping[str, tuple[type | tuple[type, ...], Any]]] = {
    "target": {"name": (str, _REQUIRED), "framework": (str, _REQUIRED), "root": (str, _REQUIRED)},
    "train": {"argv": (list, _REQUIRED), "timeout_s": ((int, float), 300), "artifacts": (list, [])},
    "infer": {"argv": (list, _REQUIRED), "timeout_s": ((int, float), 300), "artifacts": (list, [])},
    "device_probe": {"argv": (list, _REQUIRED), "timeout_s": ((int, float), 120)},
    "reconstruction": {
        "path": (str, "reconstruction.npz"),
        "object": (str, "object"),
        "overlap": (str, "overlap"),
        "crop": (str, "crop"),
        "min_phase_correlation": ((int, float), _REQUIRED),
    },
    "summary": {"path": (str, "summary.json"), "input_hash": (str, "input_sha256")},
    "suite": {"path": (str, _REQUIRED), "timeout_s": ((int, float), 900)},
    "job": {
        "fixtures": (list, _REQUIRED),
        "n_images": (int, _REQUIRED),
        "nepochs": (int, _REQUIRED),
        "gridsize": (int, 1),
        "batch_size": (int, 16),
        "seed": (int, 42),
    },
    "environment": {},
}
_OPTIONAL_TABLES = frozenset({"device_probe", "suite", "summary", "environment"})


def _line_of(text: str, needle: str) -> int:
    """Line of a key or value, for the message; TOML readers keep no positions."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if needle in line), 1)


def _placeholder_problems(arguments: Sequence[Any]) -> list[tuple[str, str]]:
    problems = []
    for argument in arguments:
        if not isinstance(argument, str):
            problems.append((str(argument), f"argument {argument!r} is not text"))
            continue
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(argument) if name is not None]
        except ValueError as error:
            problems.append((argument, f"argument {argument!r}: {error}; write {{{{ and }}}} for braces"))
            continue
        problems += [
            (argument, f"unknown placeholder {{{name}}}; allowed: {', '.join(PLACEHOLDERS)}")
            for name in names
            if name not in PLACEHOLDERS
        ]
    return problems


def _table(name: str, given: Any, problems: list[tuple[str, str]]) -> dict[str, Any]:
    """A table with its defaults, noting what is wrong with it."""
    schema = _SCHEMA[name]
    if not isinstance(given, dict):
        problems.append((name, f"[{name}] is not a table"))
        return {}
    if name == "environment":
        return dict(given)
    unknown = sorted(given.keys() - schema.keys())
    problems += [(key, f"unknown key {key!r} in [{name}]; allowed: {', '.join(schema)}") for key in unknown]
    values = {}
    for key, (kind, default) in schema.items():
        value = given.get(key, default)
        if value is _REQUIRED:
            problems.append((f"[{name}]", f"[{name}] lacks {key!r}"))
        elif not isinstance(value, kind) or isinstance(value, bool):
            problems.append((key, f"{name}.{key} = {value!r} is not of the kind {kind}"))
        values[key] = value
    return values


def load(path: Path) -> Target:
    """
    Read a target file.

    Args:
        path: the TOML file.

    Raises:
        UsageError: with every problem and its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"target {path}: {error.strerror}; give the path of a target's TOML file") from error
    except ValueError as error:
        raise UsageError(f"target {path} is not TOML: {error}") from error
    problems = [
        (name, f"unknown table [{name}]; allowed: {', '.join(_SCHEMA)}") for name in document if name not in _SCHEMA
    ]
    missing = [name for name in _SCHEMA if name not in document and name not in _OPTIONAL_TABLES]
    problems += [("", f"table [{name}] is missing") for name in missing]
    optional = {name for name in ("device_probe", "suite") if name not in document}
    tables = {
        name: _table(name, document.get(name, {}), problems) for name in _SCHEMA if name not in {*optional, *missing}
    }
    for name in ("train", "infer", "device_probe"):
        argv = tables.get(name, {}).get("argv")
        problems += _placeholder_problems(argv) if isinstance(argv, list) else []
    environment = tables["environment"]
    problems += _placeholder_problems(list(environment.values()))
    if problems:
        listed = "\n".join(f"  - line {_line_of(text, needle)}: {sentence}" for needle, sentence in problems)
        raise UsageError(f"target {path} cannot be used:\n{listed}")
    return _assemble(path, tables)


def _command(table: Mapping[str, Any] | None) -> Command:
    assert table is not None
    return Command(
        argv=tuple(table["argv"]), timeout_s=float(table["timeout_s"]), artifacts=tuple(table.get("artifacts", ()))
    )


def _assemble(path: Path, tables: Mapping[str, Mapping[str, Any]]) -> Target:
    root = (path.parent / tables["target"]["root"]).resolve()
    reconstruction, job, suite = tables["reconstruction"], tables["job"], tables.get("suite")
    return Target(
        name=tables["target"]["name"],
        framework=tables["target"]["framework"],
        root=root,
        train=_command(tables["train"]),
        infer=_command(tables["infer"]),
        device_probe=_command(tables["device_probe"]) if "device_probe" in tables else None,
        reconstruction=reconstruction["path"],
        reconstruction_keys={name: reconstruction[name] for name in ("object", "overlap", "crop")},
        summary=tables["summary"]["path"],
        input_hash_key=tables["summary"]["input_hash"],
        suite=root / suite["path"] if suite else None,
        suite_timeout_s=float(suite["timeout_s"]) if suite else 0.0,
        fixtures=tuple(job["fixtures"]),
        settings={name: job[name] for name in ("n_images", "nepochs", "gridsize", "batch_size", "seed")},
        min_phase_correlation=float(reconstruction["min_phase_correlation"]),
        environment=dict(tables["environment"]),
    )


def fill(arguments: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Put values in the place of placeholders; a missing one is a programming error (`KeyError`)."""
    return [argument.format(**values) for argument in arguments]


def built_in(name: str) -> Path:
    """
    The file of a target that ships with the harness.

    Raises:
        UsageError: naming those there are.
    """
    known = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
    if name not in known:
        raise UsageError(f"no target {name!r}; there are {', '.join(known)}; or give --target FILE")
    return BUILT_IN / f"{name}.toml"
