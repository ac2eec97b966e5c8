"""A file that is not an NPZ is identified."""

from pathlib import Path

from ptycho.data.diagnose_file import why_no_file, why_no_zip


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "run1084.npz").write_bytes(b"")
    assert why_no_file(tmp_path / "run1048.npz") == "no such file; did you mean run1084.npz?"
    assert why_no_file(tmp_path / "x") == "no such file; check the path"
    assert why_no_file(tmp_path / "run1084.npz") is None
    assert "no such folder" in str(why_no_file(tmp_path / "none" / "a.npz"))


def test_other_formats_are_named() -> None:
    error = ValueError("bad")
    assert "a Python pickle" in why_no_zip(b"\x80\x04\x95", 3, error)
    assert "a gzip file" in why_no_zip(b"\x1f\x8b\x08", 3, error)
    assert "HTML page" in why_no_zip(b"\xef\xbb\xbf  <HTML>", 9, error)
    assert "begins with b'a,b'" in why_no_zip(b"a,b", 3, error)
