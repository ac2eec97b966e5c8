"""Changes of one line in the TensorFlow backend, for which its real adapter answers: each must get its word."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.parity.drift.words import Word
from tests.support.planted_copies import planted_changes_suite
from tests.support.planted_copies.planted_changes_suite import PlantedChange

RUNGS = ("R0", "R2", "R3", "R4", "R5", "R6", "R7")

POWER = "power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))"

CHANGES: Sequence[PlantedChange] = (
    PlantedChange(
        name="text alone: a sum of two is the same the other way round",
        file="ptycho_tf/physics.py",
        old=POWER,
        new="power = tf.square(tf.math.imag(spectrum)) + tf.square(tf.math.real(spectrum))",
        word=Word.IDENTICAL,
    ),
    PlantedChange(
        name="a half and a division by two",
        file="ptycho_tf/loss.py",
        old="return 2 * tf.reduce_mean(rate - counts + counts * logarithm)",
        new="return tf.reduce_mean(rate - counts + counts * logarithm) / 0.5",
        word=Word.IDENTICAL,
    ),
    PlantedChange(
        name="order of a sum",
        file="ptycho_tf/loss.py",
        old="    return tf.reduce_mean(rate - counts * tf.math.log(tf.maximum(rate, floor)))",
        new="    parts = tf.reshape(rate - counts * tf.math.log(tf.maximum(rate, floor)), [-1])\n"
        "    return tf.cumsum(parts, reverse=True)[0] / tf.cast(tf.size(parts), tf.float64)",
        word=Word.ROUNDING,
        rung="R2",
    ),
    PlantedChange(
        name="one unit in the last place of the input's scale",
        file="ptycho_tf/network.py",
        old="gain = tf.cast(self.scale / tf.exp(self.log_scale), self.real)",
        new="gain = tf.cast(self.scale * (1 + 2**-52) / tf.exp(self.log_scale), self.real)",
        word=Word.ROUNDING,
        rung="R2",
    ),
    PlantedChange(
        name="a running mean written otherwise",
        file="ptycho_tf/optimizer.py",
        old="first = self.first.assign(BETA1 * self.first + (1 - BETA1) * gradient)",
        new="first = self.first.assign(self.first + (1 - BETA1) * (gradient - self.first))",
        word=Word.ROUNDING,
        rung="R7",
    ),
    PlantedChange(
        name="an epsilon under a root",
        file="ptycho_tf/loss.py",
        old="tf.sqrt(rate + EPSILON_F64) / scale - diffraction",
        new="tf.sqrt(rate + 1e-3) / scale - diffraction",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="where Adam's epsilon is added",
        file="ptycho_tf/optimizer.py",
        old="(tf.sqrt(second) / correction + EPSILON)",
        new="(tf.sqrt(second + EPSILON) / correction)",
        word=Word.REGRESSION,
        rung="R7",
    ),
    PlantedChange(
        name="a cast there and back",
        file="ptycho_tf/physics.py",
        old=POWER,
        new=f"{POWER}\n    power = tf.cast(tf.cast(power, tf.float32), power.dtype)",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="a constant",
        file="ptycho_tf/network.py",
        old="lambda z: math.pi * tf.tanh(z)",
        new="lambda z: 3.14159 * tf.tanh(z)",
        word=Word.REGRESSION,
        rung="R2",
    ),
    PlantedChange(
        name="a norm of the transform",
        file="ptycho_tf/physics.py",
        old="axes=(-2, -1)) / probe.shape[-1] ** 2",
        new="axes=(-2, -1)) / probe.shape[-1]",
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="a default",
        file="ptycho_tf/engine.py",
        old="mae_weight: float = 0.0,",
        new="mae_weight: float = 0.1,",
        word=Word.REGRESSION,
        rung="R0",
    ),
    PlantedChange(
        name="a sign",
        file="ptycho_tf/network.py",
        old="amplitude * tf.sin(phase)",
        new="-amplitude * tf.sin(phase)",
        word=Word.REGRESSION,
        rung="R2",
    ),
)

COMPILED = {"a cast there and back": "R5", "a constant": "R4", "where Adam's epsilon is added": "R8"}
"""Changes that are planted into the compiled way, too, and the rung at which they must be found there."""


@pytest.mark.deep
def test_planted_changes_are_sorted_rightly(tmp_path: Path) -> None:
    found = planted_changes_suite.sorted_into(CHANGES, side="tf", folder=tmp_path, gridsize=1, rungs=RUNGS)
    assert found == planted_changes_suite.expected(CHANGES)


@pytest.mark.deep
def test_the_compiled_way_has_its_mutants(tmp_path: Path) -> None:
    planted = [change for change in CHANGES if change.name in COMPILED]
    found = planted_changes_suite.sorted_when_compiled(planted, side="tf", folder=tmp_path)
    assert found == {"": (Word.ROUNDING, "R4")} | {name: (Word.REGRESSION, rung) for name, rung in COMPILED.items()}
