"""
Do frames belong to other positions than those that they are stored with?

An order that is not simply reversed or shifted has no convention that could be undone. It is found by asking, for some
frames, which position of the scan explains each best.
"""

import numpy as np

from ptycho.metrics.scan_sample import ScanSample, errors, evenly, frames_of
from ptycho.physics import forward, patches

_FRAMES = 16
_CANDIDATES = 512
_PIXELS = _CANDIDATES * 64**2
_OF_FLAT = 0.25
"""Where the order is wrong, and the object scatters strongly, the best positions leave at most this much of the flat
object's error: measured, 0.01 to 0.11. An object that does not belong to the scan left 0.33 or more."""


def other_positions_fit(sample: ScanSample) -> tuple[float, float] | None:
    """
    Mean error of some frames at their own and at their best positions, where the best ones explain them well.

    A weakly scattering object does not tell: the best of many positions is hardly better than the flat object anyway.

    Args:
        sample: of a scan whose object explains the data no better than a flat one.

    Returns:
        `(own, best)`, or None.
    """
    dataset, side = sample.dataset, sample.dataset.side
    count = max(_FRAMES, min(_CANDIDATES, _PIXELS // side**2))
    places = np.union1d(evenly(dataset.n_patterns, count), sample.chosen[evenly(len(sample.chosen), _FRAMES)])
    some = sample.chosen[evenly(len(sample.chosen), _FRAMES)]
    frames = frames_of(dataset, some)
    good = dataset.good(some)
    counted = 1.0 if good is None else good
    table = np.empty((len(some), len(places)))
    for column, place in enumerate(places):
        window = patches.extract(
            sample.obj, dataset.xcoords[[place]], dataset.ycoords[[place]], side, sampling="bilinear"
        )
        table[:, column] = errors(frames, forward.amplitude(window, sample.probe) * counted)[1]
    flat = errors(frames, forward.amplitude(np.ones((1, side, side)), sample.probe) * counted)[1]
    own, best = table[np.arange(len(some)), np.searchsorted(places, some)], table.min(axis=1)
    return (float(own.mean()), float(best.mean())) if best.mean() <= _OF_FLAT * flat.mean() else None
