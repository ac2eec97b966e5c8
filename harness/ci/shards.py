"""
Sharing tests out among jobs by what they took before, and proof that together they ran every test once.

Files are shared out whole, since their tests share fixtures. Longest processing time first puts each file, longest
first, on the shard that has least so far; that ends at most one file above the mean (Graham, SIAM J. Appl. Math. 17,
416, 1969), and exchanging files between the fullest shard and the others brings it down where it can.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from ptycho import git
from ptycho.errors import InfrastructureError, UsageError

DURATIONS = Path("tests/durations.json")
"""Seconds of each test file, as `python -m harness ci durations` recorded them."""


def load(path: Path) -> dict[str, float]:
    """
    Recorded seconds by test file.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(seconds) for name, seconds in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} holds no seconds by test file ({error}); write it with `ci durations`") from error


def weighed(files: Iterable[str], durations: Mapping[str, float]) -> dict[str, float]:
    """Files with their seconds; one that was never timed counts as the median of those that were."""
    typical = median(durations.values()) if durations else 1.0
    return {name: durations.get(name, typical) for name in files}


def plan(weights: Mapping[str, float], number: int) -> list[list[str]]:
    """
    Share files out.

    Args:
        weights: seconds by file.
        number: of shards.

    Returns:
        Files of each shard, longest first; the same for the same weights in any order.

    Raises:
        UsageError: fewer than one shard.
    """
    if number < 1:
        raise UsageError(f"{number} shards; allowed: 1 or more")
    shards: list[list[str]] = [[] for _ in range(number)]
    for name in sorted(weights, key=lambda item: (-weights[item], item)):
        min(shards, key=lambda shard: (_load(shard, weights), shards.index(shard))).append(name)
    while _exchange(shards, weights):
        pass
    return shards


def _load(shard: Sequence[str], weights: Mapping[str, float]) -> float:
    return sum(weights[name] for name in shard)


def makespan(shards: Sequence[Sequence[str]], weights: Mapping[str, float]) -> float:
    """Seconds of the fullest shard."""
    return max(_load(shard, weights) for shard in shards)


def _exchange(shards: list[list[str]], weights: Mapping[str, float]) -> bool:
    """Move or exchange one file of the fullest shard so that the fuller of the two gets emptier; whether it did."""
    fullest = max(shards, key=lambda shard: _load(shard, weights))
    high = _load(fullest, weights)
    for other in shards:
        if other is fullest:
            continue
        low = _load(other, weights)
        for mine in fullest:
            for theirs in (None, *other):
                moved = weights[mine] - (0.0 if theirs is None else weights[theirs])
                # A hair of slack, so that rounding cannot exchange the same two for ever.
                if moved > 0 and max(high - moved, low + moved) < high * (1 - 1e-9):
                    fullest.remove(mine)
                    other.append(mine)
                    if theirs is not None:
                        other.remove(theirs)
                        fullest.append(theirs)
                    return True
    return False


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """
    Tests that one shard ran.

    Attributes:
        number: which one, from 1.
        of: how many there are.
        commit: of the checkout.
        collected: every test that was there to be shared out.
        mine: those that were this shard's.
        ran: those that reported.
    """

    number: int
    of: int
    commit: str
    collected: tuple[str, ...]
    mine: tuple[str, ...]
    ran: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> ShardRecord:
    """
    A share that was kept.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(map(str, found[name])) for name in ("collected", "mine", "ran")}
        return ShardRecord(number=int(found["number"]), of=int(found["of"]), commit=str(found["commit"]), **lists)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a shard's record: {error!r}") from error


def commit(root: Path) -> str:
    """
    The checkout's commit.

    Raises:
        InfrastructureError: git does not say; shards of an unknown commit prove nothing about this one.
    """
    try:
        return git.ask(root, "rev-parse", "HEAD").decode().strip()
    except git.GitError as error:
        raise InfrastructureError(f"which commit the shards are of is not known: {error}") from error


def complaints(shares: Sequence[ShardRecord], *, commit: str) -> list[str]:
    """
    Return why some shards together are not the whole suite, once; empty if they are.

    Args:
        shares: what each shard ran.
        commit: that the shards must be of.
    """
    if not shares:
        return ["no shard reported"]
    found = []
    counts = sorted({share.of for share in shares})
    if len(counts) > 1:
        found.append(f"shards of different plans: of {', '.join(map(str, counts))}")
    for number in range(1, counts[-1] + 1):
        told = sum(share.number == number for share in shares)
        if told != 1:
            found.append(f"shard {number} of {counts[-1]} reported {told} times")
    found += [
        f"shard {share.number} is of {share.commit}, wanted is {commit}" for share in shares if share.commit != commit
    ]
    everything = {test for share in shares for test in share.collected}
    for share in shares:
        if everything != set(share.collected):
            found.append(f"shard {share.number} collected {len(share.collected)} of {len(everything)} tests")
        if silent := sorted(set(share.mine) - set(share.ran)):
            found.append(f"shard {share.number}: {len(silent)} tests did not report, {silent[0]} among them")
    runs: dict[str, int] = dict.fromkeys(everything, 0)
    for share in shares:
        for test in share.ran:
            runs[test] = runs.get(test, 0) + 1
    for what, wrong in (
        ("ran in no shard", sorted(test for test, times in runs.items() if times == 0)),
        ("ran in more than one shard", sorted(test for test, times in runs.items() if times > 1)),
    ):
        if wrong:
            found.append(f"{len(wrong)} tests {what}, {wrong[0]} among them")
    return found
