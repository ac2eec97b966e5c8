"""Asking a command of somebody's checkout for its help: in a cell of its own and with a time limit, like any other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import child, environment
from harness.environment import Cell
from harness.interruption import Interruption
from harness.runroot import RunRoot

HELP_S = 180.0
"""A framework may take a minute to import on a busy machine."""


def ask(
    program: Sequence[str],
    label: str,
    *,
    import_root: Path,
    variables: Mapping[str, str],
    kept: RunRoot,
    interruption: Interruption,
) -> child.Finished:
    """
    Run a program with `--help`.

    Args:
        program: interpreter, module or script, subcommands; filled in but for `{cache}`.
        label: names its folder and its log.
        import_root: folder from which the target's packages are imported.
        variables: the target's own, with `{cache}`.
        kept: the run that keeps the log.
        interruption: asked while waiting.
    """
    cell = Cell(path=kept.scratch / label).make()
    # Wide, so that no help text is cut off in the middle of a name.
    extra = {"COLUMNS": "200"} | {name: text.replace("{cache}", str(cell.cache)) for name, text in variables.items()}
    return child.run(
        [*(word.replace("{cache}", str(cell.cache)) for word in program), "--help"],
        env=environment.build(
            cell,
            token=kept.token,
            scratch=kept.scratch,
            events=kept.events,
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
