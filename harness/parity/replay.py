"""One comparison kept as a file, so that it can be judged again and looked at without running anything else."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.parity.comparison import Array, Judgement, judge
from harness.parity.rungs import RUNGS
from ptycho.errors import UsageError
from ptycho.probe import below, read_arrays, write_arrays

SCHEMA = "ptycho-parity-replay/1"


def command(path: Path) -> str:
    """What to type to judge a kept comparison again."""
    return f"python -m harness parity --replay {path}"


def save(path: Path, tensor: str, gridsize: int, sides: Mapping[str, Array | None], expected: Array | None) -> Path:
    """
    Keep one comparison.

    Args:
        path: file to write.
        tensor: `RUNG/NAME`.
        gridsize: g.
        sides: array by side, None where a side gave nothing.
        expected: the oracle's array, or None.
    """
    spec = {"schema": SCHEMA, "tensor": tensor, "gridsize": gridsize, "sides": list(sides)}
    arrays = {"spec": np.array(json.dumps(spec))}
    arrays |= {f"sides/{side}": value for side, value in sides.items() if value is not None}
    arrays |= {} if expected is None else {"oracle": expected}
    write_arrays(path, arrays)
    return path


def again(path: Path) -> Judgement:
    """
    Judge a kept comparison with the tolerances of today.

    Raises:
        UsageError: it is no file of `save`, or its rung does not exist.
    """
    arrays = read_arrays(path)
    try:
        spec = json.loads(str(arrays["spec"]))
        if spec["schema"] != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        tensor = str(spec["tensor"])
        (rung,) = (rung for rung in RUNGS if rung.name == tensor.partition("/")[0])
        given = below(arrays, "sides/")
        sides = {side: given.get(side) for side in spec["sides"]}
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is no replay file of this version ({error!r})") from error
    return judge(tensor, sides, arrays.get("oracle"), 0.0 if rung.tolerance is None else rung.tolerance)


def show(judgement: Judgement) -> None:
    """Print one judgement in full."""
    for side, figure in judgement.figures.items():
        print(f"D({side}) = {figure:.3e}")
    for reason in judgement.reasons:
        print(reason)
    for element in judgement.worst:
        print(f"{list(element.index)}: " + ", ".join(f"{name} {value}" for name, value in element.values.items()))
    least = judgement.minimum_tolerance
    if least is not None:
        print(f"minimum tolerance that would pass: {least:.3e}")
    print(f"{judgement.tensor}: {judgement.result}")
