"""
Bad pixels: what a mask may be, and how it is applied.

A mask says True where a pixel is **bad**, in the file (`bad_pixels`) as in memory: its polarity is in its name. What a
bad pixel holds counts nowhere: it is 0 in the frames from here on, and loss, deviance and Fourier error leave it out.
The other polarity is as common, so that a mask is checked against the data before it is believed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptycho.data import mapped_arrays
from ptycho.physics import forward

FEWEST_GOOD = 0.05
"""Share of good pixels below which a mask is taken for the other polarity."""

_FRAMES_AT_ONCE = 128
_SAMPLE = 64
_LIKE = 0.5
_MAX_LISTED = 5

Mask = NDArray[np.bool_]


def apply(frames: NDArray[np.float32], bad: Mask) -> None:
    """
    Set bad pixels to 0, in place and a part at a time.

    Args:
        frames: `(M, N, N)`.
        bad: `(N, N)` or `(M, N, N)`, True where bad.
    """
    for part in _parts(len(frames)):
        _clear(frames[part], bad if bad.ndim == 2 else bad[part])
        mapped_arrays.release(frames)
        mapped_arrays.release(bad)


def _clear(block: NDArray[np.float32], bad: Mask) -> None:
    if bad.ndim == 2:
        block[:, bad] = 0
    else:
        np.copyto(block, 0, where=bad)


def good_pixels(bad: Mask, indices: NDArray[np.integer[Any]] | slice, rows: mapped_arrays.Rows | None = None) -> Mask:
    """
    `(…, N, N)`: True where a pixel of some patterns counts; of one mask for all patterns, one view for all.

    Args:
        bad: `(N, N)` or `(M, N, N)`, True where bad.
        indices: which patterns.
        rows: reads a mask of each pattern that is too large to be mapped whole.
    """
    if bad.ndim == 2:
        return ~bad
    if rows is not None and not isinstance(indices, slice):
        found = rows.take(indices.astype(np.int64))
        return np.asarray(np.logical_not(found, out=found))
    good = ~bad[indices]
    mapped_arrays.release(bad)
    return np.asarray(good)


def good_share(bad: Mask) -> float:
    """Share of good pixels of a mask."""
    return 1 - int(_counts(bad).sum()) / bad.size


def _counts(bad: Mask) -> NDArray[np.intp]:
    """Count the bad values along the first axis."""
    counts = np.empty(len(bad), np.intp)
    for part in _parts(len(bad)):
        counts[part] = [np.count_nonzero(one) for one in bad[part]]
        mapped_arrays.release(bad)
    return counts


def violations(frames: NDArray[np.float32], bad: Mask, probe: NDArray[np.complex64]) -> Iterator[str]:
    """
    Yield what is wrong with a mask, before it is applied.

    Args:
        frames: `(M, N, N)` amplitudes as the file has them, NaN and negative ones included.
        bad: `(N, N)` or `(M, N, N)`, True where bad.
        probe: `(P, N, N)`.
    """
    counts = _counts(bad)
    if bad.ndim == 3:
        whole = np.flatnonzero(counts == bad[0].size)
        if whole.size:
            shown = ", ".join(map(str, whole[:_MAX_LISTED].tolist())) + (", …" if whole.size > _MAX_LISTED else "")
            yield (
                f"bad_pixels: {whole.size} of {len(bad)} frames have no good pixel (index {shown}); leave them out: "
                "python -m ptycho convert IN OUT --drop-frames INDICES"
            )
            return
    share = 1 - int(counts.sum()) / bad.size
    reason = _other_polarity(frames, bad, probe, share)
    if reason is not None:
        yield (
            f"bad_pixels marks {1 - share:.2%} of the pixels as bad, and {reason}: its polarity is inverted; allowed: "
            "True, or 1, where a pixel is BAD; invert it"
        )


def _other_polarity(every: NDArray[np.float32], bad: Mask, probe: NDArray[np.complex64], share: float) -> str | None:
    """Return why a mask looks like one that says True for good pixels, or None."""
    if share < FEWEST_GOOD:
        return f"leaves {share:.2%}, less than {FEWEST_GOOD:.0%}"
    some = np.unique(np.linspace(0, len(every) - 1, min(_SAMPLE, len(every))).astype(np.intp))
    frames = mapped_arrays.rows(every, some).astype(np.float64)
    good = np.broadcast_to(~bad if bad.ndim == 2 else ~mapped_arrays.rows(bad, some), frames.shape)
    frames = np.where(np.isfinite(frames) & (frames > 0), frames, 0)
    if share < 0.5 and len(some) > 1:
        moving = np.ptp(frames, axis=0) > 0
        always = good.all(axis=0)
        if always.any() and not always.all():
            held, left = moving[always].mean(), moving[~always].mean()
            if held < 0.5 < left:
                return (
                    f"what it leaves is constant ({1 - held:.0%} of it), what it takes out is not ({left:.0%} varies)"
                )
    return _signal_taken_out(np.nan_to_num(probe), frames, good)


def _signal_taken_out(probe: NDArray[np.complex64], frames: NDArray[np.float64], good: Mask) -> str | None:
    """Return where the probe alone sends most of its light to bad pixels, and they hold it as it sends it."""
    if not probe.any():
        return None
    expected = forward.amplitude(np.ones((1, *frames.shape[1:])), probe)[0]
    taken = ~good.any(axis=0)
    energy = expected**2
    share = float(energy[taken].sum() / energy.sum())
    if share <= 0.5 or taken.sum() < 3:
        return None
    measured = np.sqrt(np.mean(frames**2, axis=0))[taken]
    if np.ptp(measured) == 0 or np.ptp(expected[taken]) == 0:
        return None
    alike = float(np.corrcoef(measured, expected[taken])[0, 1])
    if alike <= _LIKE:
        return None
    return (
        f"these hold the signal: {share:.0%} of the probe's light falls there, and is measured there (r = {alike:.2f})"
    )


def _parts(total: int) -> Iterator[slice]:
    for start in range(0, total, _FRAMES_AT_ONCE):
        yield slice(start, start + _FRAMES_AT_ONCE)
