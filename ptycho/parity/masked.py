"""
The first batch with bad pixels, which the ladder asks for on the rungs of the loss and its gradients.

The mask is drawn for every pattern by itself, so that one that is applied to another pattern, transposed, or inverted
shows. It is a question only: what the answer must be is said in `harness.parity`.
"""

from dataclasses import replace

import numpy as np

from ptycho.training.engine import Batch

_BAD = 0.15


def masked(batch: Batch, seed: int) -> Batch:
    """
    A batch with some pixels bad, 0 in its patterns as in a store.

    Args:
        batch: without bad pixels.
        seed: seed of the draw.
    """
    good = np.random.default_rng([seed, 0x4D]).random(batch.diffraction.shape) > _BAD
    return replace(
        batch,
        diffraction=np.where(good, batch.diffraction, np.float32(0)),
        good=good,
        # Not this batch's own share: a mean over its good pixels alone would pass for the scan's.
        good_share=1 - _BAD,
    )
