"""
Record a running model of PyTorch or Keras by hooks: every layer, gradient and optimiser step, as arrays and JSON.

The maintainer writes a *subject*: a Python file with three functions, two more if wanted.

    def model():                      # the model, in the mode in which it is trained
        return Net()
    def batch():                      # one batch: NumPy arrays, in this code base's own layout
        return x, y
    def loss(model, x, y):            # one number; calls the model as training calls it
        return ((model(x) - y) ** 2).mean()
    def optimizer(model):             # optional: its steps are recorded (PyTorch: or optimiser and scheduler)
        return Adam(model.parameters(), lr=1e-3)
    def train(model):                 # optional: a short training of the code base's own, watched for what must hold
        ...
    SAMPLES, EPOCHS, STEPS = 64, 2, 8 # optional: what train() should see; LEARNING_RATES = [...], one a step

It is run with `python ptycho_attach.py SUBJECT.py --out DIR [--request NPZ]` and leaves `recording.npz` and
`recording.json`. It needs NumPy, the files beside it, and whatever the subject imports: the framework is taken from
`sys.modules` after the subject has imported it. Runs on Python 3.10 and later.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SCHEMA = "ptycho-attach/1"
ARRAYS, MANIFEST = "recording.npz", "recording.json"
UNIT = 2.0**-24
"""Unit roundoff of float32: by so much of itself each number is moved, to see what rounding makes of a tensor."""

DEFAULTS: Mapping[str, Any] = {"precisions": ["f32", "f64"], "draws": 3, "steps": 3, "seed": 0, "train": True}
WIDE = {"f32": (np.float32, np.complex64), "f64": (np.float64, np.complex128)}
Array = np.ndarray[Any, Any]


class AttachError(Exception):
    """The subject cannot be recorded; the message says why and what to do. Ends the command with 2."""


class Noise:
    """Moves every element by one unit of itself, up or down at random."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def factor(self, shape: Sequence[int]) -> Array:
        """1 ± unit for each element."""
        return np.asarray(1 + UNIT * (2 * self._random.integers(0, 2, tuple(shape)) - 1))

    def __call__(self, array: Array) -> Array:
        """The array, moved; whole numbers stay."""
        if array.dtype.kind not in "fc":
            return array
        wide = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        return np.asarray(wide * self.factor(array.shape))


class Tape:
    """
    Recording of one run of a model: calls in order, arrays by name, what was wrong.

    Args:
        noise: moves what enters and leaves each layer; None for a plain run.

    Attributes:
        arrays: by name: `call/3/in/0`, `call/3/out/0`, `call/3/grad/0`, `weight/NAME`, `grad/NAME`, `state/NAME`,
            `step/0/NAME`, `loss`.
        calls: one dictionary a call: layer, kind, settings, mode, shapes and types.
        steps: one dictionary an optimiser step: loss, rate, count, mode.
        open: whether calls are recorded at this moment.
        depth: how many recorded calls we are inside of.
        training: whether each layer was in training mode when it was called.
    """

    def __init__(self, noise: Noise | None = None) -> None:
        self.noise = noise
        self.arrays: dict[str, Array] = {}
        self.calls: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.open = False
        self.depth = 0
        self._count: dict[str, int] = {}

    def begin(
        self,
        layer: str,
        kind: str,
        inputs: Sequence[tuple[Array, str]],
        settings: Mapping[str, Any],
        training: bool | None,
    ) -> int:
        """A layer is called with arrays, each with the name of its type there; returns the call's number."""
        number = len(self.calls)
        self._count[layer] = self._count.get(layer, 0) + 1
        times = self._count[layer]
        self.calls.append(
            {
                "name": layer if times == 1 else f"{layer}#{times}",
                "layer": layer,
                "kind": kind,
                "settings": dict(settings),
                "training": training,
                "inputs": [_described(*entry) for entry in inputs],
                "outputs": [],
            }
        )
        for position, (array, _) in enumerate(inputs):
            self.arrays[f"call/{number}/in/{position}"] = np.array(array)
        return number

    def end(self, number: int, outputs: Sequence[tuple[Array, str]]) -> None:
        """A call returned."""
        self.calls[number]["outputs"] = [_described(*entry) for entry in outputs]
        for position, (array, _) in enumerate(outputs):
            self.arrays[f"call/{number}/out/{position}"] = np.array(array)

    @contextlib.contextmanager
    def recording(self, wanted: bool) -> Iterator[None]:
        """Record calls in the block, if wanted."""
        self.open = wanted
        try:
            yield
        finally:
            self.open = False


