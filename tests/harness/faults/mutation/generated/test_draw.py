"""The draw: every function as likely as any other, whatever its length, and a seed that nobody chooses."""

from collections import Counter
from pathlib import Path

import pytest

from harness.faults.mutation.generated import draw
from harness.faults.mutation.generated.changes import compiles
from ptycho import fingerprint
from ptycho.errors import UsageError

SHORT = "def short(a):\n    return a < 1\n\n\ndef nothing():\n    pass\n"
LONG = "def long(a):\n" + "".join(f"    a = a + {k}\n" for k in range(50)) + "    return a\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in (("one/a.py", SHORT), ("two/b.py", LONG)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_function_of_every_folder_is_there(root: Path) -> None:
    found = draw.functions(root, ("one/", "two/"))
    assert {key: len(changes) for key, changes in found.items()} == {
        ("one/a.py", "short"): 3,
        ("one/a.py", "nothing"): 0,
        ("two/b.py", "long"): 101,
    }


def test_a_long_function_is_drawn_as_often_as_a_short_one(root: Path) -> None:
    found = draw.functions(root, ("one/", "two/"))
    counted = Counter(draw.drawn(root, found, 1, seed)[0].function for seed in range(400))
    assert set(counted) == {"short", "long"}
    assert 150 < counted["short"] < 250


def test_the_same_seed_draws_the_same_and_none_twice(root: Path) -> None:
    found = draw.functions(root, ("one/", "two/"))
    one, again, other = (draw.drawn(root, found, 30, seed) for seed in (5, 5, 6))
    assert one == again != other
    assert len({change.id for change in one}) == len(one) == 30
    assert len(draw.drawn(root, found, 1000, 5)) == 104


def test_what_is_not_python_any_more_is_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    # Of a starred call's keyword nothing is left that could stand there.
    (tmp_path / "a" / "a.py").write_text("def f(x):\n    for k in x:\n        del x[k]\n        x = x + 1\n")
    found = draw.functions(tmp_path, ("a/",))
    assert all(compiles(c.applied((tmp_path / c.file).read_text())) for c in draw.drawn(tmp_path, found, 99, 1))


def test_the_seed_is_the_commits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seeds = []
    for commit in ("a" * 40, "b" * 40, "a" * 40 + "-dirty"):
        monkeypatch.setattr(fingerprint, "commit", lambda _root, said=commit: said)
        seeds.append(draw.seed_of(tmp_path))
    assert seeds[0] == seeds[2] != seeds[1]
    monkeypatch.setattr(fingerprint, "commit", lambda _root: None)
    with pytest.raises(UsageError, match="no commit to take the seed from; give --seed N"):
        draw.seed_of(tmp_path)


@pytest.mark.parametrize("place", draw.PLACES)
def test_the_places_are_there(place: str) -> None:
    assert place.endswith("/")
    assert list((fingerprint.ROOT / place).rglob("*.py"))
