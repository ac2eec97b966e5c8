"""A driver library that is none: a small library under the driver's name, or one built where there is a compiler."""

import shutil
import subprocess
from pathlib import Path

SOURCE = "int cuInit(unsigned int flags) { return (int)flags; }\n"


def copied(folder: Path) -> Path:
    """A library of this process's own interpreter or C library, under the driver's name."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {Path(line.split(maxsplit=5)[-1]) for line in lines if ".so" in line}
    # A second C library or loader in a process would not do it good.
    fit = [path for path in mapped if path.is_file() and not path.name.startswith(("libc.", "libc-", "ld-"))]
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(min(fit, key=lambda path: path.stat().st_size), folder / "libcuda.so.1"))


def built(folder: Path) -> Path | None:
    """A library with `cuInit`, or None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "driver.c").write_text(SOURCE)
    made = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(folder / "driver.c")], check=True)
    return made
