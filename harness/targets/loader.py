"""
A target: a pipeline that the harness can drive, described by a TOML file and by nothing else.

The backends of this repository are described by the same kind of file as anybody's checkout; no code here or elsewhere
in the harness knows their names. Everything wrong with a file is collected and reported at once, with the line. What
a file may say is `harness.targets.model`.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.files import toml_model
from harness.isolation import sandbox
from harness.process.limits import Limits
from harness.targets.model import Adapter, BareCommand, Checks, Command, Convert, Export, Install, Pictures, TargetFile
from harness.targets.schema import KIT
from ptycho.errors import UsageError

BUILT_IN = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    A pipeline.

    Attributes:
        name: name of the target, and of its lanes.
        framework: what its environment is built for; shown, never interpreted.
        file: the file that describes it.
        root: folder from which its packages are imported, and against which its paths are read; the kit if none.
        interpreter: the value of `{python}`, which also runs its suite; `environment.prepare` settles it.
        install: what its environment is made from, or None for the harness's own interpreter.
        convert: makes the target's own input of a fixture, or None where it reads fixtures.
        train: trains; `{output}` gets weights and `summary`; None where `infer` does all the work.
        infer: reconstructs from `{model}`.
        device_probe: exits with 0 if a GPU computes, printing which.
        adapter: answers the parity ladder, or None.
        reconstruction: file in the output of `infer`, or in that of `export` where there is one.
        reconstruction_keys: its arrays: object, overlap, crop; "" for one that it does not have.
        pictures: what to read in place of arrays, or None.
        export: writes `reconstruction` from what inference left, or None.
        summary: JSON file in the output of `train`, or None where the target has none.
        input_hash_key: its entry with the hash of the network's input.
        device_key: its entry with the evidence of work on a GPU, dots between levels; "" where there is none.
        suite: folder of its own tests, or None.
        suite_arguments: of pytest, unless the caller gives others.
        suite_gpu_arguments: the same in a GPU lane, where they are others.
        suite_device: whether the suite says what its trainings did on a GPU.
        suite_timeout_s: wall-clock limit of the suite in seconds.
        suite_limits: on the suite's memory.
        fixtures: names of the fixtures of the job; the hash of their network input must agree.
        settings: values of the numeric placeholders.
        at_once: trainings that run side by side on a CPU.
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
    convert: Convert | None
    train: Command | None
    infer: Command
    device_probe: BareCommand | None
    adapter: Adapter | None
    reconstruction: str
    reconstruction_keys: Mapping[str, str]
    pictures: Pictures | None
    export: Export | None
    summary: str | None
    input_hash_key: str
    device_key: str
    suite: Path | None
    suite_arguments: tuple[str, ...]
    suite_gpu_arguments: tuple[str, ...] = ()
    suite_device: bool = False
    suite_timeout_s: float
    suite_limits: Limits
    fixtures: tuple[str, ...]
    settings: Mapping[str, int]
    at_once: int
    min_phase_correlation: float
    checks: Checks
    environment: Mapping[str, str]

    @property
    def working(self) -> Command:
        """The command that works on the data for as long as the job says: train, or infer where nothing is trained."""
        return self.infer if self.train is None else self.train

    @property
    def working_step(self) -> str:
        """The name of its table."""
        return "infer" if self.train is None else "train"

    @property
    def places(self) -> dict[str, object]:
        """Values of the placeholders that do not depend on what is run."""
        return {"python": self.interpreter, "root": self.root, "here": self.file.parent}


def load(path: Path) -> Target:
    """
    Read a target file.

    Args:
        path: the TOML file.

    Raises:
        UsageError: with every problem, its line and what to do.
    """
    source = toml_model.TomlSource(path, TargetFile, "target")
    root = _expanded(source, "target", "root")
    python = _expanded(source, "install", "python")
    if root is not None and not root.is_dir():
        sentence = f"target.root is {root}, which is not a folder; name the folder that holds the target's packages"
        source.add(("target", "root"), sentence)
    file = source.checked()
    # Of a target without a checkout nothing but the kit is on the import path.
    return _assemble(path.absolute(), (KIT if root is None else root).resolve(), python, file)


def _expanded(source: toml_model.TomlSource[TargetFile], table: str, key: str) -> Path | None:
    """A path relative to the target file, which may contain `$VARIABLE`; None where none is given."""
    holder = source.document.get(table)
    given = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(given, str) or not given:
        return None
    text = os.path.expandvars(given)
    if "$" in text:
        sentence = f"{table}.{key} = {given!r} names a variable that is not set; export it, or write the path"
        source.add((table, key), sentence)
        return None
    return source.path.parent / sandbox.expanded(Path(text))


def _install(root: Path, python: Path | None, table: Install | None) -> Install | None:
    if table is None:
        return None
    return replace(
        table,
        python=None if python is None else Path(os.path.abspath(python)),  # noqa: PTH100  # a link is the environment
        requirements=tuple(root / name for name in table.requirements),
        lock=root / table.lock if table.lock else None,
    )


def _assemble(path: Path, root: Path, python: Path | None, file: TargetFile) -> Target:
    reconstruction, job, suite, summary = file.reconstruction, file.job, file.suite, file.summary
    known = file.checks.known_failures
    return Target(
        name=file.target.name,
        framework=file.target.framework,
        file=path,
        root=root,
        install=_install(root, python, file.install),
        convert=file.convert,
        train=file.train,
        infer=file.infer,
        device_probe=file.device_probe,
        adapter=file.adapter,
        reconstruction=reconstruction.path,
        reconstruction_keys={name: getattr(reconstruction, name) for name in ("object", "overlap", "crop")},
        pictures=reconstruction.pictures,
        export=reconstruction.export,
        summary=summary.path if summary else None,
        input_hash_key=summary.input_hash if summary else "",
        device_key=summary.device if summary else "",
        suite=root / suite.path if suite else None,
        suite_arguments=suite.arguments if suite else (),
        suite_gpu_arguments=suite.gpu_arguments if suite else (),
        suite_device=suite is not None and suite.device,
        suite_timeout_s=suite.timeout_s if suite else 0.0,
        suite_limits=Limits(memory_mib=suite.memory_mib or None) if suite else Limits(),
        fixtures=job.fixtures,
        settings={name: getattr(job, name) for name in ("n_images", "nepochs", "gridsize", "batch_size", "seed")},
        at_once=job.at_once,
        min_phase_correlation=reconstruction.min_phase_correlation,
        checks=replace(file.checks, known_failures=path.parent / known if known else None),
        environment=file.environment,
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
