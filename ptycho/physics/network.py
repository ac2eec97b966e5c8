"""
The reference network and its gradient in plain NumPy float64, written from the description and not from either backend.

Channels first, nine shifted products per convolution, up-sampling by copying, each gradient beside what it belongs to:
slow, and too simple to hide a mistake. It is the third party that says which of two backends is wrong.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.config import ModelConfig
from ptycho.physics.architecture import BORDER_CHANNELS, DECODERS, Architecture
from ptycho.physics.weights import LOG_SCALE, Weights

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Gradients = dict[str, Real]


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """
    Result of one operation, and the way back.

    Attributes:
        output: its result.
        pull: gradient to the output -> gradient to the input, and to each of its own weights.
    """

    output: Real
    pull: Callable[[Real], tuple[Real, Gradients]]


Operation = Callable[[Real], OperationResult]


Rounding = Callable[[Any], Any]
"""The change of the result of each operation that rounds, of its own shape: `exactly`, or a perturbation of it."""


def exactly(value: Any) -> Any:
    """The result as it is."""
    return value


@dataclass(frozen=True)
class MixedRounding:
    """
    Rounding of a pass in mixed precision, called like any other.

    Attributes:
        wide: of everything but convolutions.
        narrow: of what a convolution takes (image, kernel, bias, gradient) and of what it gives.
    """

    wide: Rounding
    narrow: Rounding

    def __call__(self, value: Any) -> Any:
        """Round what is not a convolution's."""
        return self.wide(value)


def _of_convolutions(rounded: Rounding) -> Rounding:
    return rounded.narrow if isinstance(rounded, MixedRounding) else exactly


def convolve(x: Real, kernel: Real, bias: Real, rounded: Rounding = exactly) -> Real:
    """
    `(B, in, H, W)` with `(out, in, 3, 3)` -> `(B, out, H, W)`: cross-correlation, one pixel of zeros about.

    Each of the nine partial sums is rounded: a sum near zero errs by its terms' size, and not by its own.
    """
    batch, _, height, width = x.shape
    result = np.zeros((batch, len(kernel), height * (width + 2))) + bias[:, None]
    for row, column, window in _windows(x):
        result += kernel[:, :, row, column] @ window
        result = rounded(result)
    return np.ascontiguousarray(result.reshape(batch, len(kernel), height, width + 2)[..., :width])


def upsample(x: Real) -> Real:
    """Each pixel twice along both axes."""
    return x.repeat(2, axis=-2).repeat(2, axis=-1)


def _windows(x: Real) -> Iterable[tuple[int, int, Real]]:
    """
    The nine shifts of the padded image as `(B, in, H·(W + 2))`, with the kernel's row and column.

    Rows keep the padded width, so that each shift is a part of the same memory and nothing is copied; the last two of
    each row mean nothing.
    """
    batch, channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 1))).reshape(batch, channels, (height + 3) * (width + 2))
    for row in range(3):
        for column in range(3):
            start = row * (width + 2) + column
            yield row, column, padded[:, :, start : start + height * (width + 2)]


def _layer(weights: Weights, name: str, rounded: Rounding) -> Operation:
    narrow = _of_convolutions(rounded)
    kernel, bias = (narrow(np.asarray(weights[f"{name}.{kind}"], dtype=np.float64)) for kind in ("weight", "bias"))

    def run(x: Real) -> OperationResult:
        taken = narrow(x)

        def pull(gradient: Real) -> tuple[Real, Gradients]:
            given = narrow(gradient)
            spread = np.pad(given, ((0, 0), (0, 0), (0, 0), (0, 2))).reshape(*given.shape[:2], -1)  # as the windows lie
            to_kernel = np.empty_like(kernel)
            for row, column, window in _windows(taken):
                to_kernel[:, :, row, column] = (spread @ window.swapaxes(1, 2)).sum(axis=0)
            turned = np.ascontiguousarray(kernel[:, :, ::-1, ::-1].swapaxes(0, 1))
            back = narrow(convolve(given, turned, np.zeros(len(turned)), rounded))
            to_bias = narrow(rounded(given.sum(axis=(0, 2, 3))))
            return back, {f"{name}.weight": narrow(rounded(to_kernel)), f"{name}.bias": to_bias}

        return OperationResult(output=narrow(convolve(taken, kernel, bias, rounded)), pull=pull)

    return run


