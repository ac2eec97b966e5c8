"""
Files of a store on disk: space reserved, written in chunks, checked, and in their place only when all are whole.

They are written and not mapped while a store is built: a full disk is then an error that can be reported, where a
write through a map would kill the process.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ptycho.errors import InfrastructureError, StoreError
from ptycho.store.manifest import MANIFEST, ArrayEntry, Manifest

ABANDONED_AFTER_S = 60.0
"""A build without a lock is an abandoned one only if it is older than the moment between its mkdir and its lock."""

_CANNOT_RESERVE = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def array_path(directory: Path, name: str) -> Path:
    """The file of an array."""
    return directory / f"{name}.npy"


@contextmanager
def under_construction(directory: Path) -> Iterator[Path]:
    """
    A locked directory beside a store's place, moved there if the block succeeds and removed if it does not.

    Builds that a killed process left behind are removed on the way: the kernel has dropped their locks.

    Raises:
        StoreError: if another process puts something in the place meanwhile.
        InfrastructureError: if the directory cannot be made or moved.
    """
    partial = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise InfrastructureError(
            f"{directory} cannot be made: {error.strerror}; give a directory that may be written"
        ) from error
    lock = os.open(partial, os.O_RDONLY)
    try:
        _lock(lock)
        yield partial
        os.fsync(lock)
        _move(partial, directory)
    except BaseException:
        shutil.rmtree(partial)
        raise
    finally:
        os.close(lock)


def reserve(partial: Path, manifest: Manifest) -> None:
    """
    Make every file of a store with its header and its full size on disk, before the first byte of data.

    Raises:
        InfrastructureError: naming the bytes needed and the bytes free.
    """
    needed = sum(entry.nbytes for entry in manifest.arrays.values())
    with _reported(partial, needed):
        for name, entry in manifest.arrays.items():
            with array_path(partial, name).open("xb") as file:
                header = {"descr": entry.dtype, "fortran_order": False, "shape": tuple(entry.shape)}
                npy.write_array_header_1_0(file, header)
                file.flush()
                _allocate(file, file.tell() + entry.nbytes)


def write_array(partial: Path, name: str, entry: ArrayEntry, chunks: Iterable[NDArray[Any]]) -> None:
    """
    Fill a reserved file and flush it to the disk.

    Args:
        partial: the directory of `reserve`.
        name: name of the array.
        entry: what it must turn out to be.
        chunks: its data in C order.

    Raises:
        StoreError: if the data is not what the entry says.
        InfrastructureError: if the disk fails or fills up.
    """
    hashed = hashlib.sha256()
    with _reported(partial, entry.nbytes), array_path(partial, name).open("r+b") as file:
        _header(file)
        for chunk in chunks:
            data = np.ascontiguousarray(chunk).data
            hashed.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if hashed.hexdigest() != entry.sha256:
        raise StoreError(
            f"{name} changed between preparation and storage: sha256 wanted {entry.sha256}, "
            f"found {hashed.hexdigest()}; store the dataset that was prepared"
        )


def write_manifest(partial: Path, manifest: Manifest) -> None:
    """
    Write the manifest, last of all.

    Raises:
        InfrastructureError: if the disk fails or fills up.
    """
    encoded = manifest.encode()
    with _reported(partial, len(encoded)), (partial / MANIFEST).open("xb") as file:
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())


def damage(directory: Path, name: str, entry: ArrayEntry) -> list[str]:
    """Return what in the header or the size of a file contradicts its entry; its data is not read."""
    path = array_path(directory, name)
    try:
        with path.open("rb") as file:
            shape, fortran, dtype = _header(file)
            size, wanted_size = path.stat().st_size, file.tell() + entry.nbytes
    except (OSError, ValueError) as error:
        return [f"{path.name}: wanted {entry.dtype} {entry.shape}, found {error}"]
    compared = {
        "shape": (entry.shape, list(shape)),
        "dtype": (entry.dtype, dtype.str),
        "order": ("C", "F" if fortran else "C"),
        "bytes": (wanted_size, size),
    }
    return [
        f"{path.name} {what}: wanted {wanted}, found {found}"
        for what, (wanted, found) in compared.items()
        if wanted != found
    ]


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    return shape, fortran, dtype


def _allocate(file: BinaryIO, size: int) -> None:
    """
    Give a file its full size on disk.

    Where the system or the file system cannot (macOS, some network file systems), the free space is looked up; a disk
    that fills up meanwhile is still reported, by the write itself.
    """
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        try:
            allocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _CANNOT_RESERVE:
                raise
        else:
            return
    if shutil.disk_usage(Path(file.name).parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _reported(partial: Path, needed: int) -> Iterator[None]:
    """Operating-system errors as errors of this project."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise InfrastructureError(f"{partial} cannot be written: {error.strerror}") from error
        free = shutil.disk_usage(partial).free
        raise InfrastructureError(
            f"no space for the store: {needed} bytes needed, {free} bytes free in {partial.parent}; "
            "free some, or point TMPDIR or the store's directory at another disk"
        ) from error


def _move(partial: Path, directory: Path) -> None:
    try:
        partial.rename(directory)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise StoreError(f"{directory} was made by another process meanwhile; run again to reuse it") from error
        raise InfrastructureError(f"{partial} cannot be moved to {directory}: {error.strerror}") from error
    parent = os.open(directory.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _lock(descriptor: int) -> bool:
    """Lock a directory; False if another process has it, or the file system locks no directories."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(directory: Path) -> None:
    for sibling in directory.parent.iterdir():
        if not (sibling.name.startswith(f".{directory.name}.") and sibling.name.endswith(".partial")):
            continue
        try:
            descriptor = os.open(sibling, os.O_RDONLY)
        except FileNotFoundError:  # its builder has just finished
            continue
        try:
            if time.time() - os.fstat(descriptor).st_mtime > ABANDONED_AFTER_S and _lock(descriptor):
                shutil.rmtree(sibling, ignore_errors=True)
        finally:
            os.close(descriptor)
