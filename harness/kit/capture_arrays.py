"""
Run a program unchanged, and keep the arrays that it draws: for a pipeline that leaves pictures only.

A saved figure has lost the range of its values, is resampled, and has a colour bar beside it; nothing sound can be
computed from it. But the array was given to matplotlib in full precision. This runs the program as Python would, and
when a figure with one of the given file names is saved, keeps the array of its first image.

    python capture_arrays.py OUT.npz AMPLITUDE.png PHASE.png -m package.module --its --arguments
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

USAGE = "usage: capture_arrays.py OUT.npz AMPLITUDE.png PHASE.png (-m MODULE | SCRIPT) [ARGUMENT ...]"


def watch(names: tuple[str, ...]) -> dict[str, Any]:
    """
    From now on keep what is drawn into figures of these file names.

    Returns:
        The arrays by name, filled as figures are saved.
    """
    import numpy as np
    from matplotlib.figure import Figure

    kept: dict[str, Any] = {}
    plain = Figure.savefig

    def savefig(figure: Figure, fname: Any, *args: Any, **kwargs: Any) -> Any:
        name = Path(str(fname)).name
        images = [image for axes in figure.axes for image in axes.images]
        if name in names and images:
            kept[name] = np.array(images[0].get_array(), dtype=np.float64)
        return plain(figure, fname, *args, **kwargs)

    setattr(Figure, "savefig", savefig)  # noqa: B010 - an assignment to a method is refused by type checkers
    return kept


def run(arguments: list[str]) -> None:
    """Run `-m MODULE` or a script as the interpreter would, with the arguments that follow."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        runpy.run_path(arguments[0], run_name="__main__")


def main(arguments: list[str]) -> int:
    """Run, then write `object`; returns the program's own exit code unless nothing was drawn."""
    if len(arguments) < 4 or (arguments[3] == "-m" and len(arguments) < 5):
        print(USAGE, file=sys.stderr)
        return 2
    out, amplitude, phase, *program = arguments
    if "--help" in program:
        run(program)  # which options there are, only the program can say; it draws nothing
        return 0
    kept = watch((amplitude, phase))
    try:
        run(program)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    if missing := [name for name in (amplitude, phase) if name not in kept]:
        print(f"error: the program drew no image into {', '.join(missing)}; repair the names", file=sys.stderr)
        return 1
    import numpy as np

    Path(out).parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, object=kept[amplitude] * np.exp(1j * kept[phase]))
    return 0


if __name__ == "__main__":
    # The folder of this file must not be where the program's imports are looked for first.
    sys.path[0:1] = []
    raise SystemExit(main(sys.argv[1:]))
