"""
The closed set of verdicts and their exit codes: every command of the project ends with one of these.

They live in the core, and not in the harness, because the pipelines end with the same codes as the harness that
drives them, and imports point one way.
"""

from enum import IntEnum


class Verdict(IntEnum):
    """
    How a command, a lane or a run ended. The value is the process exit code.

    Anything that is not evidence of success is not a pass: a silent test, a lane that did not run and a missing
    figure are all `FAIL`.
    """

    PASS = 0
    FAIL = 1
    USAGE = 2
    BUDGET = 10
    TIMEOUT = 11
    OOM = 12
    INFRA = 13
    INCONCLUSIVE = 14
    INTERRUPTED = 130
