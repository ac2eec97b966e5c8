import hashlib
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ptycho import fingerprint
from ptycho import git as core_git


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    git(tmp_path, "tag", "v1")
    return tmp_path


def test_the_fingerprint_is_plain_json_with_what_was_given(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_bytes(b"numpy==2\n")

    found = fingerprint.collect(packages=["pytest", "no-such-thing"], device="cpu", seed=7, lock=tmp_path / "lock.txt")

    assert found == json.loads(json.dumps(found))
    assert {"numpy": np.__version__, "pytest": pytest.__version__, "no-such-thing": None} == found["packages"]
    assert (platform.python_version(), "cpu", 7) == (found["python"], found["device"], found["seed"])
    assert hashlib.sha256(b"numpy==2\n").hexdigest() == found["lock_sha256"]
    assert found["cpus"] >= 1


def test_no_framework_is_imported_for_its_version() -> None:
    program = (
        "import sys; from ptycho import fingerprint\n"
        "fingerprint.collect(packages=['torch', 'tensorflow-cpu'])\n"
        "print([name for name in ('torch', 'tensorflow', 'psutil') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=fingerprint.ROOT
    )

    assert done.stdout == "[]\n"


def test_the_processors_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: other\n")
    (tmp_path / "arm").write_text("processor\t: 0\nCPU part\t: 0xd0c\n")

    assert fingerprint.cpu_model(tmp_path / "cpuinfo") == "A Processor @ 2 GHz"
    assert fingerprint.cpu_model(tmp_path / "arm") == fingerprint.cpu_model(tmp_path / "none") != ""


def test_the_commit_is_named_clean_and_dirty_and_nothing_is_written(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    index = (checkout / ".git" / "index").stat().st_mtime_ns

    assert head == fingerprint.commit(checkout)
    (checkout / "file").write_text("2")
    assert f"{head}-dirty" == fingerprint.commit(checkout)
    assert index == (checkout / ".git" / "index").stat().st_mtime_ns


def test_a_folder_inside_somebody_elses_repository_has_no_commit(checkout: Path) -> None:
    (checkout / "site-packages").mkdir()

    assert fingerprint.commit(checkout / "site-packages") is None


def test_a_broken_missing_or_slow_git_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    assert fingerprint.commit(tmp_path) is None

    monkeypatch.setenv("PATH", str(tmp_path))
    assert fingerprint.commit(tmp_path) is None

    (tmp_path / "git").write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr(core_git, "SECONDS", 0.2)
    started = time.monotonic()
    assert fingerprint.commit(tmp_path) is None
    assert time.monotonic() - started < 10
