"""Changes of one line in the PyTorch backend, for which its real adapter answers: each must get its word."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.parity.drift.words import Word
from tests.support.planted_copies import planted_changes_suite
from tests.support.planted_copies.planted_changes_suite import PlantedChange

RUNGS = ("R0", "R2", "R3", "R4", "R5", "R6", "R7")

POWER = "power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2)"


CHANGES: Sequence[PlantedChange] = (
    PlantedChange(
        name="text alone: a sum of two is the same the other way round",
        file="ptycho_torch/physics.py",
        old=POWER,
        new="power = (spectrum.imag.square() + spectrum.real.square()).sum(dim=2)",
        word=Word.IDENTICAL,
    ),
    PlantedChange(
        name="another kernel: up-sampling before the convolution",
        file="ptycho_torch/network.py",
        old="        split = functional.conv2d(x, fold_upsampling(self.weight), bias, padding=1)\n"
        "        return functional.pixel_shuffle(split, 2)",
        new="        x = functional.interpolate(x, scale_factor=2)\n"
        "        return functional.conv2d(x, self.weight, self.bias, padding=1)",
        word=Word.ROUNDING,
        rung="R2",
    ),
    PlantedChange(
        name="order of a sum",
        file="ptycho_torch/loss.py",
        old="return (rate - counts * at_least(rate, epsilon).log()).mean()",
        new="return (rate - counts * at_least(rate, epsilon).log()).flatten().flip(0).cumsum(0)[-1] / rate.numel()",
        word=Word.ROUNDING,
        rung="R2",
    ),
    PlantedChange(
        name="one unit in the last place of the input's scale",
        file="ptycho_torch/network.py",
        old="code = x.to(real) * (self.scale / torch.exp(self.log_intensity_scale))",
        new="code = x.to(real) * (self.scale * (1 + 2**-52) / torch.exp(self.log_intensity_scale))",
        word=Word.ROUNDING,
        rung="R2",
    ),
    PlantedChange(
        name="an epsilon under a root",
        file="ptycho_torch/loss.py",
        old="    return ((rate + EPSILON_F64).sqrt() / scale - diffraction).abs().mean()",
        new="    return ((rate + 1e-3).sqrt() / scale - diffraction).abs().mean()",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="where Adam's epsilon is added",
        file="ptycho_torch/optimizer.py",
        old="(second / correction).sqrt_().add_(EPSILON)",
        new="(second / correction).add_(EPSILON).sqrt_()",
        word=Word.REGRESSION,
        rung="R7",
    ),
    PlantedChange(
        name="a cast there and back",
        file="ptycho_torch/physics.py",
        old=POWER,
        new="power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=2).float().double()",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="a constant",
        file="ptycho_torch/network.py",
        old="    return math.pi * torch.tanh(x)",
        new="    return 3.14159 * torch.tanh(x)",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="a norm of the transform",
        file="ptycho_torch/physics.py",
        old='norm="ortho"',
        new='norm="backward"',
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="a default",
        file="ptycho_torch/engine.py",
        old="mae_weight: float = 0.0,",
        new="mae_weight: float = 0.1,",
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="a sign",
        file="ptycho_torch/network.py",
        old="amplitude * phase.sin()",
        new="-amplitude * phase.sin()",
        word=Word.REGRESSION,
        rung="R2",
    ),
)

COMPILED = {"a cast there and back": "R5", "a constant": "R4"}
"""Changes planted into the compiled way, too, and the rung where each must be found. The optimiser is not compiled."""


@pytest.mark.deep
def test_planted_changes_are_sorted_rightly(tmp_path: Path) -> None:
    found = planted_changes_suite.sorted_into(CHANGES, side="torch", folder=tmp_path, gridsize=1, rungs=RUNGS)
    assert found == planted_changes_suite.expected(CHANGES)


@pytest.mark.deep
def test_the_compiled_way_has_its_mutants(tmp_path: Path) -> None:
    planted = [change for change in CHANGES if change.name in COMPILED]
    found = planted_changes_suite.sorted_when_compiled(planted, side="torch", folder=tmp_path, rungs=("R4", "R5"))
    assert found == {"": (Word.ROUNDING, "R4")} | {name: (Word.REGRESSION, rung) for name, rung in COMPILED.items()}
