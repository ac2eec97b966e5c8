"""One class name means one thing in the product, and is a noun."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ptycho.fingerprint import ROOT

PACKAGES = ("harness", "ptycho", "ptycho_torch", "ptycho_tf", "scripts")

BOTH = "same class in both backends"
CORE_TOO = "same class in both backends, and its protocol in the core"
SHARED: dict[str, tuple[str, tuple[str, ...]]] = {
    "Adam": (BOTH, ("ptycho_tf/optimizer.py", "ptycho_torch/optimizer.py")),
    "BackendAdapter": (CORE_TOO, ("ptycho/parity/adapter.py", "ptycho_tf/adapter.py", "ptycho_torch/adapter.py")),
    "DistributedEngine": (BOTH, ("ptycho_tf/distributed.py", "ptycho_torch/distributed.py")),
    "Group": (CORE_TOO, ("ptycho/training/collective.py", "ptycho_tf/distributed.py", "ptycho_torch/distributed.py")),
    "MemoryMapDataset": (BOTH, ("ptycho_tf/dset_loader_tf_mmap.py", "ptycho_torch/dset_loader_pt_mmap.py")),
    "Network": (BOTH, ("ptycho_tf/network.py", "ptycho_torch/network.py")),
    "Operations": (BOTH, ("ptycho_tf/operations.py", "ptycho_torch/operations.py")),
    "TensorBatch": (BOTH, ("ptycho_tf/dset_loader_tf_mmap.py", "ptycho_torch/dset_loader_pt_mmap.py")),
    "Terms": (BOTH, ("ptycho_tf/loss.py", "ptycho_torch/loss.py")),
    "Hooks": (
        "same class for both frameworks",
        ("harness/kit/ptycho_attach_keras.py", "harness/kit/ptycho_attach_torch.py"),
    ),
    "Request": (
        "the kit is copied into checkouts that have no core, and reads the core's requests there",
        ("harness/kit/ptycho_adapter_kit.py", "ptycho/parity/request.py"),
    ),
}
"""Names that several modules define on purpose: why, and which modules."""

ENDS_LIKE_A_PARTICIPLE = {"breed", "deed", "feed", "need", "seed", "speed"}
NO_NOUN = re.compile(
    "asking|begun|best|better|bound|broken|built|caught|chosen|clean|done|drawn|fallen|found|given|gone"
    "|heard|held|hidden|kept|knowing|known|last|left|local|lost|made|met|new|old|plain|ready"
    "|seen|sent|sharing|shown|silent|spent|standing|struck|taken|told|torn|worst|written|wrong"
)
"""Irregular participles and adjectives; the regular ones are known by their end."""


def class_names(root: Path) -> Mapping[str, list[str]]:
    """Files and lines of the classes of the product by name; an underscore in front makes no other name."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(f"{path.relative_to(root).as_posix()}:{node.lineno}")
    return places


def is_noun(name: str) -> bool:
    """Whether a name is not just a participle or an adjective; a name of several words may begin with one."""
    word = name.lower()
    return not NO_NOUN.fullmatch(word) and (not word.endswith("ed") or word in ENDS_LIKE_A_PARTICIPLE)


def complaints(root: Path, shared: Mapping[str, tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """One sentence for each name that means several things, or that is no noun."""
    places = class_names(root)
    for name, where in sorted(places.items()):
        files = tuple(sorted(place.rpartition(":")[0] for place in where))
        if len(files) > 1 and files != shared.get(name, ("", ()))[1]:
            yield f"{name} is defined in {', '.join(where)}; say in each name what it is, as in ParityOptions"
        if not is_noun(name):
            yield f"{name} ({where[0]}) is no noun; name the thing, as in JudgedRung for Judged"
    for name, (_, files) in shared.items():
        if len(places.get(name, ())) < 2:
            yield f"{name} is listed as shared by {', '.join(files)} and is not; take it off the list"


@pytest.mark.slow
def test_each_class_name_means_one_thing() -> None:
    assert list(complaints(ROOT, SHARED)) == []


@pytest.mark.parametrize(
    ("first", "second", "begins"),
    [
        ("class Options: ...", "class Options: ...", ["Options is defined in harness/a.py:1, ptycho/b.py:1; "]),
        ("class Row: ...", "class _Row: ...", ["Row is defined in harness/a.py:1, ptycho/b.py:1; "]),
        ("class Row: ...", "def f():\n    class Row: ...", ["Row is defined in harness/a.py:1, ptycho/b.py:2; "]),
        ("class Judged: ...", "class JudgedRun: ...", ["Judged (harness/a.py:1) is no noun; "]),
        ("class _Known: ...", "class Seed: ...", ["Known (harness/a.py:1) is no noun; "]),
        ("class Options: ...", "from harness.a import Options", []),
    ],
)
def test_a_name_with_two_meanings_and_a_participle_are_found(
    tmp_path: Path, first: str, second: str, begins: list[str]
) -> None:
    for file, text in (("harness/a.py", first), ("ptycho/b.py", second)):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text)
    said = list(complaints(tmp_path, {}))
    assert [sentence[: len(begin)] for sentence, begin in zip(said, begins, strict=True)] == begins


def test_what_is_listed_is_exactly_what_is_shared(tmp_path: Path) -> None:
    for file in ("ptycho_tf/loss.py", "ptycho_torch/loss.py", "harness/loss.py"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("class Terms: ..." if file != "harness/loss.py" else "")
    shared = {"Terms": SHARED["Terms"]}
    assert list(complaints(tmp_path, shared)) == []
    (tmp_path / "harness/loss.py").write_text("class Terms: ...")
    assert [said[:19] for said in complaints(tmp_path, shared)] == ["Terms is defined in"]
    for file in ("ptycho_tf/loss.py", "harness/loss.py"):
        (tmp_path / file).write_text("")
    assert [said[:18] for said in complaints(tmp_path, shared)] == ["Terms is listed as"]