def _described(array: Array, dtype: str = "") -> dict[str, Any]:
    """Shape and type; a type that NumPy does not know (bfloat16) is recorded, and its array is wider."""
    return {"shape": list(array.shape), "dtype": dtype or str(array.dtype)}


def distance(actual: Array, expected: Array) -> float:
    """‖a − b‖ / ‖b‖; infinite for other shapes, NaN, or where only `expected` is zero."""
    if actual.shape != expected.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        gap = float(np.linalg.norm(np.ravel(actual.astype(np.complex128) - expected)))
        size = float(np.linalg.norm(np.ravel(expected.astype(np.complex128))))
    if gap == 0:
        return 0.0
    return gap / size if size > 0 and np.isfinite(gap / size) else float("inf")


def load_subject(path: Path) -> Any:
    """
    Import a subject from its path, its folder first on the import path.

    Raises:
        AttachError: it lacks a function.
    """
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location("ptycho_attach_subject", path)
    assert spec is not None
    assert spec.loader is not None
    subject = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = subject
    spec.loader.exec_module(subject)
    if missing := [name for name in ("model", "batch", "loss") if not callable(getattr(subject, name, None))]:
        raise AttachError(f"{path} has no function {', '.join(missing)}; it needs model(), batch() and loss(model, …)")
    return subject


def beside(name: str) -> Any:
    """A module that lies beside this file, whatever the import path is."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def framework_of(model: Any) -> Any:
    """
    The module that records models of this kind.

    Raises:
        AttachError: it is a model of neither framework.
    """
    for name in ("ptycho_attach_torch", "ptycho_attach_keras"):
        framework = beside(name)
        if framework.owns(model):
            return framework
    raise AttachError(
        f"model() gave a {type(model).__module__}.{type(model).__qualname__}; allowed: a torch.nn.Module, or a Keras 2 "
        "or 3 layer or model on TensorFlow"
    )


def read_request(path: Path | None) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what is asked, over `DEFAULTS`, and its arrays: `batch/0`, `weight/NAME`."""
    if path is None:
        return dict(DEFAULTS), {}
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return {**DEFAULTS, **json.loads(str(arrays.pop("spec")))}, arrays


