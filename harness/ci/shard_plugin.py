"""
A pytest plugin that runs one shard of what is collected and keeps a record: `-p harness.ci.shard_plugin --shard 2/4`.

Every shard collects everything and works the same plan out, so that no job has to hand one to another.
"""

from pathlib import Path

import pytest

from harness.ci import shards
from ptycho.errors import UsageError


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("shards")
    group.addoption("--shard", metavar="K/N", required=True, help="run shard K of N, from 1")
    group.addoption("--shard-record", metavar="FILE", help="default: .harness/shards/shard-K-of-N.json")


def parse(text: str) -> tuple[int, int]:
    """
    Number and count of `K/N`.

    Raises:
        UsageError: it is not of that form, or K is not one of 1 to N.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"--shard {text!r}; allowed: K/N with K from 1 to N, for example 2/4")
    return int(number), int(count)


class ShardPlugin:
    """
    Leaves the other shards' tests out, and remembers what reported.

    Args:
        root: the checkout.
        number: of this shard.
        of: how many there are.
        record: file for the record.
    """

    def __init__(self, root: Path, number: int, of: int, record: Path) -> None:
        self._root, self._number, self._of, self._record = root, number, of, record
        self._collected: list[str] = []
        self._mine: list[str] = []
        self._ran: list[str] = []

    # First, so that what a selection (`-k`) leaves out afterwards shows as a test that did not report.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep this shard's files."""
        recorded = self._root / shards.DURATIONS
        durations = shards.load(recorded) if recorded.is_file() else {}
        files = {item.nodeid.partition("::")[0] for item in items}
        mine = set(shards.plan(shards.weighed(files, durations), self._of)[self._number - 1])
        kept = [item for item in items if item.nodeid.partition("::")[0] in mine]
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid.partition("::")[0] not in mine])
        self._collected = [item.nodeid for item in items]
        self._mine = [item.nodeid for item in kept]
        items[:] = kept

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Remember a test that reported."""
        self._ran.append(nodeid)

    def pytest_sessionfinish(self) -> None:
        """Keep the record."""
        shards.ShardRecord(
            number=self._number,
            of=self._of,
            commit=shards.commit(self._root),
            collected=tuple(self._collected),
            mine=tuple(self._mine),
            ran=tuple(self._ran),
        ).write(self._record)


def pytest_configure(config: pytest.Config) -> None:
    """Register the sharing."""
    try:
        number, of = parse(config.getoption("--shard"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    record = config.getoption("--shard-record") or f".harness/shards/shard-{number}-of-{of}.json"
    config.pluginmanager.register(ShardPlugin(config.rootpath, number, of, config.rootpath / record))
