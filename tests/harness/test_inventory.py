"""The inventory refuses what is wrong in it, finds files, and notices every changed byte."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import inventory, sidecar
from harness.inventory import CHECKOUT, DriftError, Inventory
from ptycho.errors import ConfigurationError, UsageError

ENTRY = {
    "name": "scan",
    "kind": "external",
    "path": "datasets/scan.npz",
    "sha256": hashlib.sha256(b"scan").hexdigest(),
    "layout": "canonical",
    "patterns": 4,
    "side": 64,
    "gridsize": 1,
    "owner": "me",
    "licence": "MIT",
    "purpose": "a test",
}
OTHER = {"name": "other", "path": "datasets/other.npz", "sha256": hashlib.sha256(b"other").hexdigest()}
Entry = dict[str, object]


def _toml(entry: Entry) -> str:
    return "[[fixture]]\n" + "".join(f"{key} = {value!r}\n" for key, value in entry.items() if value is not None)


def _write(checkout: Path, *entries: Entry) -> Path:
    path = checkout / "datasets" / "inventory.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(_toml(ENTRY | entry) for entry in entries))
    return path


def _load(checkout: Path, *entries: Entry) -> Inventory:
    return inventory.load(_write(checkout, *entries))


@pytest.fixture(autouse=True)
def no_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(inventory.SEARCH_PATH, raising=False)


def test_project_inventory_has_the_fixtures_of_the_design() -> None:
    known = inventory.load()
    assert [
        "small",
        "small_legacy",
        "synthetic",
        "synthetic_legacy",
        "synthetic_128",
        "run1084",
        "run1084_twin",
        "rotavirus_cryo",
        "petra_near_field",
        "ptychodus_product",
    ] == list(known.fixtures)
    assert "46b4dfff35cc20843c298f404c260da9119eed7f" == known["run1084"].git_blob


def test_committed_fixture_is_here_small_and_as_recorded() -> None:
    known = inventory.load()
    path = known.resolve("small")
    assert path == CHECKOUT / "tests/fixtures/pytorch_integration/small.npz"
    assert [] == known.drift("small")
    assert path.stat().st_size < 1_200_000


def test_committed_fixture_keeps_the_contract_and_is_what_the_inventory_says() -> None:
    from ptycho import contract, grouping

    fixture, path = inventory.load()["small"], inventory.require("small")
    scan = contract.load(path)
    assert (fixture.patterns, fixture.side) == (scan.n_patterns, scan.side)
    assert (fixture.layout, fixture.gridsize) == (scan.source.layout, scan.metadata["gridsize"])
    assert scan.obj is not None
    groups = grouping.group(scan.xcoords, scan.ycoords, gridsize=2, n_groups=None, seed=0)
    relative = grouping.group_coordinates(scan.xcoords, scan.ycoords, groups)[1]
    assert ((64, 4), True) == (groups.shape, abs(relative).max() < 7)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"colour": "red"}, "line 13: fixture 'scan': unknown key 'colour'; allowed: name, kind"),
        ({"owner": None}, "line 1: fixture 'scan': [[fixture]] lacks 'owner': whose it is; add owner = …"),
        ({"patterns": "4"}, "line 7: fixture 'scan': patterns = '4'; allowed: a whole number from 1 (M)"),
        ({"purpose": ""}, "fixture 'scan': purpose = ''; allowed: text, not empty"),
        ({"kind": "lost"}, 'kind = \'lost\'; allowed: "committed", "made", "slot" or "external"'),
        ({"layout": "round"}, 'layout = \'round\'; allowed: "canonical", "legacy", "cxi" or "ptychodus"'),
        ({"side": 0}, "side = 0; allowed: a whole number from 1"),
        ({"owner": 3}, "owner = 3; allowed: text, not empty (whose it is)"),
        ({"name": "python"}, "name = 'python'; allowed: lower-case letters, digits and _, not python or output"),
        ({"name": "Scan 1"}, "name = 'Scan 1'; allowed: lower-case letters"),
        ({"path": "datasets/../scan.npz"}, "allowed: a file below datasets/, without .."),
        ({"path": "/scan.npz"}, "allowed: a file below datasets/, without .."),
        ({"kind": "committed", "make": ["{output}"]}, "allowed: a file below tests/fixtures/, without .."),
        ({"sha256": "AB"}, "sha256 = 'AB'; allowed: 64 lower-case hex digits"),
        ({"sha256": None}, "exactly one of sha256 and git_blob must be given"),
        ({"git_blob": "0" * 40}, "exactly one of sha256 and git_blob must be given"),
        ({"kind": "made"}, "make must be given for kind 'made'"),
        ({"make": ["{output}"]}, "make must not be given for kind 'external'"),
        ({"kind": "made", "make": ["true"]}, "make names no {output}"),
        ({"kind": "made", "make": ["{output}", "{later}"]}, "make reads 'later'; allowed: python, output and the"),
    ],
)
def test_refuses_entry(tmp_path: Path, entry: Entry, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, entry)
    assert message in str(caught.value)


@pytest.mark.parametrize(("key", "what"), [("name", "name 'scan'"), ("path", "path"), ("sha256", "sha256 '")])
def test_refuses_two_fixtures_with_one(tmp_path: Path, key: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, {}, OTHER | {key: ENTRY[key]})
    assert what in str(caught.value)
    assert "is also that of fixture 'scan'" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[fixture]\n", "other = 1\n", "[[fixture\n", "fixture = [1]\n"])
def test_refuses_file(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, {})
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"inventory\.toml"):
        inventory.load(path)


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _load(tmp_path, {"kind": "lost", "path": "/scan.npz", "side": 0, "make": ["true", "{later}"]}, ENTRY)
    assert [line.partition(": ")[2].partition(";")[0] for line in str(caught.value).splitlines()[1:]] == [
        "fixture 'scan': kind = 'lost'",
        "fixture 'scan': path = '/scan.npz'",
        "fixture 'scan': side = 0",
        "fixture 'scan': make names no {output}",
        "fixture 'scan': make reads 'later'",
        "fixture 'scan': name 'scan' is also that of fixture 'scan'",
        f"fixture 'scan': sha256 {ENTRY['sha256']!r} is also that of fixture 'scan'",
    ]


def test_a_newer_inventory_is_refused_by_its_number(tmp_path: Path) -> None:
    path = _write(tmp_path, {})
    path.write_text("schema = 2\n" + path.read_text())
    with pytest.raises(ConfigurationError, match="schema = 2 is newer than this harness, which reads inventory files"):
        inventory.load(path)


def test_names_are_had_without_a_check(tmp_path: Path) -> None:
    assert inventory.names(_write(tmp_path, {"kind": "lost"})) == ("scan",)
    assert inventory.names() == tuple(inventory.load().fixtures)
    (tmp_path / "datasets" / "inventory.toml").write_text("fixture = 3")
    with pytest.raises(ConfigurationError, match=r"is no inventory: .* ask: python -m harness fixtures list"):
        inventory.names(tmp_path / "datasets" / "inventory.toml")


def test_search_path_is_looked_at_after_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = _load(tmp_path, {})
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv(inventory.SEARCH_PATH, f"{first}{os.pathsep}{second}")
    assert known.resolve("scan") is None
    for folder in (second, first, tmp_path / "datasets"):
        folder.mkdir(exist_ok=True)
        (folder / "scan.npz").write_bytes(b"scan")
        assert folder / "scan.npz" == known.resolve("scan")
    assert [] == known.drift("scan")


def test_absence_has_a_reason(tmp_path: Path) -> None:
    known = _load(tmp_path, {})
    assert (
        f"fixture 'scan' is absent; looked at {tmp_path}/datasets/scan.npz (PTYCHO_DATA is not set); "
        "put the file there, or name its folder in PTYCHO_DATA (MIT)"
    ) == known.why_absent("scan")
    assert [] == known.drift("scan")


def test_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no fixture 'scam'; allowed: scan"):
        _load(tmp_path, {}).resolve("scam")


def test_planted_drift_names_both_digests(tmp_path: Path) -> None:
    known = _load(tmp_path, {})
    place = tmp_path / "datasets" / "scan.npz"
    place.write_bytes(b"scaN")
    expected, actual = ENTRY["sha256"], hashlib.sha256(b"scaN").hexdigest()
    assert [f"fixture 'scan' has drifted: {place} has sha256 {actual}, the inventory says {expected}"] == known.drift(
        "scan"
    )


def test_other_bytes_further_down_the_search_path_are_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = _load(tmp_path, {})
    (tmp_path / "datasets" / "scan.npz").write_bytes(b"scan")
    (tmp_path / "scan.npz").write_bytes(b"else")
    monkeypatch.setenv(inventory.SEARCH_PATH, str(tmp_path))
    (problem,) = known.drift("scan")
    assert str(tmp_path / "scan.npz") in problem


def test_git_blob_is_git_s_own_id(tmp_path: Path) -> None:
    place = tmp_path / "hello"
    place.write_bytes(b"hello\n")
    assert "ce013625030ba8dba906f756967f9e9ca394464a" == inventory.digest_of(place, "git_blob")


def test_sidecar_must_agree(tmp_path: Path) -> None:
    entry: Entry = {"kind": "committed", "path": "tests/fixtures/scan.npz", "make": ["{output}"]}
    known = _load(tmp_path, entry)
    place = known.home(known["scan"])
    place.parent.mkdir(parents=True)
    place.write_bytes(b"scan")
    (problem,) = known.drift("scan")
    assert "sidecar" in problem
    sidecar.write(known["scan"], place)
    assert [] == known.drift("scan")
    sidecar.write(replace(known["scan"], sha256="0" * 64), place)
    (problem,) = known.drift("scan")
    assert f"says sha256 = {'0' * 64!r}, the inventory {ENTRY['sha256']!r}" in problem


def test_require_gives_the_verified_file_or_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = _load(tmp_path, {})
    monkeypatch.setattr(inventory, "load", lambda: known)
    with pytest.raises(UsageError, match="fixture 'scan' is absent"):
        inventory.require("scan")
    place = tmp_path / "datasets" / "scan.npz"
    place.write_bytes(b"scan")
    assert place == inventory.require("scan")
    place.write_bytes(b"drifted")
    with pytest.raises(DriftError, match="has drifted"):
        inventory.require("scan")


def test_one_name_for_different_bytes_is_a_conflict() -> None:
    same = [("torch", "small", "aa"), ("tf", "small", "aa"), ("tf", "large", "bb")]
    assert [] == inventory.conflicts(same)
    assert ["fixture 'small' was not the same for everyone: torch, tf had aa; mac had cc"] == inventory.conflicts(
        [*same, ("mac", "small", "cc")]
    )


def test_import_is_light() -> None:
    code = "import harness.inventory, harness.making, harness.fixture_commands, sys; print(*sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert [] == sorted({"numpy", "rich", "tomllib", "scipy", "pydantic"} & set(found.stdout.split()))


def test_a_folder_of_fixtures_may_be_a_link_to_another_disk(tmp_path: Path) -> None:
    checkout, disk = tmp_path / "checkout", tmp_path / "disk"
    checkout.mkdir()
    (disk / "elsewhere").mkdir(parents=True)
    (checkout / "datasets").symlink_to(disk / "elsewhere")
    known = inventory.load(_write(checkout, {}))
    (checkout / "datasets" / "scan.npz").write_bytes(b"scan")
    assert known.checkout == checkout
    assert known.resolve("scan") == checkout / "datasets" / "scan.npz"
