"""Reading what a target left: whatever it is, it is read within bounds or refused with a reason."""

import contextlib
import io
import os
import resource
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax import saxutils

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.files import untrusted
from harness.lanes import suite
from harness.lanes.device import gpu_worked
from harness.process import supervise
from harness.record import directory
from harness.record import log as event_log
from harness.runs import artifacts
from ptycho.errors import PtychoError
from tests.support import sample_log
from tests.support.injected import bites


def _npy(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def _npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def _claiming(shape: tuple[int, ...]) -> bytes:
    """An array's header that claims a shape, without the elements."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.mark.parametrize("kind", ["named pipe", "folder", "device", "absent", "dangling link", "loop"])
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    for read in (untrusted.read_bytes, untrusted.read_arrays, untrusted.read_array, untrusted.read_picture):
        with pytest.raises(PtychoError, match="cannot be read"):
            read(path)
    assert untrusted.read_end(path, 5) == ""


def test_a_document_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 11)
    assert untrusted.read_bytes(path, 11) == b"a" * 11
    with pytest.raises(PtychoError, match="more than 10 bytes"):
        untrusted.read_bytes(path, 10)


def test_arrays_come_back(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.arange(6).reshape(2, 3), b=np.asfortranarray(np.eye(3)))
    read = untrusted.read_arrays(path)
    assert np.array_equal(read["a"], np.arange(6).reshape(2, 3))
    assert np.array_equal(read["b"], np.eye(3))
    assert list(untrusted.read_arrays(path, ["b"])) == ["b"]
    assert np.array_equal(untrusted.read_array(path, "a"), read["a"])
    np.save(tmp_path / "y.npy", read["a"])
    assert np.array_equal(untrusted.read_array(tmp_path / "y.npy"), read["a"])


def test_what_is_expanded_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "MAX_ARRAYS", 1000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(126))
    with pytest.raises(PtychoError, match=r"holds 1,008 bytes of arrays; allowed: 1,000"):
        untrusted.read_arrays(path)
    np.savez_compressed(path, a=np.zeros(125))
    assert untrusted.read_arrays(path)["a"].shape == (125,)


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (10,)])
def test_a_claim_is_no_array(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = _npz(tmp_path / "x.npz", a=_claiming(shape))
    with pytest.raises(PtychoError):
        untrusted.read_arrays(path)
    (tmp_path / "x.npy").write_bytes(_claiming(shape))
    with pytest.raises(PtychoError, match="allowed: plain numbers that are in the file"):
        untrusted.read_array(tmp_path / "x.npy")


def test_objects_are_refused_unopened(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> Any:
            return os.abort, ()

    path = _npz(tmp_path / "x.npz", a=_npy(np.array([Bad()], dtype=object)))
    with pytest.raises(PtychoError):
        untrusted.read_arrays(path)
    (tmp_path / "x.npy").write_bytes(_npy(np.array([Bad()], dtype=object)))
    with pytest.raises(PtychoError):
        untrusted.read_array(tmp_path / "x.npy")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_one_kind_of_error(data: st.DataObject, tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.savez_compressed(whole, object=np.ones((4, 4), complex), crop=np.arange(4))
    content = bytearray(whole.getvalue())
    how = data.draw(st.sampled_from(["cut", "flip", "insert", "random"]))
    at = data.draw(st.integers(0, len(content) - 1))
    if how == "cut":
        content = content[:at]
    elif how == "flip":
        content[at] ^= data.draw(st.integers(1, 255))
    elif how == "insert":
        content[at:at] = data.draw(st.binary(min_size=1, max_size=40))
    else:
        content = bytearray(data.draw(st.binary(max_size=300)))
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    read: dict[str, Any] = {}
    with contextlib.suppress(PtychoError):  # nothing else is raised
        read = untrusted.read_arrays(path)
    assert all(isinstance(array, np.ndarray) for array in read.values())


def test_the_end_of_an_output_is_shown_and_a_long_line_is_cut_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\n" + "x" * 10**6 + "END\nlast\n")
    shown = untrusted.read_end(path, 2).splitlines()
    assert shown[1] == "last"
    assert shown[0].startswith("…x")
    assert shown[0].endswith("xEND")
    assert len(shown[0]) == untrusted.LINE + 1


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "  ::add-mask::x",
        "##[error]x",
        "a\n::stop-commands::b",
        "a\r::error::x",
        "\x1b[2J",
        "\x07",
        "\x00",
    ],
)
def test_text_commands_nobody(text: str) -> None:
    shown = untrusted.plain(text)
    assert not any(line.lstrip().startswith(("::", "##[")) for line in shown.splitlines())
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in shown)


def test_text_keeps_its_direction() -> None:
    assert untrusted.plain("a\u202eb") == r"a\u202eb"
    assert untrusted.plain("größer: 3 × 4\tok\n") == "größer: 3 × 4\tok\n"


@pytest.mark.slow
@given(st.text())
def test_no_text_has_a_control_character_left(text: str) -> None:
    shown = untrusted.plain(text)
    assert not any(letter in shown for letter in "\x1b\x00\x07\x08\r\u202e\u2066\x9b")
    assert not any(line.lstrip().startswith(("::", "##[")) for line in shown.split("\n"))


def _finished(folder: Path) -> supervise.CompletedCommand:
    about: dict[str, Any] = {"argv": (), "pid": 1, "returncode": 0, "seconds": 1.0, "started": 0.0, "timed_out": False}
    return supervise.CompletedCommand(**about, survivors=(), log=folder / "log", stacks=folder / "stacks")


READERS: dict[str, Callable[[Path], object]] = {
    "bytes": untrusted.read_bytes,
    "text": untrusted.read_text,
    "end": lambda path: untrusted.read_end(path, 9),
    "arrays": untrusted.read_arrays,
    "array": lambda path: untrusted.read_array(path, "object"),
    "picture": untrusted.read_picture,
    "suite": lambda path: suite.read(path, _finished(path.parent)),
    "device": lambda path: gpu_worked.read(path, "engine.work"),
    "stacks": lambda path: replace(_finished(path.parent), stacks=path).frames(),
    "log": lambda path: artifacts.reports(event_log.content(path)),
    "record": lambda path: directory.load(path.parent),
}
"""Everything that reads what a target may have written."""


def _good() -> dict[str, bytes]:
    """A whole file of each kind."""
    from PIL import Image

    arrays, picture = io.BytesIO(), io.BytesIO()
    np.savez_compressed(arrays, object=np.ones((4, 4), complex), crop=np.arange(4))
    Image.new("L", (8, 8)).save(picture, "png")
    xml = b'<testsuites><testsuite tests="3" failures="0" errors="0" skipped="1"/></testsuites>'
    return {
        "npz": arrays.getvalue(),
        "npy": _npy(np.arange(6.0)),
        "png": picture.getvalue(),
        "xml": xml,
        "json": b'{"engine": {"work": {"seconds": 1}}, "token": "t", "schema": "ptycho-harness-run/1"}',
        "log": sample_log.content(sample_log.whole()),
    }


@st.composite
def hostile(draw: st.DrawFn) -> bytes | str:
    """What a file holds, or the name of what is not a file."""
    how = draw(st.sampled_from(["damaged", "deep", "words", "expanding", "rows", "pipe", "zeros", "sparse"]))
    if how in ("pipe", "zeros", "sparse"):
        return how
    if how == "deep":
        opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"(", b")")]))
        depth = draw(st.sampled_from([500, 5_000, 200_000]))
        return opening * depth + draw(st.sampled_from([b"", b"1" + closing * depth])) + b"\n"
    if how == "words":
        value = draw(st.text(max_size=20) | st.integers().map(str) | st.just("9" * 5000))
        return f"<testsuite tests={saxutils.quoteattr(value)}/>".encode(errors="surrogatepass")
    if how == "expanding":
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        return f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a>&e11;</a>'.encode()
    if how == "rows":
        values = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        )
        rows = sample_log.whole()
        for _ in range(draw(st.integers(1, 4))):
            at = draw(st.integers(0, len(rows) - 1))
            keys = sorted(set(rows[at]) - {"event"})
            rows.insert(at, rows[at] | {draw(st.sampled_from(keys)): draw(values)})
        return sample_log.content(rows)
    content = bytearray(_good()[draw(st.sampled_from(sorted(_good())))])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.sampled_from([0, 1, 8, len(content)]))] = draw(st.binary(max_size=12))
    return bytes(content)


@pytest.mark.deep
@pytest.mark.fault("hostile-files")
@settings(max_examples=150)
@given(hostile())
def test_whatever_is_read_back_ends_in_a_value_or_a_reason_within_bounds(content: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, directory.MARKER)
        if content == "pipe":
            os.mkfifo(path)
        elif content == "zeros":
            path.symlink_to("/dev/zero")
        elif content == "sparse":
            with path.open("wb") as file:
                file.truncate(2**40)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        bites(os.path.lexists(path), "it is there")
        for name, read in READERS.items():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.monotonic()
            with contextlib.suppress(PtychoError):  # and nothing else
                read(path)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            assert time.monotonic() - began < 20, name
            assert grown < 700, f"{name} took {grown:.0f} MiB"
