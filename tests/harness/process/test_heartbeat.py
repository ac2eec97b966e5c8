"""Time in which nothing could run is distinguished from time in which nothing was done."""

from harness.process.heartbeat import GAP_S, Heartbeat
from harness.process.tree import TreeProcess, TreeSample


def _sample(cpu_s: float, state: str = "S") -> TreeSample:
    member = TreeProcess(pid=1, parent=0, started=1.0, state=state, cpu_s=cpu_s, rss_mib=1.0)
    return TreeSample(members=(member,), cpu_s=cpu_s)


def test_work_output_and_events_are_signs_of_life_and_a_tick_now_and_then_is_none() -> None:
    pulse = Heartbeat(100.0)
    pulse.sampled(101.0, _sample(0.5), heard=False)
    assert (pulse.active_at, pulse.silent_s(103.0)) == (101.0, 2.0)
    pulse.sampled(102.0, _sample(0.51), heard=False)
    assert pulse.active_at == 101.0
    pulse.sampled(103.0, _sample(0.51), heard=True)
    assert (pulse.active_at, pulse.paused_s) == (103.0, 0.0)


def test_a_gap_counts_unless_the_command_ran_on() -> None:
    pulse = Heartbeat(0.0)
    pulse.overslept(60.0)
    pulse.sampled(61.0, _sample(1.0), heard=False)
    assert pulse.paused_s == 59.0
    pulse.overslept(60.0)
    pulse.sampled(122.0, _sample(61.0), heard=False)
    assert pulse.paused_s == 59.0


def test_a_short_gap_is_a_busy_machine() -> None:
    pulse = Heartbeat(0.0)
    pulse.overslept(GAP_S)
    pulse.sampled(10.0, _sample(0.0), heard=False)
    assert pulse.paused_s == 0.0


def test_a_stopped_tree_counts_between_two_looks_at_it() -> None:
    pulse = Heartbeat(0.0)
    for now, state in ((1.0, "R"), (2.0, "T"), (3.0, "T"), (4.0, "T"), (5.0, "R")):
        pulse.sampled(now, _sample(0.0, state), heard=False)
    assert pulse.paused_s == 2.0