def below(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Entries whose names begin with a prefix, by the rest of their names."""
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def as_arrays(batch: Any) -> list[Array]:
    """A batch as arrays; one that is not a tuple or list is its only one."""
    parts = list(batch) if isinstance(batch, (tuple, list)) else [batch]
    arrays = [part.detach().cpu().numpy() if hasattr(part, "detach") else np.asarray(part) for part in parts]
    if any(array.dtype.hasobject for array in arrays):
        raise TypeError("a batch holds Python objects, or rows of different lengths; allowed: arrays of numbers")
    return arrays


class Session:
    """
    One subject, recorded again and again from the same weights and batch.

    Args:
        subject: the maintainer's module.
        asked: what is asked (`DEFAULTS`).
        given: arrays of the request.
    """

    def __init__(self, subject: Any, asked: Mapping[str, Any], given: Mapping[str, Array]) -> None:
        self.subject, self.asked = subject, asked
        self.batch = [given.get(f"batch/{number}", array) for number, array in enumerate(as_arrays(subject.batch()))]
        self.weights: dict[str, Array] = below(given, "weight/")
        self.framework: Any = None

    def build(self, precision: str) -> Any:
        """A model with all its weights made; from the second time on they are those of the first, or the request's."""
        for name in ("ptycho_attach_torch", "ptycho_attach_keras"):
            beside(name).set_precision(precision)
        model = self.subject.model()
        self.framework = self.framework or framework_of(model)
        model = self.framework.ready(model, precision)
        self.framework.dry_run(model, self.subject.loss, self.cast(precision))
        self.framework.assign(model, self.weights)
        # What no request names is the model's own: kept, so that all runs begin alike.
        self.weights = {**self.framework.weights(model), **self.weights}
        self.framework.assign(model, self.weights)
        return model

    def cast(self, precision: str, noise: Noise | None = None) -> Any:
        """The batch as tensors; numbers with a fraction in the precision of the run."""
        real, complex_ = WIDE[precision]
        moved = [array if noise is None else noise(array) for array in self.batch]
        wide = [a.astype({"f": real, "c": complex_}[a.dtype.kind]) if a.dtype.kind in "fc" else a for a in moved]
        return self.framework.tensors(wide)

    def run(self, model: Any, precision: str, noise: Noise | None = None) -> Tape:
        """Forward, backward and the optimiser's steps, once, from the same weights as ever."""
        tape = Tape(noise)
        begin = self.weights if noise is None else {name: noise(value) for name, value in self.weights.items()}
        self.framework.assign(model, begin)
        make = getattr(self.subject, "optimizer", None)
        self.framework.record(
            model,
            self.subject.loss,
            self.cast(precision, noise),
            tape,
            optimizer=None if make is None else make(model),
            steps=self.asked["steps"],
        )
        return tape


def floors_of(base: Tape, moved: Sequence[Tape]) -> dict[str, float]:
    """Return what rounding makes of each array: the largest distance of moved runs from the plain one."""
    found = {}
    for name, array in base.arrays.items():
        if array.dtype.kind in "fc":
            others = [tape.arrays[name] for tape in moved if name in tape.arrays]
            found[name] = max((min(distance(other, array), 1e30) for other in others), default=0.0)
    return found


def record(subject: Any, asked: Mapping[str, Any], given: Mapping[str, Array], out: Path) -> None:
    """Record a subject in every precision that it allows, and write the recording."""
    session = Session(subject, asked, given)
    manifest: dict[str, Any] = {"schema": SCHEMA, "runs": {}, "failures": {}, "floors": {}, "training": None}
    arrays: dict[str, Array] = {}
    model: Any = None
    for precision in asked["precisions"]:
        try:
            built = session.build(precision)
            tape = session.run(built, precision)
            moved = [session.run(built, precision, Noise(asked["seed"] + draw)) for draw in range(asked["draws"])]
        except Exception as error:
            if precision == "f32":
                raise
            manifest["failures"][precision] = f"{type(error).__name__}: {str(error)[:600]}"
            continue
        model = built if model is None else model
        manifest["runs"][precision] = {"calls": tape.calls, "steps": tape.steps}
        manifest["floors"][precision] = floors_of(tape, moved)
        arrays |= {f"{precision}/{name}": array for name, array in tape.arrays.items()}
    framework = session.framework
    manifest |= {
        "framework": framework.NAME,
        "versions": framework.versions() | {"python": sys.version.split()[0], "numpy": np.__version__},
        "layers": framework.layers(model),
        "optimizer": framework.describe_optimizer(subject.optimizer(model)) if hasattr(subject, "optimizer") else None,
        "batch": [_described(array) for array in session.batch],
    }
    arrays |= {f"batch/{number}": array for number, array in enumerate(session.batch)}
    if asked["train"] and callable(getattr(subject, "train", None)):
        fresh = session.build("f32")
        watch = getattr(beside("ptycho_attach_training"), f"watch_{framework.NAME}")
        manifest["training"] = watch(framework, fresh, subject.train)
        names = ("EPOCHS", "SAMPLES", "LEARNING_RATES", "STEPS")
        manifest["expected"] = {name.lower(): getattr(subject, name) for name in names if hasattr(subject, name)}
    write(out, arrays, manifest)


def write(out: Path, arrays: Mapping[str, Array], manifest: Mapping[str, Any]) -> None:
    """Write both files; the manifest last, so that where it is there the recording is whole."""
    out.mkdir(parents=True, exist_ok=True)
    plain: dict[str, Any] = {name: a.astype(np.float32) if a.dtype.kind == "V" else a for name, a in arrays.items()}
    with (out / ARRAYS).open("wb") as file:
        np.savez(file, **plain)
    beside_it = out / f".{MANIFEST}.{os.getpid()}"
    beside_it.write_text(json.dumps(manifest, indent=1, default=_plain) + "\n", encoding="utf-8")
    beside_it.replace(out / MANIFEST)


def _plain(value: Any) -> Any:
    """Return what JSON does not know: NumPy's numbers as Python's, anything else by its text."""
    return value.item() if isinstance(value, np.generic) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Record a running model of PyTorch or Keras.")
    parser.add_argument("subject", type=Path, metavar="SUBJECT.py")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--request", type=Path, metavar="NPZ", help="weights and batch to use, and what is asked")
    args = parser.parse_args(arguments)
    # This folder must not be where the subject's imports are looked for first.
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]
    try:
        asked, given = read_request(args.request)
        record(load_subject(args.subject), asked, given, args.out)
    except AttachError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    # Modules beside this file ask for it by its name.
    sys.modules.setdefault("ptycho_attach", sys.modules["__main__"])
    raise SystemExit(main())
