"""Who is who: what launchers leave in the environment, good and bad, and whose rows are whose."""

import json

import numpy as np
import pytest

from ptycho.errors import UsageError
from ptycho.training.ranks import ALONE, Ranks, of_tf_config, of_torchrun

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def tf_config(cluster: object, kind: str = "worker", index: object = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize("groups", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_the_ranks_together_take_every_row_once_and_in_order(groups: int, world: int) -> None:
    chosen = np.arange(10, 10 + groups)
    parts = [Ranks(rank=rank, world=world).part(chosen) for rank in range(world)]
    assert np.concatenate([part[:counted] for part, counted in parts]).tolist() == chosen.tolist()
    assert all(len(part) >= 1 and counted in (0, len(part)) for part, counted in parts)
    sizes = [counted for _, counted in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_plain_process_is_alone() -> None:
    assert of_torchrun({"PATH": "/bin", "MASTER_ADDR": "localhost"}) == ALONE
    assert of_tf_config({"PATH": "/bin"}) == ALONE
    assert of_tf_config({"TF_CONFIG": " "}) == ALONE
    assert ALONE.leads


def test_torchrun_says_who_this_is() -> None:
    assert of_torchrun(TORCHRUN) == Ranks(rank=1, world=2, local=1)
    assert of_torchrun(TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}) == ALONE


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"RANK": "2"}, "RANK = 2, LOCAL_RANK = 1 of WORLD_SIZE = 2"),
        ({"RANK": "one"}, "RANK = 'one'; allowed: a whole number"),
        ({"RANK": "-1"}, "RANK = '-1'; allowed: a whole number"),
        ({"WORLD_SIZE": "", "MASTER_PORT": "x"}, "WORLD_SIZE is not set\n  - MASTER_PORT = 'x'"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "0"}, "of WORLD_SIZE = 0"),
    ],
)
def test_a_broken_environment_is_refused(changed: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        of_torchrun(TORCHRUN | changed)
    assert message in str(caught.value)
    assert "torchrun" in str(caught.value)


def test_tf_config_says_who_this_is() -> None:
    two = {"worker": ["a:1", "b:1"]}
    assert of_tf_config(tf_config(two, index=1)) == Ranks(rank=1, world=2)
    assert of_tf_config(tf_config({"worker": ["a:1"]})) == ALONE
    chief = {"worker": ["b:1"], "chief": ["a:1"]}
    assert of_tf_config(tf_config(chief, "chief")) == Ranks(rank=0, world=2)
    assert of_tf_config(tf_config(chief, "worker")) == Ranks(rank=1, world=2)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, "it is not JSON"),
        ({"TF_CONFIG": "[]"}, "cluster names no worker"),
        ({"TF_CONFIG": "{}"}, "task = None; allowed"),
        (tf_config({"worker": []}), "cluster names no worker"),
        (tf_config({"worker": "a:1"}), "worker = 'a:1'; allowed: a list of addresses"),
        (tf_config({"worker": ["a", "b:1"]}), "allowed: a list of addresses, host:port"),
        (tf_config({"worker": ["a:1", "a:1"]}), "addresses = a:1, a:1; allowed: each one once"),
        (tf_config({"worker": ["a:1", "b:1"], "ps": ["c:1"]}), "cluster has tasks of type 'ps'"),
        (tf_config({"worker": ["a:1", "b:1"]}, index=2), "task = worker 2; allowed: worker 0, worker 1"),
        (tf_config({"worker": ["a:1", "b:1"]}, index="1"), "allowed: {"),
        (tf_config({"worker": ["a:1", "b:1"]}, index=True), "allowed: {"),
        (tf_config({"worker": ["a:1", "b:1"]}, "evaluator"), "task = evaluator 0"),
    ],
)
def test_a_broken_tf_config_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        of_tf_config(environment)
    assert message in str(caught.value)


def test_more_ranks_than_groups_are_refused() -> None:
    Ranks(rank=1, world=4).admit(4)
    with pytest.raises(UsageError, match="5 ranks for a batch of 4"):
        Ranks(rank=1, world=5).admit(4)
    with pytest.raises(UsageError, match="rank 2 of 2; allowed: 0 to 1"):
        Ranks(rank=2, world=2)
