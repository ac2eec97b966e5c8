"""
Work in short slices, each between two slices of a calibration kernel: what runs inside a measured process.

A processor's speed changes within a millisecond: its clock, the other thread of its core, caches that others fill. Two
slices of the kernel that embrace a slice of work meet the same machine as the work does, so the quotient of processor
times stays where the times themselves move by a tenth: the shorter the slices, the better. The kernel is the same mix
as a training on a CPU (FFT, matrix product, interpreted Python), and both sides of a comparison take it from this file.
"""

import time
from collections.abc import Callable

import numpy as np

UNITS = 10
"""Units of the kernel in one calibration slice: about a tenth of a millisecond."""

Row = tuple[int, int, int]
"""Nanoseconds of processor time: the work, the calibration before it, the calibration after it."""


class Kernel:
    """
    The calibration kernel.

    Args:
        seed: seed of its arrays.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._waves = (rng.standard_normal((16, 16)) + 1j * rng.standard_normal((16, 16))).astype(np.complex64)
        self._matrix = rng.standard_normal((32, 32)).astype(np.float32)

    def run(self, units: int) -> float:
        """Run some units; the sum is returned so that nothing can be left out."""
        total = 0.0
        for _ in range(units):
            total += float(np.fft.fft2(self._waves)[0, 0].real)
            total += float((self._matrix @ self._matrix)[0, 0])
            count = 0
            for index in range(30):
                count += index * index % 7
            total += count
        return total


def measure(work: Callable[[int], object], slices: int, *, units: int = UNITS, warm_up: int = 10) -> list[Row]:
    """
    Run work in slices.

    Args:
        work: takes the number of the slice.
        slices: how many are counted.
        units: of the kernel in one calibration slice: the two together should take about as long as the work.
        warm_up: slices before them, which are not.

    Returns:
        One row a counted slice.
    """
    kernel, rows = Kernel(0), list[Row]()
    for number in range(-warm_up, slices):
        before = _timed(lambda: kernel.run(units))
        # Of all threads: a framework's own work is done by several.
        started = time.process_time_ns()
        work(number)
        spent = time.process_time_ns() - started
        after = _timed(lambda: kernel.run(units))
        if number >= 0:
            rows.append((spent, before, after))
    return rows


def _timed(run: Callable[[], object]) -> int:
    """Of this thread alone: what a framework's threads do meanwhile is not the kernel's."""
    started = time.thread_time_ns()
    run()
    return time.thread_time_ns() - started
