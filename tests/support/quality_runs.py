"""Campaigns that nobody ran: two sides that share the seed's luck, have some of their own, and differ by so much."""

import math
from pathlib import Path

import numpy as np

from harness.parity.quality import report
from harness.parity.quality.campaign import QualityCampaign, QualityRun
from harness.parity.quality.measure import METRICS, NetworkScores
from harness.parity.quality.report import QualityReport

SEEDS = tuple(range(1, 21))
SPREAD = 1.0
"""Of each figure over the seeds; the margin is half of it."""


def made_up(
    shift: float = 0.0, *, seeds: tuple[int, ...] = SEEDS, flat: tuple[int, ...] = (), trial: int = 0, own: float = 0.2
) -> QualityCampaign:
    """A campaign whose torch side is `shift` spreads better in every figure than tf, but for chance."""
    rng = np.random.default_rng(trial)
    campaign = QualityCampaign(identity={}, sides=("torch", "tf"))
    for seed in seeds:
        luck = rng.normal(size=len(METRICS))
        for side, better in (("torch", shift), ("tf", 0.0)):
            values = SPREAD * (math.sqrt(1 - own**2) * luck + own * rng.normal(size=len(METRICS)) + better)
            figures = {m.name: float(v) if m.rising else -float(v) for m, v in zip(METRICS, values, strict=True)}
            lower = {"amplitude": -50.0, "phase": figures["phase"] + 1 if seed in flat else -50.0}
            measured = NetworkScores(
                figures=figures, flat=lower, correlation=0.9, train_loss=(3.0, 2.0), validation_loss=(4.0, 3.0)
            )
            campaign.add(
                QualityRun(side=side, seed=seed, measured=measured, input_sha256=str(seed), versions={}, seconds=1.0)
            )
    return campaign


def judged(campaign: QualityCampaign, asked: tuple[int, ...] = SEEDS) -> QualityReport:
    return report.judge(campaign, asked, path=Path("quality.json"), seconds=60)
