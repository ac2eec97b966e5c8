"""What a process says of itself when it ends, in files that it can always write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.isolation.sandbox import OBSERVER
from harness.system.injected import ptycho_harness_gpu as instrument

HIDDEN = {instrument.HIDDEN: ""}


def _words(code: str, folder: Path, **variables: str) -> list[tuple[str, str]]:
    log = folder / "devices.log"
    env = {"PYTHONPATH": str(OBSERVER), "PYTHONDONTWRITEBYTECODE": "1", "PTYCHO_HARNESS_DEVICES": str(log)}
    subprocess.run([sys.executable, "-c", code], env=env | HIDDEN | variables, cwd=folder, check=True)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    return [(word, what) for _, word, what in rows]


def test_a_process_says_that_it_began_and_that_it_ended(tmp_path: Path) -> None:
    assert _words("pass", tmp_path) == [("begin", ""), ("end", "")]


def test_what_is_open_at_the_end_is_said_between(tmp_path: Path) -> None:
    node = tmp_path / "dev" / "nvidia-uvm"
    node.parent.mkdir()
    node.touch()
    assert _words(f"import os; os.open({str(node)!r}, os.O_RDONLY)", tmp_path) == [
        ("begin", ""),
        ("touched", f"has {node} open"),
        ("end", ""),
    ]


def test_handlers_of_the_program_run_before_the_report(tmp_path: Path) -> None:
    node = tmp_path / "dev" / "nvidia0"
    node.parent.mkdir()
    node.touch()
    code = f"import atexit, os; atexit.register(os.open, {str(node)!r}, os.O_RDONLY)"
    assert ("touched", f"has {node} open") in _words(code, tmp_path)


def test_a_program_that_closes_every_descriptor_is_heard(tmp_path: Path) -> None:
    assert _words("import os; os.closerange(3, 256)", tmp_path) == [("begin", ""), ("end", "")]


def test_a_fork_that_ends_properly_reports_for_itself(tmp_path: Path) -> None:
    assert _words("import os; os.fork() and os.wait()", tmp_path) == [("begin", ""), ("end", ""), ("end", "")]


def test_variables_at_exec_are_what_counts(tmp_path: Path) -> None:
    code = "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''"
    assert _words(code, tmp_path, CUDA_VISIBLE_DEVICES="GPU-1")[1] == (
        "touched",
        "began with CUDA_VISIBLE_DEVICES='GPU-1'",
    )


def test_a_process_that_is_gone_is_none_and_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert instrument.touched(process.pid) is None
    process.wait()
    assert instrument.touched(process.pid) is None


@pytest.mark.parametrize("name", ["libcudart.so.12", "libnvidia.txt", "libcublas.so"])
def test_run_time_libraries_are_no_driver(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(4096))
    code = f"import mmap, os; held = mmap.mmap(os.open({name!r}, os.O_RDONLY), 0, prot=mmap.PROT_READ)"
    assert _words(code, tmp_path) == [("begin", ""), ("end", "")]
