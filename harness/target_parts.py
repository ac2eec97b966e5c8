"""
The parts of a target as data: what a command, an environment, a probe and the optional checks consist of.

Apart from `harness.targets`, which reads them from a file, so that what only looks at a part need not know the reader.
"""

from dataclasses import dataclass, field
from pathlib import Path

from harness.supervision.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Command:
    """
    One command of a target.

    Attributes:
        argv: argument vector with placeholders.
        timeout_s: wall-clock limit in seconds.
        artifacts: files that it must leave in its output folder.
        limits: on its phases and its memory.
    """

    argv: tuple[str, ...]
    timeout_s: float
    artifacts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class Install:
    """
    What a target's environment is made from; at most one of interpreter, lock and requirements.

    Attributes:
        python: an interpreter that has everything, or None.
        requirements: requirements files, or a `pyproject.toml` whose dependencies count.
        lock: a compiled requirements file, or None.
        packages: further requirements.
        base: interpreter from which the environment is made; "" for the harness's own.
        torch_backend: `"cpu"` for the build of torch without CUDA, else `"auto"`.
        timeout_s: wall-clock limit of the installation in seconds.
    """

    python: Path | None
    requirements: tuple[Path, ...]
    lock: Path | None
    packages: tuple[str, ...]
    base: str
    torch_backend: str
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Probe:
    """
    How a target answers the parity ladder.

    Attributes:
        command: reads `{request}`, fills `{out}`.
        quantities: rungs that it answers.
        sources: packages below the root whose source text identifies an answer.
    """

    command: Command
    quantities: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """
    A reconstruction that is left as two grey pictures of 8 bits, one pixel per object pixel.

    Attributes:
        amplitude: file below the output of inference.
        phase: file below the output of inference.
        amplitude_range: values of black and white.
        phase_range: the same, in radians.
    """

    amplitude: str
    phase: str
    amplitude_range: tuple[float, float]
    phase_range: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class OptionProbe:
    """
    An option that must have an effect.

    Attributes:
        argv: the option with its value, appended to the command's own arguments.
        changes: what must differ: `"files"` (names of the files left) or `"output"` (what is printed).
        command: `"train"` or `"infer"`.
    """

    argv: tuple[str, ...]
    changes: str
    command: str


@dataclass(frozen=True, kw_only=True)
class MLflow:
    """
    How a target's tracking is switched.

    Attributes:
        on: arguments of train with tracking; they come in the place of `off`.
        off: arguments of train without; they come in the place of `on`.
        store: what tracking leaves below the output folder.
    """

    on: tuple[str, ...]
    off: tuple[str, ...]
    store: str


@dataclass(frozen=True, kw_only=True)
class InputDump:
    """
    How the network's input is had as an array.

    Attributes:
        argv: arguments of train that ask for it.
        path: NPY or NPZ file below the output of training.
        key: its array in an NPZ file, else "".
    """

    argv: tuple[str, ...]
    path: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Checks:
    """
    What the black-box checks may rely on; each part is None or empty where the target has no such thing.

    Attributes:
        seed_flag: arguments of train that set the seed, with `{seed}`; appended where they do not stand already.
        options: options that must have an effect.
        legacy_layout: `True` it must be read, `False` it is not tried, `"refused"` it must be refused.
        mlflow: how tracking is switched.
        input_dump: how the network's input is had.
        known_failures: the list of known failures.
    """

    seed_flag: tuple[str, ...] = ()
    options: tuple[OptionProbe, ...] = ()
    legacy_layout: bool | str = True
    mlflow: MLflow | None = None
    input_dump: InputDump | None = None
    known_failures: Path | None = None
