"""Faults of TensorFlow that show at other sizes alone: hidden from the ladder's own problem, found on a drawn one."""

from pathlib import Path

import pytest

from tests.support.planted_copies import drawn_faults_suite
from tests.support.planted_copies.drawn_faults_suite import HiddenFault

FAULTS = (
    HiddenFault(
        name="a third mode is left out",
        file="ptycho_tf/physics.py",
        old="tf.reduce_sum(power, axis=2)",
        new="tf.reduce_sum(power[:, :, :2], axis=2)",
        shows=lambda problem: problem.modes > 2,
    ),
    HiddenFault(
        name="without a border the central square is too dark",
        file="ptycho_tf/network.py",
        old="            return centre\n",
        new="            return 0.999 * centre\n",
        shows=lambda problem: not problem.model.probe_big,
    ),
    HiddenFault(
        name="positions are cut at seven eighths of what the canvas holds",
        file="ptycho_tf/assembly.py",
        old="shifts = -tf.cast(coords_relative, tf.float64)",
        new="shifts = tf.clip_by_value(-tf.cast(coords_relative, tf.float64), -6.125, 6.125)",
        shows=lambda problem: problem.model.gridsize == 2 and problem.positions == "edge",
    ),
    HiddenFault(
        name="the fourth block of the encoder is halved",
        file="ptycho_tf/network.py",
        old='x = tf.nn.max_pool2d(self.pair(f"encoder.{index}", x), 2, 2, "VALID")',
        new='x = tf.nn.max_pool2d(self.pair(f"encoder.{index}", x), 2, 2, "VALID") * (1.0 if index < 3 else 0.5)',
        shows=lambda problem: problem.model.filter_scale == 1,
        side=128,
    ),
)


@pytest.mark.deep
def test_each_is_hidden_from_the_ladder_s_own_problem_and_found_on_a_drawn_one(tmp_path: Path) -> None:
    assert drawn_faults_suite.fallen(FAULTS, "tf", tmp_path) == drawn_faults_suite.expected(FAULTS)
