"""
The one tree of errors. Each class carries the exit code with which a command line ends when the error reaches it.

A message gives the wrong value, the allowed ones and the next step. Checks collect every mismatch and raise once.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from ptycho import streams
from ptycho.verdict import Verdict


class PtychoError(Exception):
    """Base of all errors that the project raises on purpose."""

    verdict: Verdict = Verdict.FAIL


class UsageError(PtychoError):
    """An option or a combination of options that is not possible."""

    verdict = Verdict.USAGE


class ConfigurationError(UsageError):
    """CONFIG-001: a configuration that is out of range, stale, or not yet written to the legacy dictionary."""


class ContractError(UsageError):
    """
    DATA-001: a file that breaks the data contract, with every violation found.

    Args:
        path: the file that was refused.
        violations: one sentence each: what is wrong, what is allowed, what to do.
    """

    def __init__(self, path: Path | str, violations: Sequence[str]) -> None:
        self.path = Path(path)
        self.violations = tuple(violations)
        listed = "\n".join(f"  - {violation}" for violation in self.violations)
        super().__init__(f"{self.path} breaks the data contract (DATA-001):\n{listed}")


class SuspicionError(PtychoError):
    """Data or a reconstruction that look wrong, where `--strict` was asked for."""


class StoreError(UsageError):
    """A memory-map store that does not belong to the data, shape, seed or contract version asked for."""


class CheckpointError(UsageError):
    """Saved weights that are damaged or belong to another configuration."""


class InfrastructureError(PtychoError):
    """The machine cannot do what was asked: no space, no permission, a missing package."""

    verdict = Verdict.INFRA


class DeviceError(InfrastructureError):
    """The device that was asked for is not there or does not work. Never a skip."""


def exit_when_started(name: str) -> AbstractContextManager[None]:
    """
    `exit_on_error` around the imports of a module that is started with `python -m`; nothing where it is imported.

    Args:
        name: the module's `__name__`.
    """
    return exit_on_error() if name == "__main__" else nullcontext()


@contextmanager
def exit_on_error() -> Iterator[None]:
    """
    Turn an error of this tree, or a missing package, into one screen on stderr and its exit code.

    Raises:
        SystemExit: with the error's `verdict`, or `Verdict.INTERRUPTED` after Ctrl-C.
    """
    with streams.guarded() as output:
        try:
            yield
        except PtychoError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(int(error.verdict)) from None
        except ImportError as error:
            from ptycho import packages

            if (sentence := packages.explain(error)) is None:
                raise
            print(f"error: {sentence}", file=sys.stderr)
            raise SystemExit(int(Verdict.INFRA)) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise SystemExit(int(Verdict.INTERRUPTED)) from None
        except SystemExit as stop:
            _check_output(output, stop)
            raise


def _check_output(output: streams.Stream, stop: SystemExit) -> None:
    """
    A command that passed and could not write what it was asked for has not passed.

    Raises:
        SystemExit: with `Verdict.INFRA`.
    """
    output.flush()
    if output.failure is not None and output.required and stop.code in (None, 0):
        print(f"error: standard output could not be written: {output.failure.strerror}", file=sys.stderr)
        raise SystemExit(int(Verdict.INFRA)) from None
