"""Reports that do not fit: on a volume that is really full, and of a run that has more to say than a page takes."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.runs import artifacts, summary
from ptycho.errors import InfrastructureError
from ptycho.fingerprint import ROOT
from tests.support import sample_log
from tests.support.injected import bites

ON_A_FULL_VOLUME = """
import json, os, subprocess, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from tests.support import sample_log
from harness.runs import artifacts
from ptycho.errors import InfrastructureError
folder = Path({folder!r})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
sample_log.write(folder, sample_log.whole())
before = (folder / "events.ndjson").read_bytes()
reason = ""
try:
    with (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
except OSError as error:
    reason = os.strerror(error.errno)
try:
    artifacts.write(folder)
except InfrastructureError as error:
    said = str(error)
left = sorted(path.name for path in folder.iterdir())
whole = (folder / "events.ndjson").read_bytes() == before
(folder / "filler").unlink()
verdict = artifacts.write(folder).verdict.name
print(json.dumps([reason, said, left, whole, verdict]))
"""


@pytest.mark.fault("report-volume")
def test_reports_on_a_full_volume_are_refused_and_the_log_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        print("NO MOUNT NAMESPACE ON THIS MACHINE: the full volume is a patched fsync", file=sys.__stderr__)
        reason, said, left, whole, verdict = _patched(tmp_path, monkeypatch)
    else:
        script = ON_A_FULL_VOLUME.format(paths=[str(ROOT)], folder=str(tmp_path))
        argv = ["unshare", "-rm", sys.executable, "-c", script]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
        reason, said, left, whole, verdict = json.loads(done.stdout)
    bites(reason == os.strerror(errno.ENOSPC), "the volume takes not one page more")
    assert f"cannot be written: {reason}" in said
    assert (left, whole) == (["events.ndjson", "filler"], True)
    assert verdict == "PASS"


def _patched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, list[str], bool, str]:
    """The same where the machine makes no volume of a test's own."""
    sample_log.write(folder, sample_log.whole())
    (folder / "filler").touch()
    before = (folder / "events.ndjson").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InfrastructureError) as caught:
            artifacts.write(folder)
    left = sorted(path.name for path in folder.iterdir())
    whole = (folder / "events.ndjson").read_bytes() == before
    return os.strerror(errno.ENOSPC), str(caught.value), left, whole, artifacts.write(folder).verdict.name


@pytest.mark.fault("report-volume")
def test_a_summary_of_more_than_a_mebibyte_is_cut_with_a_note_and_everything_is_kept(tmp_path: Path) -> None:
    names = [f"benchmark {number} {'ä' * 400}" for number in range(2000)]
    bites(sum(len(name.encode()) for name in names) > 1 << 20, "the names alone take more than a mebibyte")
    many = [sample_log.parent("benchmark.end", benchmark=name, verdict="budget") for name in names]
    rows = sample_log.whole()
    folder = sample_log.write(tmp_path / "run", [*rows[:-1], *many, rows[-1]])
    artifacts.write(folder)
    for name in ("summary.md", "summary.txt"):
        content = (folder / name).read_bytes()
        assert len(content) <= summary.LARGEST < 1 << 20
        assert "in verdict.json" in content.decode()
    assert list(json.loads((folder / "verdict.json").read_text())["benchmarks"]) == names
