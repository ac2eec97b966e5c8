"""Fixtures are made whole or not at all, once, and never with other bytes than the recorded ones."""

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import making
from harness.fixture_schema import Fixture, Kind
from harness.inventory import DriftError, Inventory
from ptycho.errors import InfrastructureError, PtychoError, UsageError

WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
COPY = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(pathlib.Path(sys.argv[2]).read_text() + '!')"


def _fixture(name: str, content: str, *command: str, kind: Kind = "made", folder: str = "datasets") -> Fixture:
    return Fixture(
        name=name,
        kind=kind,
        path=f"{folder}/{name}.npz",
        layout="canonical",
        patterns=1,
        side=64,
        gridsize=1,
        owner="me",
        licence="MIT",
        purpose="a test",
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        make=command,
    )


def _known(checkout: Path, *fixtures: Fixture) -> Inventory:
    return Inventory(checkout=checkout, fixtures={fixture.name: fixture for fixture in fixtures})


def _scan(content: str = "abc", written: str = "abc") -> Fixture:
    return _fixture("scan", content, "{python}", "-c", WRITE, "{output}", written)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_makes_what_it_is_made_of_first(tmp_path: Path) -> None:
    copy = _fixture("copy", "abc!", "{python}", "-c", COPY, "{output}", "{scan}")
    assert tmp_path / "datasets" / "copy.npz" == making.make(_known(tmp_path, _scan(), copy), "copy")
    assert ["copy.npz", "scan.npz"] == _names(tmp_path / "datasets")
    assert "abc!" == (tmp_path / "datasets" / "copy.npz").read_text()


def test_leaves_alone_what_is_right(tmp_path: Path) -> None:
    broken = _fixture("scan", "abc", "{python}", "-c", "raise SystemExit('must not run')", "{output}")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "scan.npz").write_text("abc")
    assert tmp_path / "datasets" / "scan.npz" == making.make(_known(tmp_path, broken), "scan")


def test_other_bytes_are_drift_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DriftError) as caught:
        making.make(_known(tmp_path, _scan(written="abd")), "scan")
    assert all(hashlib.sha256(text).hexdigest() in str(caught.value) for text in (b"abc", b"abd"))
    assert [] == _names(tmp_path / "datasets")


def test_drifted_file_is_replaced_only_by_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    place = tmp_path / "datasets" / "scan.npz"
    place.write_text("old")
    with pytest.raises(DriftError):
        making.make(_known(tmp_path, _scan(written="abd")), "scan")
    assert "old" == place.read_text()
    making.make(_known(tmp_path, _scan()), "scan")
    assert "abc" == place.read_text()


@pytest.mark.parametrize(
    ("code", "message"),
    [("raise SystemExit('no photons')", "ended with 1: .*\nno photons"), ("pass", "ended well and wrote nothing")],
)
def test_failed_command_says_so(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(PtychoError, match=message):
        making.make(_known(tmp_path, _fixture("scan", "abc", "{python}", "-c", code, "{output}")), "scan")
    assert [] == _names(tmp_path / "datasets")


def test_external_fixture_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be made; fixture 'scan' is absent"):
        making.make(_known(tmp_path, _fixture("scan", "abc", kind="external")), "scan")


def test_committed_fixture_gets_its_sidecar(tmp_path: Path) -> None:
    words = ("{python}", "-c", WRITE, "{output}", "abc")
    known = _known(tmp_path, _fixture("scan", "abc", *words, kind="committed", folder="tests/fixtures"))
    making.make(known, "scan")
    assert ["scan.json", "scan.npz"] == _names(tmp_path / "tests" / "fixtures")
    assert [] == known.drift("scan")


def test_remains_of_a_killed_maker_are_swept(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / ".making-scan-1.npz").write_text("half")
    making.make(_known(tmp_path, _scan()), "scan")
    assert ["scan.npz"] == _names(tmp_path / "datasets")


def test_makers_take_turns(tmp_path: Path) -> None:
    count = (
        "import sys, pathlib, time; log = pathlib.Path('log'); log.write_text((log.read_text() if log.exists() else '')"
        "+ 'made '); time.sleep(0.3); pathlib.Path(sys.argv[1]).write_text('abc')"
    )
    known = _known(tmp_path, _fixture("scan", "abc", "{python}", "-c", count, "{output}"))
    makers = [threading.Thread(target=making.make, args=(known, "scan")) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert "made " == (tmp_path / "log").read_text()


@pytest.mark.parametrize("name", ["small", "small_legacy"])
def test_recorded_command_gives_the_recorded_bytes(tmp_path: Path, name: str) -> None:
    from harness import inventory

    known = inventory.load()
    copy = tmp_path / "copy.npz"
    words = {"python": sys.executable, "output": str(copy), "small": str(known.resolve("small"))}
    subprocess.run([word.format_map(words) for word in known[name].make], cwd=known.checkout, check=True)
    assert known[name].sha256 == inventory.digest_of(copy, "sha256")


def test_a_disk_that_is_not_mounted_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to("/mnt/not/there")
    with pytest.raises(InfrastructureError, match="is a link to /mnt/not/there, which is not there; mount it"):
        making.make(_known(tmp_path, _scan()), "scan")
