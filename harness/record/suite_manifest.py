"""The table of a manifest of tests; `harness.record.required` says what it is for."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.files.toml_model import TABLE, FileProblem, Name, Whole


@dataclass(frozen=True, kw_only=True, config=TABLE)
class SuiteManifest:
    """The tests of a target that must report."""

    tests: dict[str, dict[str, Whole]] = Field(default={})
    """by module and name: how many of a test's cases there are at least"""
    may_skip: dict[str, Name] = Field(default={})
    """why a test may skip, by its node id"""

    @staticmethod
    def contradictions(table: Mapping[str, Any]) -> Iterator[FileProblem]:
        """No test at all, and tests that may skip and are not listed."""
        tests, may_skip = table.get("tests", {}), table.get("may_skip", {})
        if tests == {}:
            yield FileProblem(path=(), sentence="it lists no test: remove the file, or write it from a run that passed")
        if isinstance(tests, Mapping) and isinstance(may_skip, Mapping):
            listed = {
                f"{module}::{name}"
                for module, functions in tests.items()
                if isinstance(functions, Mapping)
                for name in functions
            }
            for name in may_skip:
                if name not in listed:
                    yield FileProblem(
                        path=("may_skip", name), sentence=f"[may_skip] {name}: there is no such test under [tests]"
                    )
