"""The committed locks: right packages, no labels, no addresses, up to date. Every rule is shown to go red."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.targets import locks
from harness.targets.install import find_uv

ROOT = locks.ROOT


def _text(group: str) -> str:
    return (locks.REQUIREMENTS / f"{group}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", locks.GROUPS)
def test_a_committed_lock_has_no_fault_and_every_entry_a_hash(group: str) -> None:
    text = _text(group)
    assert locks.faults(group, text) == []
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "nox -s lock" in text.splitlines()[1]


def test_the_cpu_lock_names_torch_once_without_a_label() -> None:
    assert [version for name, version in locks.pins(_text("torch-cpu")) if name == "torch"] == ["2.13.0"]


@pytest.mark.parametrize(
    ("group", "old", "new", "fault"),
    [
        (
            "torch-cpu",
            "torch==",
            "nvidia-cublas==13.1 \\\n    --hash=sha256:0\ntorch==",
            "nvidia-cublas is a CUDA package",
        ),
        ("torch-cpu", "torch==", "triton==3.7 \\\n    --hash=sha256:0\ntorch==", "triton is a CUDA package"),
        ("tf-cpu", "urllib3==", "cuda-toolkit==13 \\\nurllib3==", "cuda-toolkit is a CUDA package"),
        ("torch-cpu", "torch==2.13.0", "torch==2.13.0+cpu", "torch==2.13.0+cpu has a local label"),
        ("torch-cpu", "torch==", "torch==2.12.0 \\\ntorch==", "names torch 2 times"),
        ("tests", "urllib3==", "torch==2.13.0 \\\nurllib3==", "torch is a framework"),
        ("lint", "ruff==", "--extra-index-url file:///x\nruff==", "names an address"),
        ("lint", "ruff==", "--find-links /wheels\nruff==", "names an address"),
    ],
)
def test_a_planted_fault_is_found(group: str, old: str, new: str, fault: str) -> None:
    text = _text(group)
    assert f"\n{old}" in text
    planted = text.replace(f"\n{old}", f"\n{new}", 1)
    assert [sentence for sentence in locks.faults(group, planted) if fault in sentence] != []


def test_an_empty_lock_is_a_fault() -> None:
    assert locks.faults("lint", "# nothing\n") == ["lint: names no package"]


def _requirements(groups: dict[str, Any], name: str) -> list[str]:
    """The requirements of a group, its included groups among them."""
    found: list[str] = []
    for item in groups[name]:
        found += [item] if isinstance(item, str) else _requirements(groups, item["include-group"])
    return found


@pytest.mark.parametrize("group", locks.GROUPS)
def test_a_lock_satisfies_its_group(group: str) -> None:
    from packaging.requirements import Requirement

    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [Requirement(text) for text in _requirements(document["dependency-groups"], group)]
    pinned = dict(locks.pins(_text(group)))
    unmet = [str(item) for item in wanted if not item.specifier.contains(pinned.get(item.name, "0"), prereleases=True)]
    assert unmet == []


def test_every_group_of_a_lane_has_a_lock_and_no_lock_is_left_over() -> None:
    assert sorted(path.stem for path in locks.REQUIREMENTS.glob("*.txt")) == sorted(locks.GROUPS)


def test_compiling_hides_the_wheelhouse_and_the_cuda_packages(tmp_path: Path) -> None:
    argv = locks.command("uv", "torch-cpu", tmp_path / "lock.txt")
    assert str(locks.CUDA_PACKAGES) in argv
    assert {"--universal", "--generate-hashes", "--no-config"} <= set(argv)
    assert "--excludes" not in locks.command("uv", "torch-gpu", tmp_path / "lock.txt")
    assert {"PIP_FIND_LINKS", "UV_FIND_LINKS"} <= set(locks.HIDDEN)


def test_a_failed_compilation_says_what_uv_said(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "no such group: $UV_CUSTOM_COMPILE_COMMAND" >&2\nexit 2\n')
    uv.chmod(0o755)
    with pytest.raises(RuntimeError, match="lint: no such group: nox -s lock"):
        locks.compile_lock(str(uv), "lint", tmp_path / "lint.txt")


def test_uv_is_found_where_it_is_installed() -> None:
    assert find_uv() is None or shutil.which(str(find_uv())) is not None
