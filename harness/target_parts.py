"""
The tables of a target file as data: they are what a file may say, and what the harness works with.

Apart from `harness.targets`, which reads them from a file, so that what only looks at a part need not know the reader.
A key is added here and nowhere else: its type, its default, and what it says.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.supervision.limits import Limits
from harness.target_schema import (
    Arguments,
    BareArguments,
    Changes,
    Extra,
    Layout,
    Mebibytes,
    Name,
    Names,
    Number,
    Phases,
    Place,
    Places,
    Range,
    Seconds,
    Seed,
    Step,
    Text,
    Texts,
    TorchBuild,
    Variable,
)
from harness.toml_model import TABLE, Problem, Versioned, Whole


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Header:
    """Who a target is."""

    name: Name = Field(description="name of the target and of its lanes")
    framework: Name = Field(description="what it is built on; shown, never interpreted")
    root: Name = Field(
        description="folder from which its packages are imported; relative to the file, or $VARIABLE",
    )


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Install:
    """What a target's environment is made from; at most one of interpreter, lock and requirements."""

    python: Place = Field(default=None, description="an interpreter that has everything; nothing is installed")
    requirements: Places = Field(default=(), description="requirements files or a pyproject.toml, relative to root")
    lock: Place = Field(default=None, description="a compiled requirements file, with hashes if it has them")
    packages: Texts = Field(default=(), description="further requirements, written here")
    base: Text = Field(default="", description="interpreter that the environment is made from, python3.12")
    torch_backend: TorchBuild = Field(default="auto", description="which build of torch; cpu needs uv or a wheelhouse")
    timeout_s: Seconds = Field(default=3600, description="wall-clock limit of the installation")

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """Sources that exclude each other, or none at all."""
        given = [key for key in ("python", "lock", "requirements") if table.get(key)]
        if len(given) > 1:
            sentence = f"[install] has {', '.join(given)}; allowed: one of them; take the others out"
            yield Problem(path=(given[1],), sentence=sentence)
        if not given and not table.get("packages"):
            sentence = "[install] names nothing to install; add python, lock, requirements or packages, or take it out"
            yield Problem(path=(), sentence=sentence)
        if table.get("python") and table.get("packages"):
            sentence = "[install] packages beside python: an interpreter of yours is not changed; take one of them out"
            yield Problem(path=("packages",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class BareCommand:
    """A command that is run apart from a job."""

    argv: BareArguments = Field(description="command that computes on the GPU and prints which")
    timeout_s: Seconds = Field(default=120, description="wall-clock limit")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Probe(BareCommand):
    """How a target answers the parity ladder."""

    argv: BareArguments = Field(description="command to which `--request NPZ --out DIR` is appended, once a request")
    timeout_s: Seconds = Field(default=300, description="wall-clock limit")
    quantities: Names = Field(description="rungs that it answers; the others are listed as unverified")
    sources: Names = Field(description="packages below root whose source text identifies the answer")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Command:
    """A command of a target that works in a job's folder."""

    argv: Arguments = Field(description="the command")
    timeout_s: Seconds = Field(default=300, description="wall-clock limit")
    artifacts: Texts = Field(default=(), description="files that it must leave in {output}: there, fresh and not empty")
    phase_timeout_s: Phases = Field(
        default={}, description="limits of one stay in a phase that it says; `start`: until it says the first"
    )
    memory_mib: Mebibytes = Field(default=0, description="limit of the memory of all its processes together")

    @property
    def limits(self) -> Limits:
        """On its phases and its memory."""
        return Limits(phase_s=self.phase_timeout_s, memory_mib=self.memory_mib or None)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Export(Command):
    """A script that makes arrays of what inference left."""

    argv: Arguments = Field(description="command that writes it into {output}")
    timeout_s: Seconds = Field(default=120, description="wall-clock limit")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Pictures:
    """A reconstruction that is left as two grey pictures of 8 bits, one pixel per object pixel."""

    amplitude: Name = Field(description="grey picture of the amplitude below {output}, one pixel per pixel")
    phase: Name = Field(description="grey picture of the phase below {output}")
    amplitude_range: Range = Field(default=(0.0, 1.0), description="values of black and white")
    phase_range: Range = Field(default=(-3.141592653589793, 3.141592653589793), description="the same, radians")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Reconstruction:
    """What inference leaves, and how it is read."""

    path: Text = Field(default="reconstruction.npz", description="NPZ file below {output}")
    object: Name = Field(default="object", description="its complex object")
    overlap: Text = Field(default="overlap", description="its overlap count; empty: it has none")
    crop: Text = Field(default="crop", description="its row0, row1, col0, col1 in the object; empty: it has none")
    min_phase_correlation: Number = Field(description="what must be reached; a flat object has 0")
    pictures: Pictures | None = Field(
        default=None,
        description="a target that leaves pictures only: 8 bits a pixel, so nothing finer than range/255 is judged",
    )
    export: Export | None = Field(
        default=None, description="a script that turns what inference left into the NPZ file of `path`"
    )

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """Pictures and an export."""
        if "pictures" in table and "export" in table:
            sentence = "[reconstruction] has pictures and export; allowed: one of them; arrays say more than pictures"
            yield Problem(path=("pictures",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Summary:
    """Where training says the hash of what the network was given."""

    path: Name = Field(default="summary.json", description="JSON file below {output} of training")
    input_hash: Name = Field(default="input_sha256", description="its entry with the hash")
    device: Text = Field(
        default="", description="its entry, a.b, with the work done on a GPU; without it a GPU lane fails"
    )


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Suite:
    """A target's own tests."""

    path: Name = Field(description="folder of tests, relative to root")
    timeout_s: Seconds = Field(default=900, description="wall-clock limit")
    memory_mib: Mebibytes = Field(default=0, description="limit of the memory of all its processes together")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Job:
    """What is run."""

    fixtures: Names = Field(description="names of the inventory; they hold the same data, in several layouts")
    n_images: Whole = Field(description="value of {n_images}")
    nepochs: Whole = Field(description="value of {nepochs}")
    gridsize: Whole = Field(default=1, description="value of {gridsize}")
    batch_size: Whole = Field(default=16, description="value of {batch_size}")
    seed: Seed = Field(default=42, description="value of {seed}")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class OptionProbe:
    """An option that must have an effect: the command runs with and without it."""

    argv: Arguments = Field(description="the option, with its value")
    changes: Changes = Field(description="what must differ: the names of the files left, or what it prints")
    command: Step = Field(default="train", description="which command has the option")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class MLflow:
    """How a target's tracking is switched."""

    on: Extra = Field(default=(), description="arguments of train with tracking, in the place of off")
    off: Extra = Field(default=(), description="arguments of train without, in the place of on")
    store: Name = Field(default="mlruns", description="what tracking leaves below {output}, and nowhere else")

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """A switch that switches nothing."""
        on, off = table.get("on", []), table.get("off", [])
        if on == off:
            sentence = f"checks.mlflow has the same arguments on and off: {on!r}; say what differs"
            yield Problem(path=(), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class InputDump:
    """How the network's input is had as an array."""

    argv: Extra = Field(default=(), description="arguments of train that ask for it")
    path: Name = Field(description="NPY or NPZ file below {output} of training")
    key: Text = Field(default="", description="its array in an NPZ file")


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Checks:
    """What the black-box checks may rely on; each part is None or empty where the target has no such thing."""

    seed_flag: Extra = Field(default=(), description="arguments of train that set {seed}; empty: it has none")
    legacy_layout: Layout = Field(
        default=True, description="the legacy transposed layout is read, not tried (false), or must be refused"
    )
    known_failures: Place = Field(default=None, description="list of known failures, relative to the target file")
    option: tuple[OptionProbe, ...] = Field(
        default=(), description="an option that must have an effect: the command runs with and without it"
    )
    mlflow: MLflow | None = Field(default=None, description="how tracking is switched")
    input_dump: InputDump | None = Field(default=None, description="how the network's input is had as an array")

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[Problem]:
        """A seed option without the seed."""
        flag = table.get("seed_flag")
        if isinstance(flag, list) and flag and not any("{seed}" in str(text) for text in flag):
            sentence = 'checks.seed_flag has no {seed}: two seeds could not be told apart; write ["--seed", "{seed}"]'
            yield Problem(path=("seed_flag",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class TargetFile(Versioned):
    """A target file: a pipeline that the harness can drive. See docs/targets.md."""

    target: Header = Field(description="who it is")
    install: Install | None = Field(
        default=None, description="its environment; without this table the harness's own interpreter is taken"
    )
    train: Command = Field(description="trains")
    infer: Command = Field(description="reconstructs from {model}, in another process")
    device_probe: BareCommand | None = Field(
        default=None, description="exits with 0 only if a GPU computed; without it, --device cuda is refused"
    )
    probe: Probe | None = Field(
        default=None, description="answers requests of the parity ladder; see docs/probe-kit.md"
    )
    reconstruction: Reconstruction = Field(
        description="what inference leaves, and how it is read: arrays, or two pictures, or arrays by an export"
    )
    summary: Summary | None = Field(
        default=None,
        description="where training says the hash of what the network was given; without this table it does not",
    )
    suite: Suite | None = Field(default=None, description="its own tests")
    job: Job = Field(description="what is run")
    checks: Checks = Field(default=Checks(), description="what the black-box checks may rely on")
    environment: dict[str, Variable] = Field(default={}, description="variables that its commands get")
