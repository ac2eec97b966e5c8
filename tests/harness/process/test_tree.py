"""A tree is counted whole: descendants, those that went away from their parents, and time of those that ended."""

import os
import subprocess
import sys
import time

import pytest

from harness.process import tree
from harness.process.tree import Tree, TreeProcess, TreeSample
from tests.support import supervised


def _member(**fields: object) -> TreeProcess:
    plain = {"pid": 1, "parent": 0, "started": 1.0, "state": "S", "cpu_s": 0.0, "rss_mib": 1.0}
    return TreeProcess(**plain | fields)  # type: ignore[arg-type]


def test_this_process_is_listed_with_what_it_uses() -> None:
    own = tree.listing()[os.getpid()]
    assert (own.parent, own.state) == (os.getppid(), "R")
    assert own.rss_mib > 5
    assert 0 < own.cpu_s < 10_000


def test_the_portable_listing_says_the_same() -> None:
    plain, portable = tree.listing()[os.getpid()], tree._of_psutil()[os.getpid()]
    assert (plain.pid, plain.parent) == (portable.pid, portable.parent)
    assert abs(plain.rss_mib - portable.rss_mib) < 20
    assert abs(plain.cpu_s - portable.cpu_s) < 5


@pytest.mark.slow
def test_members_stay_members_when_their_parent_goes() -> None:
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n"
        "    time.sleep(1)\n    os._exit(0)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watched = Tree(process.pid)
        until = time.monotonic() + 20
        while len(watched.look().alive) < 3 and time.monotonic() < until:
            time.sleep(0.02)
        while len(left := watched.look().alive) > 2 and time.monotonic() < until:
            time.sleep(0.05)
        (orphan,) = (member for member in left if member.pid != process.pid)
        assert orphan.parent != process.pid
        os.kill(orphan.pid, 9)
        process.kill()


@pytest.mark.slow
def test_time_of_a_child_that_was_waited_for_is_the_parents() -> None:
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {supervised.BUSY!r}], check=True)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        watched = Tree(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        sample = watched.look()
    assert sample.cpu_s > 0.9 * supervised.BUSY_S  # the parent by itself uses a small part of it
    assert sample.alive == ()
    assert watched.look().cpu_s == sample.cpu_s


def test_a_pid_that_was_taken_over_is_no_member() -> None:
    watched = Tree(999_999_999)
    watched.seen = {os.getpid(): 1.0}
    assert watched.look().members == ()


def test_stopped_means_all_that_are_alive() -> None:
    both = TreeSample(members=(_member(state="T"), _member(state="t"), _member(state="Z", rss_mib=9)), cpu_s=0)
    assert (both.stopped, both.rss_mib) == (True, 2.0)
    assert not TreeSample(members=(_member(state="T"), _member(state="R")), cpu_s=0).stopped
    assert not TreeSample(members=(_member(state="Z"),), cpu_s=0).stopped
