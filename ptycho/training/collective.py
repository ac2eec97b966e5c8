"""
Processes that train together, as the core sees them: one sum over all ranks, and agreements built on it.

The sum is the framework's (`ptycho_torch.distributed`, `ptycho_tf.distributed`). What a rank finds wrong before the
first step or after the last it tells the others, so that all end, with one reason. Between those, a rank that is gone
is noticed by the sum itself.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ptycho.config import RuntimeConfig
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.training.engine import Batch, BatchShard, Losses
from ptycho.training.ranks import Ranks
from ptycho.verdict import Verdict

Scores = TypeVar("Scores")
"""Losses of one batch as a framework has them."""


class Group(Protocol):
    """A connection to the other ranks."""

    @property
    def ranks(self) -> Ranks:
        """Return the place of this process among the ranks."""

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """
        Elementwise sum over all ranks, the same bits on each; float64 or int64 of one shape everywhere.

        Raises:
            InfrastructureError: another rank is gone.
        """

    def leave(self) -> None:
        """Close the connection."""


def unreachable(reason: str) -> InfrastructureError:
    """The error of a rank that cannot reach the others; `reason` is what the framework says of it."""
    return InfrastructureError(
        f"the other ranks cannot be reached ({reason}); one of them has ended or was unreachable: "
        "see its output, then start all of them again, with --resume where there is a checkpoint"
    )


@contextmanager
def joined(ranks: Ranks, backend: str, runtime: RuntimeConfig) -> Iterator[Group | None]:
    """
    The connection of a process to its group, closed however the block ends; None for a process alone.

    Raises:
        InfrastructureError: the others cannot be reached.
    """
    if ranks.world == 1:
        yield None
        return
    group: Group = import_module(f"{backend}.distributed").join(ranks, runtime)
    try:
        yield group
    finally:
        group.leave()


@contextmanager
def together(group: Group | None, claims: Mapping[str, Any] | None = None) -> Iterator[None]:
    """
    A block that succeeds on all ranks or fails on all.

    Args:
        group: the ranks; None for a process alone, for which this does nothing.
        claims: what must be the same everywhere; it may be filled in the block.

    Raises:
        PtychoError: this rank's own error, on this rank.
        UsageError, InfrastructureError: on the others, with the rank and its message; by their kind of error.
        UsageError: the ranks claim different things.
    """
    if group is None:
        yield
        return
    error: PtychoError | None = None
    try:
        yield
    except PtychoError as caught:
        error = caught
    answer: dict[str, Any] = {"claims": dict(claims or {})}
    if error is not None:
        answer |= {"verdict": int(error.verdict), "message": str(error)}
    answers = [json.loads(text) for text in exchange(group, json.dumps(answer, default=str))]
    if error is not None:
        raise error
    failed = {rank: other for rank, other in enumerate(answers) if "message" in other}
    if failed:
        usage = any(other["verdict"] == Verdict.USAGE for other in failed.values())
        listed = "\n".join(f"rank {rank}: {other['message']}" for rank, other in failed.items())
        raise (UsageError if usage else InfrastructureError)(f"not every rank can go on:\n{listed}")
    _same([other["claims"] for other in answers])


def collect_losses(
    group: Group,
    batches: Iterable[Batch],
    score: Callable[[BatchShard], Scores],
    fetch: Callable[[Sequence[Scores]], NDArray[Any]],
) -> Losses:
    """
    Score this rank's share of every global batch, and add the losses up over the ranks at the end.

    Args:
        group: the ranks.
        batches: this rank's shares.
        score: takes one share, with or without a step; its result may still lie on the device.
        fetch: brings all results to `(steps, 2)` float64, total and deviance.
    """
    scores: list[Scores] = []
    weights: list[float] = []
    sizes: list[int] = []
    for batch in batches:
        share = cast(BatchShard, batch)
        scores.append(score(share))
        weights.append(share.weight)
        sizes.append(share.whole)
    total, deviance = group.total((fetch(scores) * np.array(weights)[:, None]).T)
    return Losses(total=total, deviance=deviance, sizes=np.array(sizes, dtype=np.int64))


def exchange(group: Group, text: str) -> list[str]:
    """Return what every rank says, by rank."""
    ranks, data = group.ranks, text.encode()
    lengths = np.zeros(ranks.world, dtype=np.int64)
    lengths[ranks.rank] = len(data)
    lengths = group.total(lengths)
    said = np.zeros((ranks.world, int(lengths.max())), dtype=np.int64)
    said[ranks.rank, : len(data)] = np.frombuffer(data, dtype=np.uint8)
    said = group.total(said)
    return [row[:length].astype(np.uint8).tobytes().decode() for row, length in zip(said, lengths, strict=True)]


def _same(claims: list[dict[str, Any]]) -> None:
    names = sorted({name for claim in claims for name in claim})
    differing = [name for name in names if any(claim.get(name) != claims[0].get(name) for claim in claims)]
    if differing:
        listed = "\n".join(f"  - {name}: {', '.join(str(claim.get(name)) for claim in claims)}" for name in differing)
        raise UsageError(
            f"the ranks, from 0, do not train the same:\n{listed}\nstart every rank with the same options and files"
        )