def _relu(x: Real) -> OperationResult:
    return OperationResult(output=np.maximum(x, 0), pull=lambda gradient: (gradient * (x > 0), {}))


def _pool(x: Real) -> OperationResult:
    batch, channels, height, width = x.shape
    tiles = x.reshape(batch, channels, height // 2, 2, width // 2, 2).swapaxes(3, 4)
    cells = tiles.reshape(batch, channels, height // 2, width // 2, 4)
    largest = cells.argmax(axis=-1)[..., None]

    def pull(gradient: Real) -> tuple[Real, Gradients]:
        spread = np.zeros_like(cells)
        np.put_along_axis(spread, largest, gradient[..., None], axis=-1)
        return spread.reshape(tiles.shape).swapaxes(3, 4).reshape(x.shape), {}

    return OperationResult(output=np.take_along_axis(cells, largest, axis=-1)[..., 0], pull=pull)


def _double(x: Real) -> OperationResult:
    def pull(gradient: Real) -> tuple[Real, Gradients]:
        batch, channels, height, width = x.shape
        return gradient.reshape(batch, channels, height, 2, width, 2).sum(axis=(3, 5)), {}

    return OperationResult(output=upsample(x), pull=pull)


def _chain(operations: Iterable[Operation]) -> Operation:
    """One operation after the other."""

    def run(x: Real) -> OperationResult:
        steps: list[OperationResult] = []
        for operation in operations:
            steps.append(operation(steps[-1].output if steps else x))

        def pull(gradient: Real) -> tuple[Real, Gradients]:
            found: Gradients = {}
            for step in reversed(steps):
                gradient, own = step.pull(gradient)
                found |= own
            return gradient, found

        return OperationResult(output=steps[-1].output, pull=pull)

    return run


def stages(model: ModelConfig) -> tuple[str, ...]:
    """The layers that are compared one by one: a block is a layer, the last convolution of a path is another."""
    architecture = Architecture.of(model)
    names = [f"encoder.{index}" for index in range(len(architecture.encoder))]
    for head in DECODERS:
        names += [f"{head}.{index}" for index in range(len(architecture.decoder))]
        names += [f"{head}.inner", *([f"{head}.border.0", f"{head}.outer"] if architecture.border else [])]
    return tuple(names)


def stage(name: str, weights: Weights, rounded: Rounding = exactly) -> Operation:
    """
    One layer of the network.

    Blocks of the encoder end before their pooling; all of a decoder but its first block begins with the up-sampling;
    `inner` and `outer` end before their activation.

    Args:
        name: one of `stages`.
        weights: canonical weights.
        rounded: applied to each convolution and to each of its gradients.
    """
    head, _, part = name.partition(".")
    first = [_double] if head in DECODERS and part != "0" else []
    if part in ("inner", "outer"):
        return _chain([*first, _layer(weights, name, rounded)])
    pair = [_layer(weights, f"{name}.{index}", rounded) for index in range(2)]
    return _chain([*first, pair[0], _relu, pair[1], _relu])


@dataclass(frozen=True, kw_only=True)
class Pass:
    """
    One forward pass with everything on its way.

    Attributes:
        inputs: what each stage was given.
        outputs: what each stage made of it.
        code: `(B, c, n, n)` between encoder and decoders.
        amplitude: `(B, C, N, N)`.
        phase: `(B, C, N, N)`, radians.
        patches: `(B, C, N, N)` complex.
        pull: gradient to the patches (∂f/∂Re + i·∂f/∂Im) -> gradient to each weight.
    """

    inputs: Mapping[str, Real]
    outputs: Mapping[str, Real]
    code: Real
    amplitude: Real
    phase: Real
    patches: Complex
    pull: Callable[[Complex], Gradients]


def run(x: NDArray[Any], weights: Weights, model: ModelConfig, scale: float, rounded: Rounding = exactly) -> Pass:
    """
    Forward pass of the whole network.

    Args:
        x: `(B, C, N, N)` normalised amplitude X.
        weights: canonical weights.
        model: widths and options.
        scale: S.
        rounded: applied to the result of each operation that rounds, on the way there and back.
    """
    inputs: dict[str, Real] = {}
    steps: dict[str, OperationResult] = {}

    narrow = _of_convolutions(rounded)

    def take(name: str, given: Real) -> Real:
        inputs[name] = narrow(given)
        steps[name] = stage(name, weights, rounded)(given)
        return steps[name].output

    depth = len(Architecture.of(model).encoder)
    scaled = rounded(np.asarray(x, dtype=np.float64) * rounded(scale / np.exp(weights[LOG_SCALE])))
    code, pools = scaled, []
    for index in range(depth):
        pools.append(_pool(take(f"encoder.{index}", code)))
        code = pools[-1].output
    amplitude, phase = (_decode(name, code, model, take, rounded) for name in DECODERS)

    def pull(gradient: Complex) -> Gradients:
        turn = rounded(np.exp(1j * phase))
        to_heads = rounded((gradient.conj() * turn).real), rounded((gradient.conj() * 1j * amplitude * turn).real)
        found: Gradients = {}
        back = np.zeros_like(code)
        for name, to_head in zip(DECODERS, to_heads, strict=True):
            back = rounded(back + _pull_head(name, to_head, model, steps, found, rounded))
        for index in reversed(range(depth)):
            back, own = steps[f"encoder.{index}"].pull(pools[index].pull(back)[0])
            found |= own
        return found | {LOG_SCALE: np.asarray(rounded(-np.sum(rounded(back * scaled))))}

    return Pass(
        inputs=inputs,
        outputs={name: step.output for name, step in steps.items()},
        code=code,
        amplitude=amplitude,
        phase=phase,
        patches=np.asarray(rounded(amplitude * rounded(np.exp(1j * phase)))),
        pull=pull,
    )


def forward(x: NDArray[Any], weights: Weights, model: ModelConfig, scale: float) -> Complex:
    """`(B, C, N, N)` normalised amplitudes to complex patches of the same shape."""
    return run(x, weights, model, scale).patches


def _sigmoid(x: Real) -> Real:
    return np.asarray(1 / (1 + np.exp(-x)))


def _decode(name: str, code: Real, model: ModelConfig, take: Callable[[str, Real], Real], rounded: Rounding) -> Real:
    x = code
    for index in range(len(Architecture.of(model).decoder)):
        x = take(f"{name}.{index}", x)
    border = BORDER_CHANNELS if model.probe_big else 0
    inner = take(f"{name}.inner", x[:, : x.shape[1] - border])
    activated = rounded(_sigmoid(inner)) if name == "amplitude" else rounded(math.pi * rounded(np.tanh(inner)))
    quarter = model.side // 4
    result = np.zeros((len(x), inner.shape[1], model.side, model.side))
    if border:
        outer = take(f"{name}.outer", take(f"{name}.border.0", x[:, -border:]))
        result = rounded(outer * rounded(_sigmoid(outer)))
    result[:, :, quarter:-quarter, quarter:-quarter] = activated
    return result


def _pull_head(
    name: str,
    gradient: Real,
    model: ModelConfig,
    steps: Mapping[str, OperationResult],
    found: Gradients,
    rounded: Rounding,
) -> Real:
    """Gradient to the code; those to the weights of the head are added to `found`."""
    quarter = model.side // 4
    inner = steps[f"{name}.inner"].output
    slope = (1 - _sigmoid(inner)) * _sigmoid(inner) if name == "amplitude" else math.pi * (1 - np.tanh(inner) ** 2)
    inwards = gradient[:, :, quarter:-quarter, quarter:-quarter] * rounded(slope)
    back, own = steps[f"{name}.inner"].pull(rounded(inwards))
    found |= own
    if model.probe_big:
        outer = steps[f"{name}.outer"].output
        frame = rounded(gradient * rounded(_sigmoid(outer) * (1 + outer * (1 - _sigmoid(outer)))))
        frame[:, :, quarter:-quarter, quarter:-quarter] = 0
        for part in ("outer", "border.0"):
            frame, own = steps[f"{name}.{part}"].pull(frame)
            found |= own
        back = np.concatenate([back, frame], axis=1)
    for index in reversed(range(len(Architecture.of(model).decoder))):
        back, own = steps[f"{name}.{index}"].pull(back)
        found |= own
    return back
