"""
A target: a pipeline that the harness can drive, described by a TOML file and by nothing else.

The backends of this repository are described by the same kind of file as anybody's checkout; no code here or elsewhere
in the harness knows their names. Everything wrong with a file is collected and reported at once, with the line. What
a file may say is `harness.target_schema`.
"""

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import environment, target_reading
from harness.supervision.limits import Limits
from harness.target_lines import Lines
from harness.target_parts import Checks, Command, InputDump, Install, MLflow, OptionProbe, Pictures, Probe
from harness.target_reading import Problem
from harness.target_schema import PLACEHOLDERS
from ptycho.errors import UsageError

__all__ = [
    "BUILT_IN",
    "PLACEHOLDERS",
    "Checks",
    "Command",
    "InputDump",
    "Install",
    "MLflow",
    "OptionProbe",
    "Pictures",
    "Probe",
    "Target",
    "built_in",
    "fill",
    "load",
]

BUILT_IN = Path(__file__).parent / "targets"
KIT = Path(__file__).resolve().parent / "kit"


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    A pipeline.

    Attributes:
        name: of the target, and of its lanes.
        framework: what its environment is built for; shown, never interpreted.
        file: the file that describes it.
        root: folder from which its packages are imported, and against which its paths are read.
        interpreter: what `{python}` stands for, and what runs its suite; `target_environment.prepare` settles it.
        install: what its environment is made from, or None for the harness's own interpreter.
        train: trains; `{output}` gets weights and `summary`.
        infer: reconstructs from `{model}`.
        device_probe: exits with 0 if a GPU computes, printing which.
        probe: answers the parity ladder, or None.
        reconstruction: file in the output of `infer`, or in that of `export` where there is one.
        reconstruction_keys: its arrays: object, overlap, crop; "" for one that it does not have.
        pictures: what to read in place of arrays, or None.
        export: writes `reconstruction` from what inference left, or None.
        summary: JSON file in the output of `train`, or None where the target has none.
        input_hash_key: its entry with the hash of the network's input.
        device_key: its entry with the evidence of work on a GPU, dots between levels; "" where there is none.
        suite: folder of its own tests, or None.
        suite_timeout_s: wall-clock limit of the suite in seconds.
        suite_limits: on the suite's memory.
        fixtures: names of the fixtures of the job; the hash of their network input must agree.
        settings: values of the numeric placeholders.
        min_phase_correlation: what the reconstruction must reach; a flat object has 0.
        checks: what the black-box checks may rely on.
        environment: variables that its commands get.
    """

    name: str
    framework: str
    file: Path
    root: Path
    interpreter: Path = field(default_factory=lambda: Path(sys.executable))
    install: Install | None
    train: Command
    infer: Command
    device_probe: Command | None
    probe: Probe | None
    reconstruction: str
    reconstruction_keys: Mapping[str, str]
    pictures: Pictures | None
    export: Command | None
    summary: str | None
    input_hash_key: str
    device_key: str
    suite: Path | None
    suite_timeout_s: float
    suite_limits: Limits
    fixtures: tuple[str, ...]
    settings: Mapping[str, int]
    min_phase_correlation: float
    checks: Checks
    environment: Mapping[str, str]


def load(path: Path) -> Target:
    """
    Read a target file.

    Args:
        path: the TOML file.

    Raises:
        UsageError: with every problem, its line and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"target {path}: {error.strerror}; give the path of a target's TOML file") from error
    except ValueError as error:
        raise UsageError(f"target {path} is not TOML: {error}") from error
    problems: list[Problem] = []
    tables = target_reading.read(document, problems)
    problems += _combinations(tables)
    root = _expanded(path.parent, tables.get("target", {}).get("root"), ("target", "root"), problems)
    python = _expanded(path.parent, tables.get("install", {}).get("python"), ("install", "python"), problems)
    if root is not None and not root.is_dir():
        sentence = f"target.root is {root}, which is no folder; name the folder that holds the target's packages"
        problems.append(Problem(path=("target", "root"), sentence=sentence))
    if problems:
        lines = Lines(text)
        found = sorted({(lines.of(problem.path, problem.value), problem.sentence) for problem in problems})
        listed = "\n".join(f"  - line {line}: {sentence}" for line, sentence in found)
        raise UsageError(f"target {path} cannot be used:\n{listed}")
    assert root is not None
    return _assemble(path.absolute(), root.resolve(), python, tables)


def _expanded(folder: Path, given: object, where: tuple[str, str], problems: list[Problem]) -> Path | None:
    """A path relative to the target file, in which `$VARIABLE` may stand; None where none is given."""
    if not isinstance(given, str) or not given:
        return None
    text = os.path.expandvars(given)
    if "$" in text:
        sentence = f"{'.'.join(where)} = {given!r} names a variable that is not set; export it, or write the path"
        problems.append(Problem(path=where, sentence=sentence))
        return None
    return folder / environment.expanded(Path(text))


