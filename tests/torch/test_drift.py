"""The shared suite of planted changes with PyTorch's real adapter."""

from collections.abc import Sequence
from typing import ClassVar

from harness.parity.drift.words import Word
from tests.support.suites.drift_suite import Change, DriftSuite

POWER = "power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2)"


class TestDrift(DriftSuite):
    side: ClassVar[str] = "torch"
    changes: ClassVar[Sequence[Change]] = (
        Change(
            name="text alone: a sum of two is the same the other way round",
            file="physics.py",
            old=POWER,
            new="power = (spectrum.imag.square() + spectrum.real.square()).sum(dim=2)",
            word=Word.IDENTICAL,
        ),
        Change(
            name="another kernel: up-sampling before the convolution",
            file="network.py",
            old="        split = functional.conv2d(x, fold_upsampling(self.weight), bias, padding=1)\n"
            "        return functional.pixel_shuffle(split, 2)",
            new="        x = functional.interpolate(x, scale_factor=2)\n"
            "        return functional.conv2d(x, self.weight, self.bias, padding=1)",
            word=Word.ROUNDING,
            rung="R2",
        ),
        Change(
            name="order of a sum",
            file="loss.py",
            old="return (rate - counts * rate.clamp_min(epsilon).log()).mean()",
            new="return (rate - counts * rate.clamp_min(epsilon).log()).flatten().flip(0).cumsum(0)[-1] / rate.numel()",
            word=Word.ROUNDING,
            rung="R2",
        ),
        Change(
            name="one unit in the last place of the input's scale",
            file="network.py",
            old="code = x.to(real) * (self.scale / torch.exp(self.log_intensity_scale))",
            new="code = x.to(real) * (self.scale * (1 + 2**-52) / torch.exp(self.log_intensity_scale))",
            word=Word.ROUNDING,
            rung="R2",
        ),
        Change(
            name="an epsilon under a root",
            file="loss.py",
            old="    return ((rate + EPSILON_F64).sqrt() / scale - diffraction).abs().mean()",
            new="    return ((rate + 1e-3).sqrt() / scale - diffraction).abs().mean()",
            word=Word.REGRESSION,
            rung="R2",
        ),
        Change(
            name="where Adam's epsilon is added",
            file="optimizer.py",
            old="(second / correction).sqrt_().add_(EPSILON)",
            new="(second / correction).add_(EPSILON).sqrt_()",
            word=Word.REGRESSION,
            rung="R7",
        ),
        Change(
            name="a cast there and back",
            file="physics.py",
            old=POWER,
            new="power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2).float().double()",
            word=Word.REGRESSION,
            rung="R2",
        ),
        Change(
            name="a constant",
            file="network.py",
            old="    return math.pi * torch.tanh(x)",
            new="    return 3.14159 * torch.tanh(x)",
            word=Word.REGRESSION,
            rung="R2",
        ),
        Change(
            name="a norm of the transform",
            file="physics.py",
            old='norm="ortho"',
            new='norm="backward"',
            word=Word.REGRESSION,
            rung="R0",
        ),
        Change(
            name="a default",
            file="engine.py",
            old="mae_weight: float = 0.0,",
            new="mae_weight: float = 0.1,",
            word=Word.REGRESSION,
            rung="R0",
        ),
        Change(
            name="a sign",
            file="network.py",
            old="amplitude * phase.sin()",
            new="-amplitude * phase.sin()",
            word=Word.REGRESSION,
            rung="R2",
        ),
    )
