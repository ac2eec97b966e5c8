"""The peak is that of the children, and it stays when they have gone."""

import subprocess
import sys
import time

from harness.blackbox import memory

_EATER = "import sys, time; x = bytearray(80 * 2**20); print('full', flush=True); sys.stdin.read()"


def test_a_childs_memory_is_seen_and_remembered() -> None:
    with subprocess.Popen([sys.executable, "-c", _EATER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert b"full\n" == child.stdout.readline()
        peak = memory.Peak()
        peak.sample()
        child.communicate()
    assert peak.mib > 80
    highest = peak.mib
    time.sleep(memory.EVERY_S)
    peak.sample()
    assert highest == peak.mib


def test_it_is_not_looked_at_more_often_than_it_should() -> None:
    peak = memory.Peak()
    peak.sample()
    with subprocess.Popen([sys.executable, "-c", _EATER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        peak._next = time.monotonic() + 60
        peak.sample()
        child.communicate()
    assert peak.mib < 80
