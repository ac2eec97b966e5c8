"""
From the file that inference left to figures and a picture: the only place where the harness looks at a reconstruction.

NumPy and the metrics are imported when a score is asked for: the harness's command line must start without them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptycho.errors import PtychoError


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Figures of a reconstruction, those of a flat object in its place, and the picture of both beside the truth."""

    scores: Mapping[str, Any]
    flat: Mapping[str, Any]
    picture: Path


def judge(reconstruction: Path, keys: Mapping[str, str], fixture: Path, picture: Path, *, name: str) -> Judged:
    """
    Score a reconstruction against the object that its fixture was made from.

    Args:
        reconstruction: NPZ of the target.
        keys: names of its arrays: `object`, `overlap`, `crop` (row0, row1, col0, col1 in pixels of the true object).
        fixture: NPZ with the true object.
        picture: PNG to write: amplitude and phase beside the truth and the difference.
        name: what the picture is called.

    Raises:
        PtychoError: an array is missing or not finite, or the fixture has no truth.
    """
    import numpy as np

    from ptycho import contract, metrics, pictures
    from ptycho.stitching import Reconstruction

    truth = contract.load(fixture).obj
    if truth is None:
        raise PtychoError(f"{fixture} holds no objectGuess: there is nothing to score against; take another fixture")
    with np.load(reconstruction, allow_pickle=False) as arrays:
        if missing := [name for name in keys.values() if name not in arrays]:
            raise PtychoError(f"{reconstruction} lacks {missing}; it holds {sorted(arrays)}")
        obj, overlap, crop = (arrays[keys[name]] for name in ("object", "overlap", "crop"))
    if not np.isfinite(obj).all():
        raise PtychoError(f"{reconstruction}: {int((~np.isfinite(obj)).sum())} pixels of the object are not finite")
    stitched = Reconstruction(
        obj=obj.astype(np.complex128), overlap=overlap.astype(np.float64), origin=(int(crop[0]), int(crop[2]))
    )
    scores, flat = metrics.score(stitched, truth), metrics.flat_row(stitched, truth)
    pictures.save_comparison(picture, [pictures.Row(name=name, reconstruction=stitched, truth=truth)])
    return Judged(scores=scores.as_dict(), flat=flat.as_dict(), picture=picture)


def shortfall(judged: Judged, *, min_phase_correlation: float) -> list[str]:
    """
    Why a reconstruction is no evidence of a working pipeline; empty if it is.

    A constant image has a respectable SSIM and PSNR, but no correlation: the correlation decides.
    """
    reached, flat = float(judged.scores["phase_correlation"]), float(judged.flat["phase_correlation"])
    # Written so that NaN falls short.
    if not reached > max(min_phase_correlation, flat):
        needed = f"more than {min_phase_correlation:g} and more than a flat object's {flat:.3f}"
        return [f"phase correlation {reached:.3f} with the truth; needed: {needed}"]
    return []
