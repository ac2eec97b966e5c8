"""
The tables of a target file as data: they are what a file may say, and what the harness works with.

Apart from `loader`, which reads them from a file, so that what only looks at a part need not know the reader.
A key is added here and nowhere else: its type, its default, and below it what it says.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.files.toml_model import TABLE, FileProblem, VersionedFile, Whole, entries
from harness.isolation.sandbox import is_reserved
from harness.process.limits import Limits
from harness.targets import schema as kinds


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Header:
    """Name and origin of a target."""

    name: kinds.Word
    """name of the target and of its lanes"""
    framework: kinds.Name
    """what it is built on; shown, never interpreted"""
    root: kinds.Text = ""
    """folder from which its packages are imported; relative to the file, or $VARIABLE; empty: they are installed"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Install:
    """Source of a target's environment: at most one of interpreter, lock and requirements."""

    python: kinds.Place = None
    """an interpreter that has everything; nothing is installed"""
    requirements: kinds.Places = ()
    """requirements files or a pyproject.toml, relative to root"""
    lock: kinds.Place = None
    """a compiled requirements file, with hashes if it has them"""
    packages: kinds.Texts = ()
    """further requirements, written here"""
    base: kinds.Text = ""
    """interpreter that the environment is made from, python3.12"""
    torch_backend: kinds.TorchBuild = "auto"
    """which build of torch; cpu needs uv or a wheelhouse"""
    timeout_s: kinds.Seconds = 3600
    """wall-clock limit of the installation"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Sources that exclude each other, or none at all."""
        given = [key for key in ("python", "lock", "requirements") if table.get(key)]
        if len(given) > 1:
            sentence = f"[install] has {', '.join(given)}; allowed: one of them; take the others out"
            yield FileProblem(path=(given[1],), sentence=sentence)
        if not given and not table.get("packages"):
            sentence = "[install] names nothing to install; add python, lock, requirements or packages, or take it out"
            yield FileProblem(path=(), sentence=sentence)
        if table.get("python") and table.get("packages"):
            sentence = "[install] packages beside python: an interpreter of yours is not changed; take one of them out"
            yield FileProblem(path=("packages",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class BareCommand:
    """A command that is run apart from a job."""

    argv: kinds.BareArguments
    """command that computes on the GPU and prints which"""
    timeout_s: kinds.Limit = 120


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Adapter(BareCommand):
    """A target's adapter for the parity ladder."""

    argv: kinds.BareArguments
    """command to which `--request NPZ --out DIR` is appended, once a request"""
    timeout_s: kinds.Limit = 300
    quantities: kinds.Names
    """rungs that it answers; the others are listed as unverified"""
    sources: kinds.Names
    """packages below root whose source text identifies the answer"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class StagedFile:
    """A file that a command finds in its working directory, and that is gone afterwards."""

    path: kinds.Below
    """its name in the working directory"""
    text: kinds.Template = ""
    """its content, with placeholders: a configuration file instead of options"""
    source: kinds.Template = ""
    """what is copied there, a file or a folder, relative to root"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Two contents, or none."""
        if bool(table.get("text")) is bool(table.get("source")):
            sentence = f"the file {table.get('path')!r} needs text or source, and not both; its content is one of them"
            yield FileProblem(path=("path",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Command:
    """A command of a target that works in a job's folder."""

    argv: kinds.Arguments
    """the command, with its options"""
    timeout_s: kinds.Limit = 300
    artifacts: kinds.Artifacts = ()
    phase_timeout_s: kinds.Phases = Field(default={})
    memory_mib: kinds.Memory = 0
    make_output: kinds.Flag = False
    """its folder {output} is made before it starts: it does not make it itself"""
    files: tuple[StagedFile, ...] = ()
    """a file in its working directory: a configuration, or one of root"""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything in which its placeholders may stand."""
        return (*self.argv, *(text for file in self.files for text in (file.text, file.source)))

    def takes(self, placeholder: str) -> bool:
        """Whether it is given a value, such as `"seed"`."""
        return any(f"{{{placeholder}}}" in text for text in self.texts)

    @property
    def limits(self) -> Limits:
        """On its phases and its memory."""
        return Limits(phase_s=self.phase_timeout_s, memory_mib=self.memory_mib or None)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Convert(Command):
    """Step that makes the target's own input of a file of this project's."""

    argv: kinds.Arguments
    """command that reads {train} and {test} and writes into {output}"""
    timeout_s: kinds.Limit = 120
    train: kinds.Text = ""
    """what {train} is afterwards, below its {output}; empty: the folder"""
    test: kinds.Text = ""
    """what {test} is afterwards; empty: what {train} is"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Export(Command):
    """A script that makes arrays of what inference left."""

    argv: kinds.Arguments
    """command that writes it into {output}"""
    timeout_s: kinds.Limit = 120


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Pictures:
    """A reconstruction that is left as two grey pictures of 8 bits, one pixel per object pixel."""

    amplitude: kinds.Below
    """grey picture of the amplitude below {output}, one pixel per pixel"""
    phase: kinds.Below
    """grey picture of the phase below {output}"""
    amplitude_range: kinds.Range = (0.0, 1.0)
    """values of black and white"""
    phase_range: kinds.Range = (-3.141592653589793, 3.141592653589793)
    """the same, radians"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class ReconstructionFiles:
    """Files that inference leaves, and the way to read them."""

    path: kinds.Below = "reconstruction.npz"
    """NPZ file below {output}"""
    object: kinds.Name = "object"
    """its complex object"""
    overlap: kinds.Text = "overlap"
    """its overlap count; empty: it has none"""
    crop: kinds.Text = "crop"
    """its row0, row1, col0, col1 in the object; empty: it has none"""
    min_phase_correlation: kinds.Number
    """what must be reached; a flat object has 0"""
    pictures: Pictures | None = None
    """a target that leaves pictures only: 8 bits a pixel, so nothing finer than range/255 is judged"""
    export: Export | None = None
    """a script that turns what inference left into the NPZ file of `path`"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Pictures and an export."""
        if "pictures" in table and "export" in table:
            sentence = "[reconstruction] has pictures and export; allowed: one of them; arrays say more than pictures"
            yield FileProblem(path=("pictures",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Summary:
    """File in which training says the hash of what the network was given."""

    path: kinds.Below = "summary.json"
    """JSON file below {output} of training"""
    input_hash: kinds.Name = "input_sha256"
    """its entry with the hash"""
    device: kinds.Text = ""
    """its entry, a.b, with the work done on a GPU; without it a GPU lane fails"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Suite:
    """A target's own tests."""

    path: kinds.Name
    """folder of tests, relative to root"""
    arguments: kinds.Texts = ()
    """of pytest, unless the caller gives others: which of the folder's tests a lane runs"""
    gpu_arguments: kinds.Texts = ()
    """the same in a GPU lane; those of `arguments` if there are none"""
    device: kinds.Flag = False
    """whether it says what its trainings did on a GPU, in the file that PTYCHO_HARNESS_WORK names; it must, then"""
    timeout_s: kinds.Limit = 900
    memory_mib: kinds.Memory = 0


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Job:
    """Commands that are run."""

    fixtures: kinds.Names
    """names of the inventory; they hold the same data, in several layouts"""
    n_images: Whole
    """value of {n_images}"""
    nepochs: Whole
    """value of {nepochs}"""
    gridsize: Whole = 1
    """value of {gridsize}"""
    batch_size: Whole = 16
    """value of {batch_size}"""
    at_once: Whole = 1
    """trainings that run side by side on a CPU; more than 1 pays where each computes on one thread"""
    seed: kinds.Seed = 42
    """value of {seed}"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class OptionProbe:
    """An option that must have an effect: the command runs with and without it."""

    argv: kinds.Arguments
    """the option, with its value"""
    changes: kinds.Changes
    """what must differ: the names of the files left, what it prints, the reconstruction, or an entry of a JSON file"""
    field: kinds.Text = ""
    """for "field": FILE:KEY, a JSON file below {output} of the command and its entry, dots between levels"""
    command: kinds.Step = "train"
    """which command has the option"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """A field without its place, or a place that nothing asks for."""
        asked, field = table.get("changes") == "field", table.get("field")
        if asked is not (isinstance(field, str) and ":" in field):
            sentence = 'changes = "field" and field = "FILE:KEY" go together; write both, or neither'
            yield FileProblem(path=("field",) if "field" in table else ("changes",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class MLflow:
    """Switch of a target's tracking."""

    on: kinds.Extra = ()
    """arguments of train with tracking, in the place of off"""
    off: kinds.Extra = ()
    """arguments of train without, in the place of on"""
    store: kinds.Below = "mlruns"
    """what tracking leaves below {output}, and nowhere else"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """A switch that switches nothing."""
        on, off = table.get("on", []), table.get("off", [])
        if on == off:
            sentence = f"checks.mlflow has the same arguments on and off: {on!r}; say what differs"
            yield FileProblem(path=(), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class InputDump:
    """Way to get the network's input as an array."""

    argv: kinds.Extra = ()
    """arguments of train that ask for it"""
    path: kinds.Below
    """NPY or NPZ file below {output} of training"""
    key: kinds.Text = ""
    """its array in an NPZ file"""


@dataclass(frozen=True, kw_only=True, config=TABLE)
class Checks:
    """Facts on which the black-box checks may rely; each part is None or empty where the target has no such thing."""

    seed_flag: kinds.Extra = ()
    """arguments of train that set {seed}; empty: it has none"""
    short_nepochs: Whole = 1
    """value of {nepochs} in the short trainings of the checks, where one epoch is not enough to end well"""
    legacy_layout: kinds.Layout = True
    """the legacy transposed layout is read, not tried (false), or must be refused"""
    known_failures: kinds.Place = None
    """list of known failures, relative to the target file"""
    option: tuple[OptionProbe, ...] = ()
    """an option that must have an effect: the command runs with and without it"""
    mlflow: MLflow | None = None
    """how tracking is switched"""
    input_dump: InputDump | None = None
    """how the network's input is had as an array"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """A seed option without the seed."""
        flag = table.get("seed_flag")
        if isinstance(flag, list) and flag and not any("{seed}" in str(text) for text in flag):
            sentence = (
                'checks.seed_flag has no {seed}: two seeds could not be distinguished; write ["--seed", "{seed}"]'
            )
            yield FileProblem(path=("seed_flag",), sentence=sentence)


@dataclass(frozen=True, kw_only=True, config=TABLE)
class TargetFile(VersionedFile):
    """A target file: a pipeline that the harness can drive. See docs/targets.md."""

    renamed: ClassVar[Mapping[str, str]] = {"probe": "adapter"}
    """tables by the name that they had in the last release"""

    target: Header
    """who it is"""
    install: Install | None = None
    """its environment; without this table the harness's own interpreter is taken"""
    convert: Convert | None = None
    """makes the target's own input, in another process before each training"""
    train: Command | None = None
    """trains; without this table it is infer that works on the data, as an iterative engine does"""
    infer: Command
    """reconstructs from {model}, in another process"""
    device_probe: BareCommand | None = None
    """exits with 0 only if a GPU computed; without it, --device cuda is refused"""
    adapter: Adapter | None = None
    """answers requests of the parity ladder; see docs/adapter-kit.md"""
    reconstruction: ReconstructionFiles
    """what inference leaves, and how it is read: arrays, or two pictures, or arrays by an export"""
    summary: Summary | None = None
    """where training says the hash of what the network was given; without this table it does not"""
    suite: Suite | None = None
    """its own tests"""
    job: Job
    """what is run"""
    checks: Checks = Checks()
    """what the black-box checks may rely on"""
    environment: dict[str, kinds.Variable] = Field(default={})
    """variables that its commands get"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """Variables by which the harness isolates and observes a command, and what only a training can be asked for."""
        if "train" not in table:
            yield from _without_training(table)
        given = table.get("environment")
        for name in filter(is_reserved, given if isinstance(given, dict) else ()):
            sentence = f"[environment] {name} is the harness's own; allowed: any other variable; take it out"
            yield FileProblem(path=("environment", name), sentence=sentence)


def _without_training(table: Mapping[str, Any]) -> Iterator[FileProblem]:
    for name in ("infer", "convert"):
        command = table.get(name)
        if isinstance(command, dict) and any("{model}" in str(value) for value in command.values()):
            yield FileProblem(
                path=(name,), sentence=f"[{name}] has {{model}}, and there is no [train] to leave one; add it"
            )
    checks = table.get("checks")
    for number, option in entries(checks if isinstance(checks, dict) else {}, "option"):
        if option.get("command", "train") == "train":
            sentence = 'an option of train, and there is no [train]; write command = "infer"'
            yield FileProblem(path=("checks", "option", number), sentence=sentence)
