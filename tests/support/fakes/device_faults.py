"""
Silent faults of a GPU, planted into PyTorch's own functions around this project's adapter: what runs is otherwise real.

Each is what a device or its settings have done somewhere: nothing raises, and every shape and type is right. As an
adapter of a target file, `python -m tests.support.fakes.device_faults FAULT --request … --out …` answers the ladder on
whatever device the request names.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional

from ptycho.parity import serve
from ptycho_torch import loss, optimizer

SHAPE = (64, 32, 3, 3)
"""Of the one kernel whose gradient is wrong."""


class _Spectrum(torch.autograd.Function):  # type: ignore[misc]  # Any: type checking needs no torch
    """A transform whose gradient has the norm of another convention."""

    @staticmethod
    def forward(ctx: Any, wave: Tensor) -> Tensor:  # noqa: ARG004
        return FFT2(wave, norm="ortho")

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:  # noqa: ARG004
        return torch.fft.ifft2(upstream, norm="backward")


class _Kernel(torch.autograd.Function):  # type: ignore[misc]  # as above
    """A kernel whose gradient is wrong: as given forward, and without its last tap's column backward."""

    @staticmethod
    def forward(ctx: Any, kernel: Tensor) -> Tensor:  # noqa: ARG004
        return kernel.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:  # noqa: ARG004
        wrong = upstream.clone()
        wrong[..., -1] = 0
        return wrong


FFT2, CONVOLVE, NLL, STEP = torch.fft.fft2, functional.conv2d, loss.poisson_nll, optimizer.Adam.step


def wrong_inverse(wave: Tensor, **_: Any) -> Tensor:
    """The inverse transform of the gradient, scaled as if it were another norm."""
    return _Spectrum.apply(wave)


def wrong_axis(wave: Tensor, **_: Any) -> Tensor:
    """A transform over modes and rows instead of rows and columns."""
    return torch.fft.fftn(wave, dim=(-3, -2), norm="ortho")


def wrong_kernel_gradient(x: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    """A convolution whose gradient is wrong for one shape of kernel."""
    return CONVOLVE(x, _Kernel.apply(weight) if tuple(weight.shape) == SHAPE else weight, *rest, **options)


def wrong_complex(real: Tensor, imaginary: Tensor) -> Tensor:
    """A complex number whose last imaginary parts were never added."""
    kept = imaginary.clone()
    kept[..., -1, -1] = 0
    return COMPLEX(real, kept)


COMPLEX = torch.complex


def tf32(x: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    """A convolution whose factors have ten bits of mantissa, as on a GPU with TF32; float64 is left alone."""
    return CONVOLVE(shortened(x), shortened(weight), *rest, **options)


def shortened(value: Tensor) -> Tensor:
    """A float32 tensor rounded to ten bits of mantissa; its gradient passes as it is."""
    if value.dtype != torch.float32:
        return value
    step = 2.0 ** (torch.floor(torch.log2(value.detach().abs().clamp_min(1e-30))) - 10)
    return value + (torch.round(value.detach() / step) * step - value.detach())


def half(rate: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """The likelihood, its mean taken in sixteen bits."""
    return (rate - counts * rate.clamp_min(epsilon).log()).bfloat16().mean().to(rate.dtype)


def elsewhere(self: Any, gradients: Any, learning_rate: float) -> None:
    """A step on copies of the moments, as on another device: what it adds to them is lost."""
    kept = [moment.clone() for moment in (*self.first, *self.second)]
    STEP(self, gradients, learning_rate)
    for moment, before in zip((*self.first, *self.second), kept, strict=True):
        moment.copy_(before)


FAULTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "inverse FFT scaled": (torch.fft, "fft2", wrong_inverse),
    "FFT over a wrong axis": (torch.fft, "fft2", wrong_axis),
    "gradient of one kernel shape": (functional, "conv2d", wrong_kernel_gradient),
    "complex add": (torch, "complex", wrong_complex),
    "moments on another device": (optimizer.Adam, "step", elsewhere),
    "TF32": (functional, "conv2d", tf32),
    "loss in half": (loss, "poisson_nll", half),
}
"""Owner, name and replacement by fault."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The block runs with a fault."""
    owner, attribute, replacement = FAULTS[name]
    with mock.patch.object(owner, attribute, replacement):
        yield


def main() -> None:
    """Answer requests with a fault."""
    from ptycho_torch.adapter import BackendAdapter

    with planted(sys.argv[1]):
        serve.serve(sys.argv[2:], package="ptycho_torch", bench=BackendAdapter)


if __name__ == "__main__":
    main()
