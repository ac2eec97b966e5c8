"""Asking a command of somebody's checkout for its help: in a cell of its own and with a time limit, like any other."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.isolation import sandbox
from harness.isolation.sandbox import Sandbox
from harness.process import supervise
from harness.record import directory
from harness.record.directory import RunRoot
from harness.system.signals import Interruption

HELP_S = 180.0
"""A framework may take a minute to import on a busy machine."""


@contextmanager
def answers(root: Path) -> Iterator[tuple[RunRoot, Callable[[bool], None]]]:
    """
    A folder for answers, which is gone at the end of the block however it ends.

    Yields:
        The folder, and the switch that keeps the answers, because a reader is sent there.
    """
    kept, wanted = directory.create(root), [False]
    try:
        yield kept, wanted.append
    finally:
        for left in kept.remove_scratch() if wanted[-1] else kept.remove():
            print(f"left in place: {left}", file=sys.stderr)


def ask(
    program: Sequence[str],
    label: str,
    *,
    import_root: Path,
    variables: Mapping[str, str],
    kept: RunRoot,
    interruption: Interruption,
    furnish: Callable[[Sandbox], object] = lambda _: None,
) -> supervise.CompletedCommand:
    """
    Run a program with `--help`.

    Args:
        program: interpreter, module or script, subcommands; filled in but for `{cache}`.
        label: names its folder and its log.
        import_root: folder from which the target's packages are imported.
        variables: the target's own, with `{cache}`.
        kept: the run that keeps the log.
        interruption: asked while waiting.
        furnish: puts files into its working directory.
    """
    cell = Sandbox(path=kept.scratch / label).make()
    furnish(cell)
    # Wide, so that no help text is cut off in the middle of a name.
    extra = {"COLUMNS": "200"} | {name: text.replace("{cache}", str(cell.cache)) for name, text in variables.items()}
    return supervise.run(
        [*(word.replace("{cache}", str(cell.cache)) for word in program), "--help"],
        env=sandbox.build(
            cell,
            token=kept.token,
            scratch=kept.scratch,
            # A question about options is not a run: what a command would log of itself goes with the scratch.
            events=kept.scratch / "events.ndjson",
            import_root=import_root,
            gpu=False,
            extra=extra,
        ),
        cwd=cell.cwd,
        log=kept.logs / f"{label}-help.log",
        timeout_s=HELP_S,
        token=kept.token,
        interruption=interruption,
    )
