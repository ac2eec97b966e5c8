"""
The environment of a child, built from an allow-list: what the caller happens to have set must not change a verdict.

Everything that a program may write to by habit (HOME, TMPDIR, caches, the working directory and its parent) is a
folder of the command's own, its *cell*, so that what it leaves there is seen exactly.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.system.identity import TOKEN_VARIABLE
from ptycho.errors import InfrastructureError, UsageError

ALLOWED = ("PATH", "LANG", "LANGUAGE", "TERM", "TZ", "LD_LIBRARY_PATH", "PTYCHO_DATA")
ALLOWED_PREFIXES = ("LC_",)
GPU_PREFIXES = ("CUDA_", "NVIDIA_", "HIP_", "ROCR_")
HIDE_GPUS = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
RESERVED = (
    *("HOME", "TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE", "PYTHONPLATLIBDIR", *HIDE_GPUS),
    *("LD_PRELOAD", "LD_AUDIT"),
)
RESERVED_PREFIXES = ("PTYCHO_HARNESS_",)
"""Variables that isolate a command and let it be observed; no target may set them."""

CACHES = {
    "CUDA_CACHE_PATH": "cuda",
    "HF_HOME": "huggingface",
    "KERAS_HOME": "keras",
    "NUMBA_CACHE_DIR": "numba",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
}
"""
Variables that name a tool's cache, and its folder in a command's own. What is compiled or fetched and kept is no leak;
what reports home or litters is one, and nothing is set that would hide it.
"""

OBSERVER = Path(__file__).parents[1] / "system" / "injected"
WRITES_VARIABLE = "PTYCHO_HARNESS_WRITES"
"""Names the log of a command's cell to each process of it, and so says whose it is."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """
    The folders of one command, all in the run's scratch.

    Attributes:
        path: the cell; its subfolders are the properties below.
    """

    path: Path

    @property
    def parent(self) -> Path:
        """Parent of the working directory, which holds nothing else."""
        return self.path / "workspace"

    @property
    def cwd(self) -> Path:
        """Working directory."""
        return self.parent / "cwd"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR."""
        return self.path / "tmp"

    @property
    def cache(self) -> Path:
        """Caches: the one place where a command may leave what it likes."""
        return self.path / "cache"

    @property
    def output(self) -> Path:
        """The output folder given to the command."""
        return self.path / "output"

    @property
    def writes(self) -> Path:
        """Log of the paths outside the cell that the command wrote to (`harness/system/injected`)."""
        return self.path / "writes.log"

    @property
    def devices(self) -> Path:
        """Log of what the command's processes touched of a GPU (`harness/system/injected`)."""
        return self.path / "devices.log"

    def make(self) -> "Sandbox":
        """Make the folders, all but the output, which is the command's own to make."""
        for folder in (self.cwd, self.home, self.tmp, self.cache):
            folder.mkdir(parents=True)
        return self


def is_reserved(name: str) -> bool:
    """Whether a variable is one of those that no target may set."""
    return name.upper() in RESERVED or name.upper().startswith(RESERVED_PREFIXES)


def home() -> Path | None:
    """The caller's home folder; None for a user without one (no HOME, no entry in the table of users)."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: Path) -> Path:
    """
    A path with `~` replaced.

    Raises:
        UsageError: it begins with the home folder of a user who has none.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        sentence = f"{path} begins with a home folder that is not known; write the whole path, or set HOME"
        raise UsageError(sentence) from error


def check_path(*paths: Path) -> None:
    """
    Refuse folders that cannot be handed to a child as a place to import from.

    Raises:
        InfrastructureError: one has the separator of such lists in its name.
    """
    for path in paths:
        if os.pathsep in str(path):
            raise InfrastructureError(
                f"{str(path)!r} has a {os.pathsep!r} in its name, which separates folders in PYTHONPATH; "
                "use a checkout below folders without it"
            )


def inherited(caller: Mapping[str, str], *, gpu: bool) -> dict[str, str]:
    """
    Return what a child may inherit from the caller's environment.

    Args:
        caller: the caller's environment.
        gpu: whether the lane may use a GPU; if not, every GPU is hidden from the moment of exec.
    """
    prefixes = ALLOWED_PREFIXES + (GPU_PREFIXES if gpu else ())
    kept = {name: value for name, value in caller.items() if name in ALLOWED or name.startswith(prefixes)}
    return kept if gpu else kept | HIDE_GPUS


def build(
    cell: Sandbox, *, token: str, scratch: Path, events: Path, import_root: Path, gpu: bool, extra: Mapping[str, str]
) -> dict[str, str]:
    """
    The whole environment of a command.

    Args:
        cell: its folders.
        token: the run's token; joined to an outer run's, so that nested runs are found by both.
        scratch: the run's scratch: writes below it are nobody's concern.
        events: the run's event log, to which a child may append.
        import_root: folder from which the target's packages are imported.
        gpu: whether the lane may use a GPU.
        extra: the target's own variables, already filled in.
    """
    check_path(OBSERVER, import_root)
    outer = os.environ.get(TOKEN_VARIABLE)
    return {
        **inherited(os.environ, gpu=gpu),
        "HOME": str(cell.home),
        "TMPDIR": str(cell.tmp),
        "XDG_CACHE_HOME": str(cell.cache),
        "XDG_CONFIG_HOME": str(cell.home / ".config"),
        "MPLCONFIGDIR": str(scratch / "matplotlib"),  # one font cache for all commands: it takes a second to build
        "MPLBACKEND": "agg",
        **{name: str(cell.cache / folder) for name, folder in CACHES.items()},
        "PYTHONPATH": os.pathsep.join((str(OBSERVER), str(import_root))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        TOKEN_VARIABLE: f"{outer}:{token}" if outer else token,
        "PTYCHO_HARNESS_SCRATCH": str(scratch),
        WRITES_VARIABLE: str(cell.writes),
        "PTYCHO_HARNESS_DEVICES": str(cell.devices),
        "PTYCHO_HARNESS_EVENTS": str(events),
        **extra,
    }
