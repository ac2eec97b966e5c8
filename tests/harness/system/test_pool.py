import signal
import threading
import time

import pytest

from harness.system.pool import several
from harness.system.signals import Interruption


def test_each_is_tried_once_and_no_more_at_a_time_than_asked() -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def attempt(number: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.05)
        with lock:
            at_work -= 1
        return number * number

    made = list(several(attempt, range(6), jobs=2, interruption=Interruption()))
    assert [0, 1, 4, 9, 16, 25] == sorted(made)
    assert most == 2


def test_an_error_of_one_comes_out_and_those_not_begun_stay_so() -> None:
    begun = []

    def attempt(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise ValueError("broken")
        time.sleep(0.3)
        return number

    with pytest.raises(ValueError, match="broken"):
        list(several(attempt, range(50), jobs=2, interruption=Interruption()))
    assert len(begun) < 10


def test_an_interruption_ends_it_once_those_at_work_have_returned() -> None:
    interruption = Interruption()
    ended: list[int] = []

    def attempt(number: int) -> int:
        interruption.signals.append(signal.SIGTERM)
        time.sleep(0.3)
        ended.append(number)
        return number

    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        list(several(attempt, range(50), jobs=2, interruption=interruption))
    assert sorted(ended) == [0, 1]
