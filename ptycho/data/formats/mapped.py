"""
Files whose names say nothing to us: HDF5 and MATLAB files with a short mapping, `--map diffraction=I,x=pos/x`.

What cannot be guessed is asked for: without a mapping the names that there are are listed. MATLAB stores the first axis
fastest, so that h5py shows its arrays (7.3) with all axes reversed; they are turned back. Its vectors have two axes.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ptycho.data.formats import hdf5
from ptycho.data.formats.opened import Arrays, Column, ForeignFile, in_memory
from ptycho.errors import ContractError, InfrastructureError, UsageError

KEYS: Mapping[str, str] = {
    "diffraction": "diff3d",
    "probe": "probeGuess",
    "object": "objectGuess",
    "x": "xcoords",
    "y": "ycoords",
    "x_start": "xcoords_start",
    "y_start": "ycoords_start",
    "scan_index": "scan_index",
    "bad_pixels": "bad_pixels",
    "good_pixels": "bad_pixels",
}
"""What a mapping may name, and the contract's keys. `bad_pixels` is true where bad, `good_pixels` where good."""

_VECTORS = ("xcoords", "ycoords", "xcoords_start", "ycoords_start", "scan_index")
_MATLAB = re.compile(rb"MATLAB (5|7)\.\d MAT-file")
_COLUMN = re.compile(r"^(?P<name>.+?)\[(?::,)?(?P<column>\d+)\]$")


def parse(text: str) -> dict[str, str]:
    """
    A mapping from its words.

    Raises:
        UsageError: words that are not a mapping, listing all.

    Example:
        >>> parse("diffraction=I,x=pos[:,0],y=pos[:,1]")
        {'diffraction': 'I', 'x': 'pos[:,0]', 'y': 'pos[:,1]'}
    """
    # A comma is also part of `pos[:,0]`.
    words = re.split(r",(?![^\[]*\])", text)
    found: dict[str, str] = {}
    problems = []
    for word in words:
        key, equals, name = word.partition("=")
        if not equals or not name or key not in KEYS:
            problems.append(f"{word!r}; allowed: NAME=PATH with NAME one of {', '.join(KEYS)}")
        elif key in found:
            problems.append(f"{key} is given twice")
        found[key] = name
    if problems:
        raise UsageError("--map cannot be read:\n" + "\n".join(f"  - {problem}" for problem in problems))
    return found


def is_matlab_5(head: bytes) -> bool:
    """Whether a file begins as MATLAB 5 files do."""
    return _MATLAB.match(head) is not None and not head.startswith(b"MATLAB 7.3")


def is_matlab(file: Any) -> bool:
    """Whether an HDF5 file was written by MATLAB 7.3."""
    with Path(file.filename).open("rb") as handle:
        return handle.read(16).startswith(b"MATLAB 7.3")


def read_hdf5(path: Path, file: Any, mapping: Mapping[str, str] | None) -> ForeignFile:
    """An HDF5 file of any kind."""
    matlab = is_matlab(file)
    kind = "MATLAB 7.3" if matlab else "HDF5"
    names = hdf5.tree(file, reverse=matlab)
    if mapping is None:
        return _unmapped(path, kind, names)

    def find(name: str) -> Column | None:
        column = hdf5.dataset(file, name, name.replace(".", "/"))
        if column is None:
            return None
        return Column(name=column.name, values=column.values, reverse=matlab, dtype=column.dtype)

    return _mapped(path, kind, mapping, find, names)


def read_matlab_5(path: Path, mapping: Mapping[str, str] | None) -> ForeignFile:
    """
    A MATLAB 5 file.

    Raises:
        ContractError: it cannot be read as one.
    """
    try:
        from scipy.io import loadmat, whosmat
        from scipy.io.matlab import MatReadError
    except ModuleNotFoundError as error:
        raise InfrastructureError(
            "scipy is not installed, and MATLAB 5 files need it; install a lane's lock"
        ) from error
    try:
        names = [f"{name} {shape}" for name, shape, _ in whosmat(path)]
        if mapping is None:
            return _unmapped(path, "MATLAB 5", names)
        held = loadmat(path, variable_names=sorted({_root(name) for name in mapping.values()}), simplify_cells=True)
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError, IndexError, KeyError) as error:
        raise ContractError(
            path, [f"it cannot be read as MATLAB 5 ({error}); save it again, with -v7 or -v7.3"]
        ) from error

    def find(name: str) -> Column | None:
        value: Any = held
        for part in re.split(r"[./]", name):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        return None if isinstance(value, dict) else in_memory(name, value)

    return _mapped(path, "MATLAB 5", mapping, find, names)


def _root(name: str) -> str:
    return re.split(r"[./\[]", name)[0]


def _unmapped(path: Path, kind: str, names: list[str]) -> ForeignFile:
    listed = "; ".join(names[:20]) + (f"; and {len(names) - 20} more" if len(names) > 20 else "")
    return ForeignFile(
        path=path,
        format=kind,
        arrays=Arrays(columns={}),
        violations=(
            (
                f"{kind} file of no layout that is known, and none is guessed: say which array is which, as in "
                f"--map diffraction=PATH,probe=PATH,x=PATH,y=PATH; it holds {listed or 'no array'}"
            ),
        ),
    )


def _mapped(
    path: Path, kind: str, mapping: Mapping[str, str], find: Callable[[str], Column | None], names: list[str]
) -> ForeignFile:
    columns: dict[str, Column] = {}
    violations = []
    for word, name in mapping.items():
        key, match = KEYS[word], _COLUMN.match(name)
        column = find(match["name"] if match else name)
        if column is None:
            violations.append(f"--map {word}={name}: there is no such array; it holds {'; '.join(names[:20])}")
            continue
        if column.kind.kind not in "biufc":
            violations.append(f"--map {word}={name}: it holds {column.kind}, no numbers")
            continue
        if match is not None:
            whole = column.whole()
            if whole.ndim != 2 or int(match["column"]) >= whole.shape[1]:
                violations.append(f"--map {word}={name}: it has shape {whole.shape}; allowed: a column that it has")
                continue
            column = in_memory(name, whole[:, int(match["column"])])
        if key in _VECTORS and len(column.shape) == 2 and 1 in column.shape:
            column = in_memory(name, column.whole().ravel())
        if word == "good_pixels":
            column = in_memory(name, column.whole() == 0)
        columns[key] = column
    notes = ("axes of arrays are as MATLAB shows them",) if kind.startswith("MATLAB") else ()
    return ForeignFile(
        path=path,
        format=kind,
        arrays=Arrays(columns=columns),
        metadata={"format": kind},
        violations=tuple(violations),
        notes=notes,
    )
