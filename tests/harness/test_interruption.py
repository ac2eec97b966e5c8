"""Signals become a flag, whatever was inherited, and the handlers of before come back."""

import os
import signal

import pytest

from harness.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_raised_only_where_asked(number: signal.Signals) -> None:
    with Interruption().installed() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        assert interruption.reason == number.name
        assert not interruption.hurry
        with pytest.raises(KeyboardInterrupt, match=number.name):
            interruption.check()
        os.kill(os.getpid(), number)
        assert interruption.hurry


def test_an_ignored_sigint_is_taken_and_ignored_again_afterwards() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().installed() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.reason == "SIGINT"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_end_of_the_followed_parent_is_a_reason() -> None:
    assert Interruption(follow=os.getppid()).reason is None
    assert Interruption(follow=1 << 30).reason == f"parent process {1 << 30} is gone"