def _combinations(tables: Mapping[str, Any]) -> list[Problem]:
    """What is right key by key and contradicts itself as a whole."""
    problems = []
    install = tables.get("install", {})
    given = [key for key in ("python", "lock", "requirements") if install.get(key)]
    if len(given) > 1:
        sentence = f"[install] has {', '.join(given)}; allowed: one of them; take the others out"
        problems.append(Problem(path=("install", given[1]), sentence=sentence))
    if install and not given and not install.get("packages"):
        sentence = "[install] names nothing to install; add python, lock, requirements or packages, or take it out"
        problems.append(Problem(path=("install",), sentence=sentence))
    if install.get("python") and install.get("packages"):
        sentence = "[install] packages beside python: an interpreter of yours is not changed; take one of them out"
        problems.append(Problem(path=("install", "packages"), sentence=sentence))
    if "reconstruction.pictures" in tables and "reconstruction.export" in tables:
        sentence = "[reconstruction] has pictures and export; allowed: one of them; arrays say more than pictures"
        problems.append(Problem(path=("reconstruction", "pictures"), sentence=sentence))
    flag = tables.get("checks", {}).get("seed_flag")
    if isinstance(flag, list) and flag and not any("{seed}" in str(text) for text in flag):
        sentence = 'checks.seed_flag has no {seed}: two seeds could not be told apart; write ["--seed", "{seed}"]'
        problems.append(Problem(path=("checks", "seed_flag"), sentence=sentence))
    mlflow = tables.get("checks.mlflow")
    if mlflow is not None and mlflow.get("on") == mlflow.get("off"):
        sentence = f"checks.mlflow has the same arguments on and off: {mlflow.get('on')!r}; say what differs"
        problems.append(Problem(path=("checks", "mlflow"), sentence=sentence))
    return problems


def _command(table: Mapping[str, Any] | None) -> Command | None:
    if table is None:
        return None
    return Command(
        argv=tuple(map(_with_kit, table["argv"])),
        timeout_s=float(table["timeout_s"]),
        artifacts=tuple(table.get("artifacts", ())),
        limits=_limits(table),
    )


def _limits(table: Mapping[str, Any]) -> Limits:
    phases = {phase: float(seconds) for phase, seconds in table.get("phase_timeout_s", {}).items()}
    return Limits(phase_s=phases, memory_mib=table.get("memory_mib") or None)


def _with_kit(text: str) -> str:
    """The one placeholder that is the same for everybody; its braces are doubled, since the others are filled later."""
    return text.replace("{kit}", str(KIT).replace("{", "{{").replace("}", "}}"))


def _install(root: Path, python: Path | None, table: Mapping[str, Any] | None) -> Install | None:
    if table is None:
        return None
    return Install(
        python=None if python is None else Path(os.path.abspath(python)),  # noqa: PTH100  # a link is the environment
        requirements=tuple(root / name for name in table["requirements"]),
        lock=root / table["lock"] if table["lock"] else None,
        packages=tuple(table["packages"]),
        base=table["base"],
        torch_backend=table["torch_backend"],
        timeout_s=float(table["timeout_s"]),
    )


def _pictures(table: Mapping[str, Any] | None) -> Pictures | None:
    if table is None:
        return None
    (dark, bright), (low, high) = table["amplitude_range"], table["phase_range"]
    return Pictures(
        amplitude=table["amplitude"],
        phase=table["phase"],
        amplitude_range=(float(dark), float(bright)),
        phase_range=(float(low), float(high)),
    )


def _checks(folder: Path, tables: Mapping[str, Any]) -> Checks:
    plain = tables.get("checks")
    if plain is None:
        return Checks()
    mlflow, dump = tables.get("checks.mlflow"), tables.get("checks.input_dump")
    return Checks(
        seed_flag=tuple(plain["seed_flag"]),
        options=tuple(OptionProbe(**row | {"argv": tuple(row["argv"])}) for row in tables.get("checks.option", ())),
        legacy_layout=plain["legacy_layout"],
        mlflow=mlflow and MLflow(on=tuple(mlflow["on"]), off=tuple(mlflow["off"]), store=mlflow["store"]),
        input_dump=dump and InputDump(argv=tuple(dump["argv"]), path=dump["path"], key=dump["key"]),
        known_failures=folder / plain["known_failures"] if plain["known_failures"] else None,
    )


def _assemble(path: Path, root: Path, python: Path | None, tables: Mapping[str, Any]) -> Target:
    train, infer = _command(tables["train"]), _command(tables["infer"])
    assert train is not None
    assert infer is not None
    reconstruction, job, suite = tables["reconstruction"], tables["job"], tables.get("suite")
    summary, probe, answering = tables.get("summary"), tables.get("probe"), _command(tables.get("probe"))
    return Target(
        name=tables["target"]["name"],
        framework=tables["target"]["framework"],
        file=path,
        root=root,
        install=_install(root, python, tables.get("install")),
        train=train,
        infer=infer,
        device_probe=_command(tables.get("device_probe")),
        probe=Probe(command=answering, quantities=tuple(probe["quantities"]), sources=tuple(probe["sources"]))
        if probe and answering
        else None,
        reconstruction=reconstruction["path"],
        reconstruction_keys={name: reconstruction[name] for name in ("object", "overlap", "crop")},
        pictures=_pictures(tables.get("reconstruction.pictures")),
        export=_command(tables.get("reconstruction.export")),
        summary=summary["path"] if summary else None,
        input_hash_key=summary["input_hash"] if summary else "",
        device_key=summary["device"] if summary else "",
        suite=root / suite["path"] if suite else None,
        suite_timeout_s=float(suite["timeout_s"]) if suite else 0.0,
        suite_limits=_limits(suite or {}),
        fixtures=tuple(job["fixtures"]),
        settings={name: job[name] for name in ("n_images", "nepochs", "gridsize", "batch_size", "seed")},
        min_phase_correlation=float(reconstruction["min_phase_correlation"]),
        checks=_checks(path.parent, tables),
        environment={name: _with_kit(text) for name, text in tables.get("environment", {}).items()},
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
