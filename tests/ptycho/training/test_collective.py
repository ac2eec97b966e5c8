"""Agreements of several ranks, here threads of one process: all go on, or all end with one reason."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho.config import RuntimeConfig
from ptycho.errors import InfrastructureError, PtychoError, UsageError
from ptycho.training import collective
from ptycho.training.ranks import ALONE, Ranks

WORLD = 3


class Together:
    """One rank of three, each a thread."""

    def __init__(self, rank: int, meeting: threading.Barrier, board: list[NDArray[Any] | None]) -> None:
        self.ranks = Ranks(rank=rank, world=WORLD)
        self._meeting, self._board = meeting, board

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        self._board[self.ranks.rank] = values
        self._meeting.wait(timeout=10)
        result = np.sum([part for part in self._board if part is not None], axis=0)
        self._meeting.wait(timeout=10)
        return np.asarray(result)

    def leave(self) -> None:
        """Nothing to close."""


def on_all(action: Callable[[Together], Any]) -> list[Any]:
    """What an action gives on each rank, errors included."""
    meeting = threading.Barrier(WORLD)
    board: list[NDArray[Any] | None] = [None] * WORLD

    def tried(rank: int) -> Any:
        try:
            return action(Together(rank, meeting, board))
        except PtychoError as error:
            return error

    with ThreadPoolExecutor(WORLD) as pool:
        return list(pool.map(tried, range(WORLD)))


def test_everybody_hears_everybody() -> None:
    texts = ["", "zwei · 2", "x" * 300]
    assert on_all(lambda rank: collective.exchange(rank, texts[rank.ranks.rank])) == [texts] * WORLD


def test_all_go_on_when_all_are_well() -> None:
    def action(rank: Together) -> str:
        claims: dict[str, Any] = {}
        with collective.together(rank, claims):
            claims["seed"] = 7
        return "on"

    assert on_all(action) == ["on"] * WORLD


@pytest.mark.parametrize("kind", [UsageError, InfrastructureError])
def test_one_error_ends_all_with_its_reason(kind: type[PtychoError]) -> None:
    def action(rank: Together) -> None:
        with collective.together(rank):
            if rank.ranks.rank == 1:
                raise kind("the file is not here")

    errors = on_all(action)
    assert [type(error) for error in errors] == [kind] * WORLD
    assert str(errors[1]) == "the file is not here"
    assert [str(errors[k]) for k in (0, 2)] == ["not every rank can go on:\nrank 1: the file is not here"] * 2


def test_different_claims_end_all() -> None:
    def action(rank: Together) -> None:
        claims = {"seed": 42, "weights": "ab" if rank.ranks.rank else "cd"} | ({"x": 1} if rank.ranks.rank == 2 else {})
        with collective.together(rank, claims):
            pass

    errors = on_all(action)
    assert [type(error) for error in errors] == [UsageError] * WORLD
    assert "- weights: cd, ab, ab\n" in str(errors[0])
    assert "- x: None, None, 1\n" in str(errors[0])
    assert "seed" not in str(errors[0])


def test_alone_there_is_nobody_to_ask() -> None:
    with (
        collective.joined(ALONE, "no_such_backend", RuntimeConfig()) as nobody,
        collective.together(nobody, {"seed": 1}),
    ):
        assert nobody is None
    with pytest.raises(UsageError, match="mine"), collective.together(None):
        raise UsageError("mine")
