"""The format of the catalogue: what an entry may say, and that everything wrong is said at once."""

import re
from pathlib import Path

import pytest

from harness.faults.mutation import catalogue, entry
from harness.parity.compare.rungs import RUNGS
from ptycho.errors import UsageError

ENTRY = """
[[mutant]]
id = "one-is-two"
in = "ptycho.a:f"
old = "one = 1"
new = "one = 2"
dies_at = "R4"
guilty = "core"
story = "One is two."
"""
CODE = "def f():\n    one = 1\n    return one\n"
EQUIVALENT = """
[[equivalent]]
id = "one-is-one"
in = "harness.a:f"
old = "one = 1"
new = "one = 0 + 1"
guilty = "harness"
story = "One is one."
proof = "Zero is neutral."
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one function in each package, and an empty catalogue."""
    for package in entry.OWNERS:
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text(CODE)
    (tmp_path / "catalogue").mkdir()
    return tmp_path


def load(root: Path, text: str) -> tuple[catalogue.Mutant, ...]:
    (root / "catalogue" / "a.toml").write_text(text)
    return catalogue.load(root / "catalogue", root)


def test_gates_are_the_rungs_the_self_check_and_the_lane() -> None:
    assert entry.GATES == (*(rung.name for rung in RUNGS), "R10", "lane", "tests")


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
        'edits = [{in = "ptycho_tf.a:f", old = "one = 1", new = "one = 2"}, {in = "ptycho.a:f", old = "1", new = "2"}]'
    )
    (mutant,) = load(
        root,
        "\n".join(line for line in ENTRY.splitlines() if line[:3] not in ("in ", "old", "new")) + f"\n{edits}\n",
    )
    assert (len(mutant.edits), mutant.owners) == (2, frozenset({"tf", "core"}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'id = "one-is-two"',
            'id = "One_Two"',
            "line 3: mutant 'One_Two': id = 'One_Two'; allowed: words of a-z and 0-9",
        ),
        (
            'dies_at = "R4"',
            'dies_at = "R99"',
            """line 7: mutant 'one-is-two': dies_at = 'R99'; allowed: "R0", "R1", """,
        ),
        (
            'guilty = "core"',
            'guilty = "jax"',
            """guilty = 'jax'; allowed: "torch", "tf", "core" or "harness" (whose code""",
        ),
        ('guilty = "core"', 'guilty = "core"\ngridsize = 3', "gridsize = 3; allowed: 1 or 2 (the only one"),
        ('guilty = "core"', 'guilty = "core"\ngridsize = true', "gridsize = True; allowed: 1 or 2"),
        (
            'guilty = "core"',
            'guilty = "core"\nprecision = "f16"',
            """precision = 'f16'; allowed: "f64", "f32" or "bf16\"""",
        ),
        ('guilty = "core"', 'guilty = "core"\nprecison = "f32"', "unknown key 'precison'; did you mean 'precision'? "),
        ('story = "One is two."', "", "mutant 'one-is-two': [[mutant]] lacks 'story': what it does to users"),
        ('story = "One is two."', "story = 1", "story = 1; allowed: text, not empty"),
        ('in = "ptycho.a:f"', 'in = "docs.a:f"', "in = 'docs.a:f'; allowed: MODULE, MODULE:FUNCTION or "),
        ('in = "ptycho.a:f"', 'in = "ptycho.a f"', "in = 'ptycho.a f'; allowed: MODULE, MODULE:FUNCTION or "),
        ('in = "ptycho.a:f"', 'file = "docs/a.toml"', "file = 'docs/a.toml'; allowed: a path in ptycho_torch, "),
        ('in = "ptycho.a:f"', 'file = "ptycho/a.py"', """file = 'ptycho/a.py' is Python; write in = "ptycho.a:FUNC"""),
        ('in = "ptycho.a:f"', "", "a change needs one of in and file; write in = "),
        ('in = "ptycho.a:f"', 'in = "ptycho.a:ff"', "ptycho.a has no function 'ff'; did you mean 'f'?"),
        ('in = "ptycho.a:f"', 'in = "ptycho.b:f"', "there is no module 'ptycho.b'; did you mean 'ptycho.a'?"),
        ('old = "one = 1"', "", "old is missing; write a text"),
        ('old = "one = 1"', 'old = "three"', "line 2: mutant 'one-is-two': ptycho.a:f: old occurs 0 times in it"),
        ('new = "one = 2"', 'new = "one ="', "ptycho/a.py: does not compile"),
        ('guilty = "core"', 'guilty = "core"\nedits = []', "edits beside in, old, new; give one or the other"),
        ("[[mutant]]", "[[fault]]", "unknown table [fault]; allowed: mutant, equivalent"),
        (
            "[[mutant]]",
            "schema = 2\n[[mutant]]",
            "schema = 2 is newer than this harness, which reads catalogue files up",
        ),
        ("[[mutant]]", "[[mutant]", "is not TOML"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(root: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(root, ENTRY.replace(old, new))
    assert said in str(refused.value)


def test_an_equivalent_dies_nowhere_and_has_a_proof(root: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load(root, EQUIVALENT.replace('proof = "Zero is neutral."', 'dies_at = "R1"'))
    assert "equivalent 'one-is-one': proof is missing; needed for every equivalent" in str(refused.value)
    assert "equivalent 'one-is-one': dies_at belongs to no equivalent; take it out" in str(refused.value)


def test_a_wrong_entry_hides_no_other(root: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load(root, ENTRY.replace("core", "jax") + ENTRY.replace("one = 1", "three").replace("is-two", "is-three"))
    first, second = str(refused.value).splitlines()[1:]
    assert first.startswith("  - a.toml, line 8: mutant 'one-is-two': guilty = 'jax'; allowed: ")
    assert second.startswith("  - a.toml, line 11: mutant 'one-is-three': ptycho.a:f: old occurs 0 times in it")


def test_a_file_that_is_not_python_has_a_path(root: Path) -> None:
    (root / "harness" / "a.toml").write_text("key = 1\n")
    text = EQUIVALENT.replace('in = "harness.a:f"', 'file = "harness/a.toml"').replace("one = 1", "key = 1")
    (mutant,) = load(root, text.replace("one = 0 + 1", "key = 2"))
    assert (mutant.edits[0].file, mutant.edits[0].function) == ("harness/a.toml", None)


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
    (other,) = load(root, ENTRY + 'kind = "hangs"\nwhere = "ptycho.a:f"\n')
    assert (plain.spot, str(derived.spot), str(other.spot)) == (None, "ptycho/a.py, f()", "ptycho/a.py, f()")
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
        ('kind = "odd"', """kind = 'odd'; allowed: "value", "shape", "type", "nan", "raises", "hangs" or "killed\""""),
        ('where = "f in a.py"', "where = 'f in a.py'; allowed: MODULE, MODULE:FUNCTION or MODULE:CLASS.METHOD"),
        ('where = "ptycho.b:f"', "there is no module 'ptycho.b'; did you mean 'ptycho.a'?"),
        ('where = "ptycho.a:g"', "where: ptycho.a has no function 'g'"),
        ("compiles = 1", "compiles = 1; allowed: true or false"),
    ],
)
def test_kinds_and_places_are_closed(root: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        load(root, ENTRY + line + "\n")
