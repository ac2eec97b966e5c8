"""
The pytest side of a benchmark session: lanes as fixtures, verdicts as events, the fingerprint in `bench.json`.

It is loaded by name (`-p`) into a pytest of its own, which loads no other plugin but pytest-benchmark: the project's
test suite knows nothing of it, and what else is installed changes nothing.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.benchmark import plan
from harness.benchmark.measure import BenchmarkLane, BenchmarkTrial
from harness.benchmark.plan import Plan
from harness.record import machine
from harness.record.log import EventLog
from harness.system import identity
from harness.system.signals import Interruption
from harness.targets import devices
from ptycho.verdict import Verdict

WARM_UP_PATTERNS = 64
WARM_UP_FLAGS = ("--nepochs", "1", "--batch_size", "16", "--disable_mlflow", "--quiet")
WARM_UP_LIMIT = 3.0
"""Of the budget. The first process of a lane pays for caches that are still cold; it is not counted or judged."""


class BenchmarkSession:
    """
    State that the cases share.

    Args:
        given: the plan.
    """

    def __init__(self, given: Plan) -> None:
        self.plan = given
        self.events = EventLog(Path(given.run) / "events.ndjson")
        self.interruption = Interruption()
        self.stack = ExitStack()
        self.lanes: dict[str, BenchmarkLane] = {}
        self.trained: dict[tuple[str, str], BenchmarkTrial] = {}
        self.fingerprint = machine.describe(given.locks, device=devices.asked(given.devices))

    def lane(self, side: str) -> BenchmarkLane:
        """
        A lane, warmed up.

        The rule, fixed in advance: the first process of a lane trains for one epoch on 64 patterns of the session's
        first scan, and nothing of it counts. Every further process counts.
        """
        if side not in self.lanes:
            lane = BenchmarkLane(plan=self.plan, side=side, events=self.events, interruption=self.interruption)
            scan = next(iter(self.plan.scans.values()))
            argv = [f"ptycho_{side}.train", "--train_data_file", scan, "--output_dir", "{output}", *WARM_UP_FLAGS]
            argv += ["--n_images", str(WARM_UP_PATTERNS)]
            argv += ["--device", self.plan.device(side), "--threads", str(self.plan.threads)]
            lane.run("warm-up", argv, timeout_s=WARM_UP_LIMIT * self.plan.budget_s)
            self.lanes[side] = lane
        return self.lanes[side]

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """Become the parent of what the lanes leave behind, and end on a signal as the harness does."""
        identity.adopt_orphans()
        self.stack.enter_context(self.interruption.installed())

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Give the signals back."""
        self.stack.close()
        self.events.close()

    @pytest.hookimpl
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One case a lane; where a case wants a scan, one a lane and scan, or only the last and largest scan."""
        sides, names = list(self.plan.pythons), list(self.plan.scans)
        if "scan" in metafunc.fixturenames:
            pairs = [(side, name) for side in sides for name in names]
            metafunc.parametrize(("side", "scan"), pairs, ids=[f"{side}-{name}" for side, name in pairs])
        elif "last_scan" in metafunc.fixturenames:
            ids = [f"{side}-{names[-1]}" for side in sides]
            metafunc.parametrize(("side", "last_scan"), [(side, names[-1]) for side in sides], ids=ids)
        elif "side" in metafunc.fixturenames:
            metafunc.parametrize("side", sides)

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what this session does not run; what it must run and is not there is found by the log."""
        wanted = set(self.plan.names)
        left_out = [item for item in items if item.name not in wanted]
        items[:] = [item for item in items if item.name in wanted]
        # A case that is in no section of the manifest would never run: that must not go unnoticed.
        known = {*wanted, *plan.names(list(self.plan.pythons), list(self.plan.scans), short=False)}
        for item in left_out:
            if item.name not in known:
                self.events.write(
                    "problem", verdict="fail", message=f"benchmark {item.name} is not in manifest.toml; list it there"
                )
        config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Add what a figure belongs to."""
        machine_info["fingerprint"] = self.fingerprint
        machine_info["fingerprint_key"] = machine.key(self.fingerprint)

    def judged(self, name: str, benchmark: Any, verdict: Verdict, sentence: str, figures: dict[str, Any]) -> None:
        """
        Write a benchmark's verdict into the log and its figures into `bench.json`; fail the case if it does not pass.

        Args:
            name: name of the case.
            benchmark: pytest-benchmark's fixture; it has measured, or None where there was nothing to measure.
            verdict: verdict of the benchmark.
            sentence: why.
            figures: plain values.
        """
        if benchmark is not None:
            benchmark.extra_info |= {"verdict": verdict.label, "sentence": sentence, **figures}
        self.events.write("benchmark.end", benchmark=name, verdict=verdict.label, sentence=sentence, **figures)
        if verdict is not Verdict.PASS:
            self.events.write("problem", verdict=verdict.label, message=f"{name}: {sentence}")
            pytest.fail(sentence, pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    """Register the session of the plan that the environment names."""
    given = plan.read(Path(os.environ[plan.VARIABLE]))
    config.pluginmanager.register(BenchmarkSession(given), "ptycho-benchmark-session")


@pytest.fixture
def session(request: pytest.FixtureRequest) -> BenchmarkSession:
    """The session."""
    found = request.config.pluginmanager.get_plugin("ptycho-benchmark-session")
    assert isinstance(found, BenchmarkSession)
    return found


@pytest.fixture
def lane(session: BenchmarkSession, side: str) -> BenchmarkLane:
    """The case's lane, warmed up."""
    return session.lane(side)


@pytest.fixture
def judged(
    session: BenchmarkSession, request: pytest.FixtureRequest, benchmark: Any
) -> Callable[[Verdict, str, dict[str, Any]], None]:
    """Takes the case's verdict, its reason and its figures."""
    return partial(session.judged, request.node.name, benchmark)
