"""An adapter process: answers as they come, several at a time, none of another's processes."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.parity.compare.failure import FailureKind
from harness.parity.compare.response import Answer
from harness.parity.exchange import backend_client
from harness.parity.exchange.backend_client import Party
from harness.parity.reference import problem
from harness.record import directory
from harness.record.directory import RunRoot
from harness.system.signals import Interruption
from ptycho.verdict import Verdict
from tests.support.fakes import adapter_checkout, fake_adapter
from tests.support.golden_step0 import FIXTURE


@pytest.fixture
def kept(tmp_path: Path) -> RunRoot:
    return directory.create(tmp_path / "harness")


def requests(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.npz" for number in range(count)]
    for number, path in enumerate(paths):
        problem.request(gridsize=1, seed=number, scan=FIXTURE, steps=0, quantities=("R3",)).save(path)
    return paths


@pytest.mark.slow
def test_one_process_answers_several_requests(tmp_path: Path, kept: RunRoot) -> None:
    party = Party(side="torch", python=str(fake_adapter.write(tmp_path / "python")))
    events, seen = kept.open_events(), list[int]()

    def note(number: int, _found: Answer) -> None:
        seen.append(number)

    asked = backend_client.ask(party, requests(tmp_path, 3), "adapter", kept, events, Interruption(), on_answer=note)
    events.close()
    assert seen == [0, 1, 2]
    assert [found.refusals for found in asked.answers] == [(), (), ()]


@pytest.mark.slow
def test_an_answer_of_other_sources_is_refused(tmp_path: Path, kept: RunRoot) -> None:
    party = Party(side="torch", python=str(fake_adapter.write(tmp_path / "python")), import_root=tmp_path / "copy")
    events = kept.open_events()
    asked = backend_client.ask(party, requests(tmp_path, 1), "adapter", kept, events, Interruption())
    events.close()
    assert [text.partition(" is ")[0] for text in asked.answers[0].refusals] == ["its commit", "its sources_sha256"]


RUNGS = ("R3", "R4", "R5", "R6")


def ask_checkout(
    tmp_path: Path, kept: RunRoot, behaviour: Mapping[str, str], count: int = 1, **texts: str
) -> tuple[Answer, ...]:
    """Ask a checkout whose backend behaves badly at some rungs."""
    root = adapter_checkout.write(tmp_path / "checkout", behaviour, **texts)
    paths = [tmp_path / f"{number}.npz" for number in range(count)]
    for number, path in enumerate(paths):
        problem.request(gridsize=1, seed=number, scan=FIXTURE, steps=0, quantities=RUNGS).save(path)
    events = kept.open_events()
    try:
        return backend_client.ask(
            Party(side="torch", import_root=root), paths, "adapter", kept, events, Interruption()
        ).answers
    finally:
        events.close()


def summary(answer: Answer) -> dict[str, tuple[str, str, str]]:
    return {
        rung: (str(why.kind), why.verdict.name, "" if why.location is None else str(why.location))
        for rung, why in answer.failures.items()
    }


BAD: dict[str, tuple[str, str, str, bool]] = {
    "raises": ("raise ValueError('bad')", "raised", "FAIL", True),
    "shape": ("import numpy; return numpy.ones(3) @ numpy.ones(4)", "raised", "FAIL", True),
    "ragged": ("return [[1.0], [1.0, 2.0]]", "raised", "FAIL", False),
    "objects": ("return [object()]", "raised", "FAIL", False),
    "exit": ("sys.exit(0)", "raised", "FAIL", True),
    "hard exit": ("os._exit(5)", "died", "FAIL", True),
    "exit as budget": ("os._exit(10)", "died", "FAIL", True),
    "exit as inconclusive": ("os._exit(11)", "died", "FAIL", True),
    "exit as memory": ("os._exit(12)", "died", "FAIL", True),
    "exit as infrastructure": ("os._exit(13)", "died", "FAIL", True),
    "exit as success": ("os._exit(0)", "died", "FAIL", True),
    "submodule": ("import numpy.tensors", "raised", "FAIL", True),
    "abort": ("os.abort()", "died", "FAIL", True),
    "segfault": ("import ctypes; ctypes.string_at(0)", "died", "FAIL", True),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "died", "FAIL", True),
    "recursion": ("return R4()", "raised", "FAIL", True),
    "memory": ("raise MemoryError('none left')", "memory", "OOM", True),
    "disk": ("raise OSError(28, 'No space left on device')", "machine", "INFRA", True),
    "package": ("import tensorflow", "machine", "INFRA", False),
    "misspelt": ("import nunpy", "raised", "FAIL", True),
}


@pytest.mark.deep
@pytest.mark.parametrize("case", BAD)
def test_a_rung_that_goes_wrong_takes_no_other_along(tmp_path: Path, kept: RunRoot, case: str) -> None:
    code, kind, verdict, located = BAD[case]
    first, second = ask_checkout(tmp_path, kept, {"R4": code}, count=2)
    line = adapter_checkout.line("R4")
    where = f"ptycho_torch/physics.py:{line}, R4()" if located else ""
    for answer in (first, second):
        assert answer.refusals == ()
        assert sorted({name.partition("/")[0] for name in answer.arrays} - {"R4"}) == ["R3", "R5", "R6"]
        (failure,) = answer.failures.items()
        assert (failure[0], str(failure[1].kind), failure[1].verdict.name) == ("R4", kind, verdict)
        if located:
            assert where == str(failure[1].location)


def test_what_a_rung_answered_before_it_raised_is_kept(tmp_path: Path, kept: RunRoot) -> None:
    (answer,) = ask_checkout(tmp_path, kept, {"R4": "raise ValueError('bad')"})
    assert sorted(name for name in answer.arrays if name.startswith("R4/")) == ["R4/first"]


@pytest.mark.deep
def test_a_hang_is_a_timeout_at_its_line(tmp_path: Path, kept: RunRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_client, "RUNG_TIMEOUT_S", 2.0)
    (answer,) = ask_checkout(tmp_path, kept, {"R5": "time.sleep(600)"})
    assert summary(answer) == {
        "R5": ("hung", "TIMEOUT", f"ptycho_torch/physics.py:{adapter_checkout.line('R5')}, R5()")
    }
    assert {name.partition("/")[0] for name in answer.arrays} == {"R3", "R4", "R6"}


@pytest.mark.deep
def test_after_two_hangs_the_rest_is_not_asked(tmp_path: Path, kept: RunRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_client, "RUNG_TIMEOUT_S", 2.0)
    (answer,) = ask_checkout(tmp_path, kept, dict.fromkeys(("R3", "R4", "R5"), "time.sleep(600)"))
    assert [str(why.kind) for why in answer.failures.values()] == ["hung", "hung", "not asked", "not asked"]
    assert {why.verdict for why in answer.failures.values()} == {Verdict.TIMEOUT}


@pytest.mark.slow
def test_a_kill_from_outside_is_no_fault_of_the_backend(tmp_path: Path, kept: RunRoot) -> None:
    flag = tmp_path / "killed"
    once = f"open({str(flag)!r}, 'x'); os.kill(os.getpid(), signal.SIGKILL)"
    guard = f"return [3.0] if os.path.exists({str(flag)!r}) else exec({once!r})"
    (answer,) = ask_checkout(tmp_path, kept, {"R4": guard})
    assert {name.partition("/")[0] for name in answer.arrays} == set(RUNGS)
    (why,) = answer.failures.values()
    assert (why.kind, why.verdict, why.answered) == (FailureKind.KILLED, Verdict.INFRA, True)


def test_code_that_cannot_be_imported_fails_every_rung_at_its_line(tmp_path: Path, kept: RunRoot) -> None:
    (answer,) = ask_checkout(tmp_path, kept, {}, engine="class Engine:\n    def broken(:\n")
    assert summary(answer) == dict.fromkeys(RUNGS, ("raised", "FAIL", "ptycho_torch/engine.py:2"))


def test_an_adapter_that_cannot_start_fails_every_rung_at_its_line(tmp_path: Path, kept: RunRoot) -> None:
    first, second = ask_checkout(tmp_path, kept, {}, count=2, adapter="import os\nos.absent\n")
    assert summary(first) == dict.fromkeys(RUNGS, ("raised", "FAIL", "ptycho_torch/adapter.py:2"))
    assert summary(second) == summary(first)
    assert "AttributeError" in first.failures["R3"].sentence


def test_a_process_that_dies_after_its_last_answer_has_failed(tmp_path: Path, kept: RunRoot) -> None:
    text = adapter_checkout.ADAPTER + "    import os; os._exit(7)\n"
    (answer,) = ask_checkout(tmp_path, kept, {}, adapter=text)
    ((rung, why),) = answer.failures.items()
    assert (rung, why.kind, why.verdict, why.answered) == ("R6", FailureKind.DIED, Verdict.FAIL, True)


def test_no_interpreter_is_the_machines_fault(tmp_path: Path, kept: RunRoot) -> None:
    party = Party(side="tf", python=str(tmp_path / "absent"))
    events = kept.open_events()
    asked = backend_client.ask(party, requests(tmp_path, 1), "adapter", kept, events, Interruption())
    events.close()
    assert [(w.kind, w.verdict) for w in asked.answers[0].failures.values()] == [(FailureKind.MACHINE, Verdict.INFRA)]


def test_an_adapter_of_the_older_kind_that_dies_fails_what_it_was_asked(tmp_path: Path, kept: RunRoot) -> None:
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\necho out of luck\nexit 9\n")
    dying.chmod(0o755)
    events = kept.open_events()
    party = Party(side="tf", python=str(dying))
    asked = backend_client.ask(party, requests(tmp_path, 1), "adapter", kept, events, Interruption())
    events.close()
    (why,) = asked.answers[0].failures.values()
    assert (why.kind, why.verdict, why.sentence) == (
        FailureKind.DIED,
        Verdict.FAIL,
        "ended with exit code 9: out of luck",
    )


@pytest.mark.deep
def test_two_at_once_do_not_take_each_other_for_orphans(tmp_path: Path, kept: RunRoot) -> None:
    (path,) = requests(tmp_path, 1)
    slow, fast = (fake_adapter.write(tmp_path / name) for name in ("slow", "fast"))
    slow.write_text(slow.read_text().replace("import sys;", "import sys, time; time.sleep(3);"))
    events, found = kept.open_events(), dict[str, int]()

    def run(side: str, python: Path) -> None:
        party = Party(side=side, python=str(python))
        found[side] = len(backend_client.ask(party, [path], side, kept, events, Interruption()).answers)

    threads = [threading.Thread(target=run, args=pair) for pair in (("torch", slow), ("tf", fast))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.close()
    assert found == {"torch": 1, "tf": 1}
