"""Many trials, a few at a time: each is a process or two that compute while this one waits, so threads do."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from harness.system.signals import Interruption

Item = TypeVar("Item")
Made = TypeVar("Made")


def several(
    attempt: Callable[[Item], Made], items: Iterable[Item], *, jobs: int, interruption: Interruption
) -> Iterator[Made]:
    """
    Try items, and hand on the result of each as it ends, in the thread of the caller.

    Args:
        attempt: tries one; it asks the same interruption, ends its processes and returns.
        items: in the order in which they begin: those that take longest first, or they run alone at the end.
        jobs: how many at a time.
        interruption: asked several times a second.

    Raises:
        KeyboardInterrupt: the run was asked to end; no attempt is at work any more.
    """
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="trial") as pool:
        left: set[Future[Made]] = {pool.submit(attempt, item) for item in items}
        try:
            while left:
                interruption.check()
                ended, left = wait(left, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True, wait=True)
