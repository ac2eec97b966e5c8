"""
The control of the proof: a child that touches a GPU on purpose, and must be caught from outside and from inside.

It runs in every lane and not only in the tests, since what blinds the instruments is a matter of the place: a
container that hides `/proc`, an interpreter that does not load the observer, a kernel without lists of children. One
bare child of the target's own interpreter costs a tenth of a second.

With a driver it calls `cuInit`. Without one it maps a file with the driver's name and opens one with a device's: the
instruments go by names, and see no difference.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.isolation import sandbox
from harness.isolation.gpu_untouched import PROVABLE, GpuWatcher, last_words
from harness.isolation.sandbox import HIDE_GPUS, Sandbox
from harness.process import supervise
from harness.record.findings import Finding
from harness.system.signals import Interruption

LIMIT_S = 20.0
PLANT = """
import ctypes, mmap, os, pathlib, sys, time
folder, release, limit = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), time.monotonic() + float(sys.argv[3])
try:
    plant = "driver" if ctypes.CDLL("libcuda.so.1").cuInit(0) == 0 else "stand-in"
except OSError:
    plant = "stand-in"
if plant == "stand-in":
    (folder / "dev").mkdir()
    (folder / "libcuda.so.1").write_bytes(bytes(mmap.PAGESIZE))
    (folder / "dev" / "nvidia0").touch()
    library = os.open(folder / "libcuda.so.1", os.O_RDONLY)
    mapped = mmap.mmap(library, 0, prot=mmap.PROT_READ)
    device = os.open(folder / "dev" / "nvidia0", os.O_RDONLY)
print(plant, flush=True)
while not release.exists() and time.monotonic() < limit:
    time.sleep(0.005)
"""
"""What the child does; it waits to be seen, so that the control does not depend on how busy the machine is."""

SIGNS = {"variable": " began with CUDA_VISIBLE_DEVICES=", "library": " maps ", "device file": " has "}
"""What must be caught, and by which words."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """
    End of the control.

    Attributes:
        provable: whether this system lets processes be looked at; without that, nothing is planted.
        plant: `"driver"`, `"stand-in"`, or `""` if the child did not come to plant anything.
        caught: instrument and sign, each.
        missed: the same, of what was not caught.
    """

    provable: bool
    plant: str = ""
    caught: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """Return what is wrong: an instrument that misses what is there proves nothing by its silence."""
        if not self.missed:
            return []
        sentence = f"device: a planted use of a GPU was not caught: {', '.join(self.missed)}"
        return [Finding(id="device-unproven", subject="control", sentence=sentence)]

    def as_fields(self) -> dict[str, Any]:
        """Fields of the event `device.control`."""
        return asdict(self)


def run(
    python: Path,
    cell: Sandbox,
    *,
    token: str,
    scratch: Path,
    events: Path,
    log: Path,
    interruption: Interruption,
    provable: bool = PROVABLE,
    watching: Callable[..., GpuWatcher] = GpuWatcher,
) -> Control:
    """
    Plant a use of a GPU and look whether it is caught.

    Args:
        python: the interpreter that the lane's commands run with.
        cell: folders of the child.
        token: token of the run.
        scratch: scratch of the run.
        events: the run's log.
        log: file for the child's output.
        interruption: asked while waiting.
        provable: whether this system lets processes be looked at.
        watching: makes what looks from outside.

    Raises:
        InfrastructureError: the interpreter does not start.
    """
    if not provable:
        return Control(provable=False)
    # Without pauses: the child waits to be seen.
    watch, release = watching(cell, walk_s=0.0), cell.path / "release"
    env = sandbox.build(
        cell,
        token=token,
        scratch=scratch,
        events=events,
        import_root=cell.cwd,
        gpu=False,
        extra=dict.fromkeys(HIDE_GPUS, "0"),
    )

    def look() -> None:
        watch.sample()
        if all(any(sign in sentence for sentence in watch.found) for sign in SIGNS.values()):
            release.touch()

    finished = supervise.run(
        [str(python), "-c", PLANT, str(cell.cache), str(release), str(LIMIT_S / 2)],
        env=env,
        cwd=cell.cwd,
        log=log,
        timeout_s=LIMIT_S,
        token=token,
        interruption=interruption,
        meanwhile=look,
    )
    plant = finished.tail(1).strip() if finished.returncode == 0 else ""
    seen = {"from outside": watch.found, "from inside": tuple(last_words(cell.devices)[1])}
    signs = {
        f"{sign} {side}": any(words in sentence for sentence in sentences)
        for side, sentences in seen.items()
        for sign, words in SIGNS.items()
    }
    return Control(
        provable=True,
        plant=plant,
        caught=tuple(name for name, caught in signs.items() if caught),
        missed=tuple(name for name, caught in signs.items() if not caught),
    )
