"""The machine that a time belongs to: processor, cores, GPU, driver, locks. Times of another are not compared."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.record import provenance
from ptycho import fingerprint

_NVIDIA = Path("/proc/driver/nvidia")


def describe(locks: Iterable[Path], *, device: str, nvidia: Path = _NVIDIA) -> dict[str, Any]:
    """
    The fingerprint of this machine and these environments.

    Args:
        locks: files of pinned versions.
        device: `cpu` or `cuda`.
        nvidia: where the driver describes itself.

    Returns:
        Plain values; None is what could not be found out.
    """
    models = sorted(nvidia.glob("gpus/*/information"))
    return {
        "cpu": fingerprint.cpu_model(),
        "cores": fingerprint.usable_cpus(),
        "gpu": [_field(path, "Model") for path in models] or None,
        "driver": _first_line(nvidia / "version"),
        "device": device,
        "locks": {path.name: provenance.digest(path) for path in sorted(locks)},
    }


def key(described: Mapping[str, Any]) -> str:
    """A short name of a fingerprint, for a file."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def _first_line(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0] if path.is_file() else None


def _field(path: Path, name: str) -> str | None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found, _, value = line.partition(":")
        if found.strip() == name:
            return value.strip()
    return None
