"""The format of the catalogue: what an entry may say, and that everything wrong is said at once."""

import re
from pathlib import Path

import pytest

from harness.mutation import catalogue
from harness.parity.rungs import RUNGS
from ptycho.errors import UsageError

ENTRY = """
[[mutant]]
id = "one-is-two"
file = "ptycho/a.py"
old = "one = 1"
new = "one = 2"
dies_at = "R4"
guilty = "core"
story = "One is two."
"""
EQUIVALENT = """
[[equivalent]]
id = "one-is-one"
file = "harness/a.py"
old = "one = 1"
new = "one = 0 + 1"
guilty = "harness"
story = "One is one."
proof = "Zero is neutral."
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one line in each package, and an empty catalogue."""
    for package in catalogue.OWNERS:
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("one = 1\n")
    (tmp_path / "catalogue").mkdir()
    return tmp_path


def load(root: Path, text: str) -> tuple[catalogue.Mutant, ...]:
    (root / "catalogue" / "a.toml").write_text(text)
    return catalogue.load(root / "catalogue", root)


def test_gates_are_the_rungs_the_self_check_and_the_lane() -> None:
    assert catalogue.GATES == (*(rung.name for rung in RUNGS), "R10", "lane")


def test_entries_are_read_in_order(root: Path) -> None:
    one, other = load(root, ENTRY + EQUIVALENT)
    assert (one.id, one.dies_at, one.gate, one.owners, one.accused) == (
        "one-is-two",
        "R4",
        "R4",
        frozenset({"core"}),
        ("tf", "torch"),
    )
    assert (other.dies_at, other.gate, other.proof) == (None, "R10", "Zero is neutral.")


def test_a_fault_may_need_several_edits(root: Path) -> None:
    edits = (
        'edits = [{file = "ptycho_tf/a.py", old = "one", new = "two"}, {file = "ptycho/a.py", old = "1", new = "2"}]'
    )
    (mutant,) = load(
        root,
        "\n".join(line for line in ENTRY.splitlines() if line[:4] not in ("file", "old ", "new ")) + f"\n{edits}\n",
    )
    assert (len(mutant.edits), mutant.owners) == (2, frozenset({"tf", "core"}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "one-is-two"', 'id = "One_Two"', "an id consists of words of a-z and 0-9"),
        ('dies_at = "R4"', 'dies_at = "R99"', "dies_at is 'R99'; allowed: R0, R1"),
        ('guilty = "core"', 'guilty = "jax"', "guilty is 'jax'; allowed: torch, tf, core, harness"),
        ('guilty = "core"', 'guilty = "core"\ngridsize = 3', "gridsize is 3; allowed: 1, 2"),
        ('guilty = "core"', 'guilty = "core"\nprecision = "f16"', "precision is 'f16'; allowed: f64, f32"),
        ('guilty = "core"', 'guilty = "core"\nseverity = 1', "key 'severity'; allowed: id"),
        ('story = "One is two."', "", "story is missing"),
        ('story = "One is two."', "story = 1", "story is 1; it must be str"),
        ('file = "ptycho/a.py"', 'file = "docs/a.py"', "file 'docs/a.py' is in none of ptycho_torch"),
        ('old = "one = 1"', "", "old of an edit is no text"),
        ('old = "one = 1"', 'old = "three"', "ptycho/a.py: old occurs 0 times"),
        ('new = "one = 2"', 'new = "one ="', "ptycho/a.py: does not compile"),
        ('guilty = "core"', 'guilty = "core"\nedits = []', "edits is empty"),
        ("[[mutant]]", "[[fault]]", "'fault'; allowed: [[mutant]], [[equivalent]]"),
        ("[[mutant]]", "[[mutant]", "is no TOML"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(root: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(root, ENTRY.replace(old, new))
    assert said in str(refused.value)


def test_an_equivalent_dies_nowhere_and_has_a_proof(root: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load(root, EQUIVALENT.replace('proof = "Zero is neutral."', 'dies_at = "R1"'))
    assert "proof is missing" in str(refused.value)
    assert "an equivalent dies nowhere" in str(refused.value)


def test_ids_are_unique_and_a_catalogue_is_not_empty(root: Path) -> None:
    with pytest.raises(UsageError, match="id 'one-is-two' is taken 2 times"):
        load(root, ENTRY + ENTRY)
    with pytest.raises(UsageError, match="holds no mutant"):
        load(root, "")


def test_patterns_choose_and_one_that_fits_nothing_is_refused(root: Path) -> None:
    mutants = load(root, ENTRY + EQUIVALENT)
    assert [mutant.id for mutant in catalogue.matching(mutants, ["*-two"])] == ["one-is-two"]
    assert catalogue.matching(mutants, []) == mutants
    with pytest.raises(UsageError, match=r"--id 'three\*' fits no mutant of 2"):
        catalogue.matching(mutants, ["one*", "three*"])


def test_a_kind_asks_for_the_place_of_the_edit_and_where_for_another(root: Path) -> None:
    (plain,) = load(root, ENTRY)
    (derived,) = load(root, ENTRY + 'kind = "raises"\n')
    (other,) = load(root, ENTRY + 'kind = "hangs"\nwhere = "ptycho/b.py:f"\n')
    assert (plain.spot, str(derived.spot), str(other.spot)) == (None, "ptycho/a.py", "ptycho/b.py, f()")
    assert [(mutant.ends, mutant.exit_code) for mutant in (plain, derived, other)] == [
        (False, 1),
        (True, 1),
        (True, 11),
    ]


def test_a_change_that_must_not_compile(root: Path) -> None:
    broken = ENTRY.replace("one = 2", "one = (2")
    with pytest.raises(UsageError, match="does not compile once it is changed"):
        load(root, broken)
    (mutant,) = load(root, broken + "compiles = false\n")
    assert not mutant.compiles
    with pytest.raises(UsageError, match="it compiles once it is changed, and the entry says that it does not"):
        load(root, ENTRY + "compiles = false\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('kind = "odd"', "kind is 'odd'; allowed: value, shape, type, nan, raises, hangs, killed"),
        ('where = "f in a.py"', "where is 'f in a.py'; allowed: FILE.py or FILE.py:FUNCTION"),
        ("compiles = 1", "compiles is 1; it must be bool"),
    ],
)
def test_kinds_and_places_are_closed(root: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        load(root, ENTRY + line + "\n")
