"""The folder of wheels: small, without what no run imports, and unpacked without pip."""

import zipfile
from pathlib import Path

import pytest

from harness.gpu_check import bundle
from ptycho.errors import InfrastructureError, UsageError


def wheel(folder: Path, name: str = "nuts-1-py3-none-any.whl", **files: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (
            files or {"nuts/__init__.py": "A = 1\n", "nuts/tests/test_a.py": "x" * 5000, "nuts/data/a.png": "x" * 5000}
        ).items():
            archive.writestr(member, text)
    return path


def test_a_wheel_is_smaller_and_still_imports(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    before = path.stat().st_size
    bundle.slim(path)
    assert path.stat().st_size < before / 5
    once = path.stat()
    bundle.slim(path)
    assert once == path.stat(), "nothing is left to do"
    bundle.unpack([path], tmp_path / "site")
    assert ["nuts/__init__.py"] == [str(p.relative_to(tmp_path / "site")) for p in (tmp_path / "site").rglob("*.*")]


def test_a_wheel_that_leaves_its_folder_or_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="a path outside of its folder"):
        bundle.unpack([wheel(tmp_path, **{"../evil.py": "x"})], tmp_path / "site")
    assert not (tmp_path / "evil.py").exists()
    (tmp_path / "bad.whl").write_bytes(b"PK")
    with pytest.raises(InfrastructureError, match="cannot be unpacked"):
        bundle.unpack([tmp_path / "bad.whl"], tmp_path / "site")


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [wheel(tmp_path)]
    bundle.require_small(paths)
    monkeypatch.setattr(bundle, "LARGEST_MB", 0.001)
    with pytest.raises(InfrastructureError, match=r"allowed: 0.001 MB; the largest: nuts-1"):
        bundle.require_small(paths)


def test_another_python_is_refused() -> None:
    assert (3, 12) == bundle.parse("3.12")
    with pytest.raises(UsageError, match=r"--python-version '3.10'; allowed: 3.11, 3.12, 3.13"):
        bundle.parse("3.10")
