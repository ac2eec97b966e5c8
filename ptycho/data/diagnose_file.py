"""
Names what a file is that cannot be opened as an NPZ, in words that name the next step.

Kept apart from the preflight because it is a table of other people's formats, and grows with every surprise.
"""

from difflib import get_close_matches
from pathlib import Path

_HTML = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")

_MAGICS = (
    (b"\x93NUMPY", "a single .npy array", "collect the arrays of the scan with numpy.savez"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (CXI, MATLAB v7.3, Ptychodus)", "convert it to NPZ first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data", "fetch the data with `git lfs pull`"),
    (b"\x1f\x8b", "a gzip file", "unpack it with gunzip first"),
    (b"\x80", "a Python pickle", "pickles are never loaded; save the arrays with numpy.savez"),
    (b"PK\x03\x04", "truncated: it begins like a zip file but its directory, at the end, is missing", "copy it again"),
)


def why_no_file(path: Path) -> str | None:
    """Return why a path is not a regular file, or None where it is one."""
    if path.is_file():
        return None
    if path.is_symlink():
        return (
            f"a link to {path.readlink()}, where there is no file; fetch the content (git annex get, datalad get, "
            "git lfs pull), or mount the disk that holds it"
        )
    if path.exists():
        return "not a regular file; give the path of an .npz file"
    parent = path.parent
    if not parent.is_dir():
        return f"no such file, and no such folder {parent}; check the path"
    names = [item.name for item in parent.glob("*.npz")]
    close = get_close_matches(path.name, names, n=3, cutoff=0.5)
    return "no such file; " + (f"did you mean {' or '.join(close)}?" if close else "check the path")


def why_no_zip(head: bytes, size: int, error: BaseException) -> str:
    """
    Return why a file is not a zip archive.

    Args:
        head: its first bytes, some hundred.
        size: its size in bytes.
        error: what the zip reader said.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if size == 0:
        return "not a zip file: it is empty; copy or download it again"
    if text.startswith(_HTML):
        return (
            "not a zip file but an HTML page saved under this name: a download that ended at a login or error page; "
            "download the file itself"
        )
    for magic, what, step in _MAGICS:
        if head.startswith(magic):
            return f"not a complete zip file: {what}; {step}"
    return f"not a zip file ({error}): it begins with {head[:8]!r}; an .npz file begins with b'PK'"
