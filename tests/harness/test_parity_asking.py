"""A probe process: answers as they come, several at a time, none of another's processes."""

import threading
from pathlib import Path

import fake_probe
import pytest
from golden_step0 import FIXTURE

from harness import runroot
from harness.interruption import Interruption
from harness.parity import asking, problem
from harness.parity.answer import Answer
from harness.parity.asking import Party
from harness.runroot import RunRoot
from ptycho.errors import InfrastructureError


@pytest.fixture
def kept(tmp_path: Path) -> RunRoot:
    return runroot.create(tmp_path / "harness")


def requests(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.npz" for number in range(count)]
    for number, path in enumerate(paths):
        problem.request(gridsize=1, seed=number, scan=FIXTURE, steps=0, quantities=("R3",)).save(path)
    return paths


def test_one_process_answers_several_requests(tmp_path: Path, kept: RunRoot) -> None:
    party = Party(side="torch", python=str(fake_probe.write(tmp_path / "python")))
    events, seen = kept.open_events(), list[int]()

    def note(number: int, _found: Answer) -> None:
        seen.append(number)

    asked = asking.ask(party, requests(tmp_path, 3), "probe", kept, events, Interruption(), on_answer=note)
    events.close()
    assert seen == [0, 1, 2]
    assert [found.refusals for found in asked.answers] == [(), (), ()]


def test_an_answer_of_other_sources_is_refused(tmp_path: Path, kept: RunRoot) -> None:
    party = Party(side="torch", python=str(fake_probe.write(tmp_path / "python")), import_root=tmp_path / "copy")
    events = kept.open_events()
    asked = asking.ask(party, requests(tmp_path, 1), "probe", kept, events, Interruption())
    events.close()
    assert [text.partition(" is ")[0] for text in asked.answers[0].refusals] == ["its commit", "its sources_sha256"]


def test_a_probe_that_dies_is_an_error_with_its_last_words(tmp_path: Path, kept: RunRoot) -> None:
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\necho out of luck\nexit 9\n")
    dying.chmod(0o755)
    events = kept.open_events()
    with pytest.raises(InfrastructureError, match=r"the probe probe ended with exit code 9; (.|\n)*out of luck"):
        asking.ask(Party(side="tf", python=str(dying)), requests(tmp_path, 1), "probe", kept, events, Interruption())
    events.close()


def test_two_at_once_do_not_take_each_other_for_orphans(tmp_path: Path, kept: RunRoot) -> None:
    (path,) = requests(tmp_path, 1)
    slow, fast = (fake_probe.write(tmp_path / name) for name in ("slow", "fast"))
    slow.write_text(slow.read_text().replace("import sys;", "import sys, time; time.sleep(3);"))
    events, found = kept.open_events(), dict[str, int]()

    def run(side: str, python: Path) -> None:
        party = Party(side=side, python=str(python))
        found[side] = len(asking.ask(party, [path], side, kept, events, Interruption()).answers)

    threads = [threading.Thread(target=run, args=pair) for pair in (("torch", slow), ("tf", fast))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.close()
    assert found == {"torch": 1, "tf": 1}
