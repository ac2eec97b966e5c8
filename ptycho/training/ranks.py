"""
Ranks of a training on several devices or machines, and the rows of every batch that are each one's.

Read from what the frameworks' own launchers leave in the environment, before any framework is imported. The order of
the groups stays the single process's own: a global batch is cut into one run of rows a rank, so that the ranks
together see, step by step, what one process alone would have seen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ptycho.data.grouping import Indices
from ptycho.errors import UsageError

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What `torchrun` sets for each process; the first two say that there are others."""

TF_CONFIG = "TF_CONFIG"
_WORKERS = ("chief", "worker")
"""Kinds of task that train, in the order of their ranks; there is at most one chief."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """
    One process among those that train together.

    Attributes:
        rank: its number, from 0. Rank 0 leads: it alone writes files, tracks, draws and reports.
        world: how many there are.
        local: its number on its machine, which is the number of its GPU there.

    Example:
        >>> Ranks(rank=1, world=2).part(np.arange(5))
        (array([2, 3, 4]), 3)
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank {self.rank} of {self.world}; allowed: 0 to {self.world - 1}; start with torchrun")

    @property
    def leads(self) -> bool:
        """Whether this process writes what the training leaves."""
        return self.rank == 0

    def part(self, chosen: Indices) -> tuple[Indices, int]:
        """
        This rank's rows of a global batch.

        A last batch with fewer groups than ranks leaves some of them without a row; they take the first one along and
        count none, since every rank must take part in every step.

        Args:
            chosen: `(B,)` groups of the whole batch, not empty.

        Returns:
            Groups to read, and how many of them count: all or none.
        """
        first, last = (len(chosen) * rank // self.world for rank in (self.rank, self.rank + 1))
        return (chosen[first:last], last - first) if last > first else (chosen[:1], 0)

    def admit(self, batch_size: int) -> None:
        """
        Refuse more ranks than a batch has groups: some would compute nothing, ever.

        Raises:
            UsageError: naming both.
        """
        if self.world > batch_size:
            raise UsageError(
                f"{self.world} ranks for a batch of {batch_size}; allowed: a group a rank or more; "
                f"pass --batch_size {self.world} or more, or start {batch_size} processes or fewer"
            )


ALONE = Ranks()
"""A plain process."""


def of_torchrun(environment: Mapping[str, str]) -> Ranks:
    """
    The place of a process that `torchrun` has started; `ALONE` for any other.

    Raises:
        UsageError: listing every variable that is missing or no number.
    """
    if not {"RANK", "WORLD_SIZE"} & environment.keys():
        return ALONE
    problems = [f"{name} is not set" for name in TORCHRUN if not environment.get(name)]
    numbers = {name: environment[name] for name in TORCHRUN if name != "MASTER_ADDR" and environment.get(name)}
    problems += [
        f"{name} = {text!r}; allowed: a whole number" for name, text in numbers.items() if not text.isdecimal()
    ]
    if not problems:
        rank, world, local = (int(numbers[name]) for name in TORCHRUN[:3])
        if rank < world and local < world:
            return Ranks(rank=rank, world=world, local=local) if world > 1 else ALONE
        problems.append(f"RANK = {rank}, LOCAL_RANK = {local} of WORLD_SIZE = {world}; allowed: 0 to {world - 1}")
    listed = "\n".join(f"  - {problem}" for problem in problems)
    raise UsageError(
        f"the environment names other ranks, but not completely:\n{listed}\n"
        "start with `torchrun --nproc-per-node 2 -m ptycho_torch.train …`, or unset RANK and WORLD_SIZE"
    )


def of_tf_config(environment: Mapping[str, str]) -> Ranks:
    """
    The place of a process by `TF_CONFIG`; `ALONE` where it is not set or names this worker only.

    Raises:
        UsageError: it is not JSON, names no worker, or this task is none of them: everything that is wrong is listed.
    """
    text = environment.get(TF_CONFIG, "").strip()
    if not text:
        return ALONE
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise _broken([f"it is not JSON ({error})"]) from None
    cluster = parsed.get("cluster") if isinstance(parsed, dict) else None
    task = parsed.get("task") if isinstance(parsed, dict) else None
    problems: list[str] = []
    workers = _addresses(cluster, problems)
    found = (str(task.get("type")), task.get("index")) if isinstance(task, dict) else None
    if found is None or type(found[1]) is not int:
        problems.append(f'task = {task!r}; allowed: {{"type": "worker", "index": 0}}')
    elif not problems and found not in workers:
        named = ", ".join(f"{kind} {index}" for kind, index in workers)
        problems.append(f"task = {found[0]} {found[1]}; allowed: {named}")
    if problems:
        raise _broken(problems)
    assert found is not None
    return Ranks(rank=workers.index(found), world=len(workers)) if len(workers) > 1 else ALONE


def _addresses(cluster: Any, problems: list[str]) -> list[tuple[str, Any]]:
    """Kind and index of every task that trains, by rank."""
    if not isinstance(cluster, dict) or not cluster.get("worker"):
        problems.append('cluster names no worker; allowed: {"worker": ["host:port", …]}')
        return []
    workers: list[tuple[str, Any]] = []
    for kind, hosts in cluster.items():
        if kind not in _WORKERS:
            problems.append(f"cluster has tasks of type {kind!r}; allowed: {', '.join(_WORKERS)}")
        elif not isinstance(hosts, list) or not all(isinstance(host, str) and ":" in host for host in hosts):
            problems.append(f"{kind} = {hosts!r}; allowed: a list of addresses, host:port")
    if not problems:
        workers = [(kind, index) for kind in _WORKERS for index in range(len(cluster.get(kind, [])))]
        hosts = [host for kind in _WORKERS for host in cluster.get(kind, [])]
        if len(set(hosts)) < len(hosts):
            problems.append(f"addresses = {', '.join(hosts)}; allowed: each one once")
    return workers


def _broken(problems: list[str]) -> UsageError:
    listed = "\n".join(f"  - {problem}" for problem in problems)
    return UsageError(
        f"TF_CONFIG cannot be used:\n{listed}\n"
        'set it to {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}} with an index of '
        "its own for each process, or unset it"
    )
