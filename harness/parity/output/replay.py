"""One comparison kept as a file, so that it can be judged again and looked at without running anything else."""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness.parity.compare.comparison import Array, Judgement, judge
from harness.parity.compare.floors import DERIVED, DRAWN, Floors
from harness.parity.compare.number_format import readable
from harness.parity.compare.rungs import PRECISIONS, RUNGS
from harness.parity.judge import rejudge as once_more
from harness.parity.judge.in_situ import quantity_of
from harness.parity.judge.ladder import limit
from harness.parity.output import element_table
from harness.system import tables
from ptycho.errors import UsageError
from ptycho.parity.request import Request, below, read_arrays, write_arrays

SCHEMA = "ptycho-parity-replay/2"


def command(path: Path) -> str:
    """Return the command that judges a kept comparison again, with the interpreter that runs now."""
    return shlex.join([typed(Path(sys.executable)), "-m", "harness", "parity", "replay", typed(path)])


def typed(path: Path) -> str:
    """A path as a person types it: from the current folder if it is below; links are not followed."""
    inside = os.path.relpath(path)
    return str(path) if inside.startswith(os.pardir) or not path.is_absolute() else inside


def save(
    path: Path,
    tensor: str,
    gridsize: int,
    sides: Mapping[str, Array | None],
    expected: Array | None,
    precision: str = PRECISIONS[0],
    *,
    derived: bool = False,
    drawn: bool = False,
) -> Path:
    """
    Keep one comparison.

    Args:
        path: file to write.
        tensor: `RUNG/NAME`.
        gridsize: g.
        sides: array by side, None where a side gave nothing.
        expected: the oracle's array, or None.
        precision: precision of the sides' answers.
        derived: whether they are of a device that is not calibrated, and are judged by derived limits.
        drawn: whether they are about a drawn problem, and are judged by its limits.
    """
    spec = {"schema": SCHEMA, "tensor": tensor, "gridsize": gridsize, "precision": precision, "sides": list(sides)}
    spec |= {name: True for name, is_so in (("derived", derived), ("drawn", drawn)) if is_so}
    arrays = {"spec": np.array(json.dumps(spec))}
    arrays |= {f"sides/{side}": value for side, value in sides.items() if value is not None}
    arrays |= {} if expected is None else {"oracle": expected}
    write_arrays(path, arrays)
    return path


def save_with_request(
    path: Path, tensor: str, request: Path, asked: Request, answers: Mapping[str, Mapping[str, Array]]
) -> Path:
    """
    Keep a judgement of R2 or R2c: the request from which its limits follow, and the answers that it rests on.

    Args:
        path: file to write.
        tensor: name of the judgement.
        request: the request's file.
        asked: the request.
        answers: arrays by side and `RUNG/NAME`.
    """
    spec = {"schema": SCHEMA, "tensor": tensor, "sides": list(answers)}
    arrays = {"spec": np.array(json.dumps(spec)), "request": np.frombuffer(request.read_bytes(), np.uint8)}
    for name in once_more.needs(asked, tensor):
        arrays |= {f"sides/{side}/{name}": given[name] for side, given in answers.items() if name in given}
    write_arrays(path, arrays)
    return path


def again(path: Path) -> Judgement:
    """
    Judge a kept comparison with the tolerances and floors of today.

    Raises:
        UsageError: it is not a file of `save` or `save_with_request`, or its rung does not exist.
    """
    arrays = read_arrays(path)
    try:
        spec = json.loads(str(arrays["spec"]))
        if spec["schema"] != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        if "request" in arrays:
            return _with_request(str(spec["tensor"]), spec["sides"], arrays)
        tensor = str(spec["tensor"])
        (rung,) = (rung for rung in RUNGS if rung.name == tensor.partition("/")[0])
        given = below(arrays, "sides/")
        sides = {side: given.get(side) for side in spec["sides"]}
        gridsize, precision = int(spec["gridsize"]), str(spec["precision"])
        floors = DRAWN if spec.get("drawn") is True else DERIVED if spec.get("derived") is True else Floors.load()
        if precision not in PRECISIONS:
            raise ValueError(f"its precision is {precision!r}")
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a replay file of this version ({error!r})") from error
    return judge(tensor, sides, arrays.get("oracle"), limit(rung, quantity_of(tensor), gridsize, precision, floors))


def _with_request(tensor: str, sides: Sequence[str], arrays: Mapping[str, Array]) -> Judgement:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "request.npz"
        file.write_bytes(arrays["request"].tobytes())
        request = Request.load(file)
    return once_more.judge(request, tensor, {side: below(arrays, f"sides/{side}/") for side in sides})


def show(judgement: Judgement) -> None:
    """Print one judgement in full."""
    for side, figure in judgement.figures.items():
        print(f"D({side}) = {readable(figure, 3)}")
    for reason in judgement.reasons:
        print(reason)
    if judgement.worst:
        rows = element_table.table([asdict(element) for element in judgement.worst], judgement.guilty)
        print(tables.plain(rows))
    for name, units in judgement.noise_units.items():
        print(f"{name} in noise units: {readable(units, 3)}")
    least = judgement.minimum_tolerance
    if least is not None:
        print(f"minimum tolerance that would pass: {readable(least, 3)}")
    print(f"{judgement.tensor}: {judgement.result}")
