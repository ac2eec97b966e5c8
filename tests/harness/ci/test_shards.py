"""Plans over recorded durations, their bounds, and what makes a set of shards no proof."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ci import shards
from harness.ci.shards import ShardRecord
from ptycho.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
seconds = st.floats(min_value=0.001, max_value=600, allow_nan=False)
weights = st.dictionaries(st.text(min_size=1, max_size=8), seconds, min_size=1, max_size=60)


@pytest.mark.parametrize("number", [2, 3, 4, 6, 8])
def test_the_recorded_suite_is_shared_out_within_the_bound(number: int) -> None:
    recorded = shards.load(ROOT / shards.DURATIONS)
    made = shards.plan(recorded, number)
    loads = [sum(recorded[name] for name in shard) for shard in made]
    assert shards.makespan(made, recorded) <= 1.15 * max(mean(loads), *recorded.values())


@pytest.mark.slow
@given(weights, st.integers(1, 9))
def test_every_file_is_in_one_shard_and_the_fullest_within_graham_s_bound(found: dict[str, float], number: int) -> None:
    made = shards.plan(found, number)
    assert len(made) == number
    assert sorted(name for shard in made for name in shard) == sorted(found)
    bound = sum(found.values()) / number + max(found.values()) * (1 - 1 / number)
    assert shards.makespan(made, found) <= bound * (1 + 1e-9)


@given(weights, st.integers(1, 9), st.randoms())
def test_a_plan_does_not_depend_on_the_order_of_its_files(found: dict[str, float], number: int, random: Random) -> None:
    names = list(found)
    random.shuffle(names)
    assert shards.plan(found, number) == shards.plan({name: found[name] for name in names}, number)


def test_an_exchange_mends_what_longest_first_leaves() -> None:
    # Longest first puts 6, 4, 4 against 6, 4.
    found = {"a": 6.0, "b": 6.0, "c": 4.0, "d": 4.0, "e": 4.0}
    assert shards.makespan(shards.plan(found, 2), found) == 12.0


def test_a_file_that_was_never_timed_counts_as_a_typical_one() -> None:
    assert shards.weighed(["a", "new"], {"a": 9.0, "b": 1.0, "c": 2.0}) == {"a": 9.0, "new": 2.0}
    assert shards.weighed(["new"], {}) == {"new": 1.0}


def test_no_shard_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="0 shards; allowed: 1 or more"):
        shards.plan({"a": 1.0}, 0)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": "x"}'])
def test_what_holds_no_seconds_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "durations.json").write_text(text)
    with pytest.raises(UsageError, match="holds no seconds by test file"):
        shards.load(tmp_path / "durations.json")


FIRST = ShardRecord(number=1, of=2, commit="c", collected=("x::a", "y::b"), mine=("x::a",), ran=("x::a",))
SECOND = ShardRecord(number=2, of=2, commit="c", collected=("x::a", "y::b"), mine=("y::b",), ran=("y::b",))


def test_two_halves_are_the_whole_and_survive_being_written(tmp_path: Path) -> None:
    assert shards.complaints([FIRST, SECOND], commit="c") == []
    SECOND.write(tmp_path / "shard.json")
    assert shards.read(tmp_path / "shard.json") == SECOND


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ([], "no shard reported"),
        ([FIRST], "shard 2 of 2 reported 0 times"),
        ([FIRST, SECOND, SECOND], "shard 2 of 2 reported 2 times"),
        ([FIRST, replace(SECOND, of=3)], "shards of different plans: of 2, 3"),
        ([FIRST, replace(SECOND, commit="old")], "shard 2 is of old, wanted is c"),
        ([FIRST, replace(SECOND, ran=())], "shard 2: 1 tests did not report, y::b among them"),
        ([FIRST, replace(SECOND, mine=(), ran=())], "1 tests ran in no shard, y::b among them"),
        ([FIRST, replace(SECOND, ran=("x::a", "y::b"))], "1 tests ran in more than one shard, x::a among them"),
        ([FIRST, replace(SECOND, collected=("y::b",))], "shard 2 collected 1 of 2 tests"),
    ],
)
def test_what_is_not_the_whole_suite_once_is_red(told: list[ShardRecord], complaint: str) -> None:
    assert complaint in shards.complaints(told, commit="c")


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shard.json").write_text(json.dumps({"number": 1}))
    with pytest.raises(UsageError, match="is not a shard's record"):
        shards.read(tmp_path / "shard.json")
