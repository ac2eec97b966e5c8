"""
Maps each quantity of the ladder to the code that computes it: from the name of a comparison to a file and a function.

The table is `code_places.txt` beside this file, read from the top: the first pattern that fits a name counts. Within a
rung the rows follow the computation, so that of several quantities that fail the one in the highest row is nearest to
the cause: what is below it is computed from it. A test asks the ladder for all its names and looks every file and
function up in both backends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from harness.parity.compare.rungs import RUNGS
from harness.parity.judge.in_situ import quantity_of

_FILE = Path(__file__).with_name("code_places.txt")

CORE = "ptycho"
_PACKAGES = {"torch": "ptycho_torch", "tf": "ptycho_tf"}
_NAMES = {
    "torch": {"engine": "TorchEngine", "loader": "dset_loader_pt_mmap.py"},
    "tf": {"engine": "TensorFlowEngine", "loader": "dset_loader_tf_mmap.py"},
}
"""What the table calls `{engine}` and `{loader}`: the two names in which the backends' files differ."""


@dataclass(frozen=True, kw_only=True)
class QuantityPlaces:
    """
    One quantity, or several that the same code computes.

    Attributes:
        pattern: of `RUNG/NAME`, as `fnmatch` reads it.
        torch: `FILE:NAME` in the package of PyTorch, the likeliest first; empty where the core alone computes it.
        tf: the same in TensorFlow's; empty if it has the same names.
        core: the same in the core: what both backends take from it.
        hint: what a failure points at.
    """

    pattern: str
    torch: tuple[str, ...] = ()
    tf: tuple[str, ...] = ()
    core: tuple[str, ...] = ()
    hint: str


@cache
def rows() -> tuple[QuantityPlaces, ...]:
    """The table, from the top."""
    made = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, torch, tf, core, hint = (cell.strip() for cell in line.split("|"))
            places = (tuple(cell.split()) for cell in (torch, tf, core))
            made.append(
                QuantityPlaces(pattern=pattern, **dict(zip(("torch", "tf", "core"), places, strict=True)), hint=hint)
            )
    return tuple(made)


@dataclass(frozen=True, kw_only=True)
class CodePlace:
    """
    Place where a quantity is computed.

    Attributes:
        file: path relative to the checkout.
        name: function, `Class.method`, or constant in capitals.
    """

    file: str
    name: str

    @property
    def sentence(self) -> str:
        """`ptycho_torch/loss.py, terms()`."""
        if not self.name:
            return self.file
        is_constant = self.name.rpartition(".")[2].isupper()
        return f"{self.file}, {self.name}{'' if is_constant else '()'}"


def row(tensor: str) -> QuantityPlaces | None:
    """The row of the table for a comparison, `RUNG/NAME`; None where it has none."""
    asked = quantity_of(tensor)
    return next((row for row in rows() if fnmatchcase(asked, row.pattern)), None)


def rank(tensor: str) -> tuple[int, int]:
    """Position on the computation's way: the rung, then the row; a name without a row comes last in its rung."""
    names = [rung.name for rung in RUNGS]
    rung = tensor.partition("/")[0]
    found = row(tensor)
    return (names.index(rung) if rung in names else len(names)), len(rows()) if found is None else rows().index(found)


def hint(tensor: str) -> str:
    """Return what a failure of this quantity points at; empty where nothing is known."""
    found = row(tensor)
    return "" if found is None else found.hint


def look_at(
    tensor: str, guilty: Sequence[str], *, shared: bool = False, foreign: Sequence[str] = ()
) -> list[CodePlace]:
    """
    Return where a person should look.

    Args:
        tensor: `RUNG/NAME`.
        guilty: sides at fault.
        shared: whether both err in the same way, so that the fault is in what they have in common.
        foreign: sides whose code is another checkout, about which this table knows nothing.

    Returns:
        Places, the likeliest first; none for a foreign side or a name that is not in the table.
    """
    found = row(tensor)
    if found is None:
        return []
    if (shared and found.core) or not found.torch:
        # What a foreign side loads may come from a core of its own.
        return [] if set(guilty) & set(foreign) else _places(CORE, found.core)
    made = []
    for side in guilty:
        if side in _PACKAGES and side not in foreign:
            made += _places(_PACKAGES[side], _of_side(found, side))
    return made


def _of_side(found: QuantityPlaces, side: str) -> tuple[str, ...]:
    texts = found.torch if side == "torch" else (found.tf or found.torch)
    return tuple(text.format(**_NAMES[side]) for text in texts)


def _places(package: str, texts: Sequence[str]) -> list[CodePlace]:
    made = []
    for text in texts:
        file, _, name = text.partition(":")
        made.append(CodePlace(file=f"{package}/{file}", name=name))
    return made
