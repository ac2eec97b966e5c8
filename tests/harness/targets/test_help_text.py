"""A command is asked for its help in a cell of its own, with its own packages."""

import sys
from pathlib import Path
from typing import Any

import foreign_checkout

from harness import runroot, target_help
from harness.interruption import Interruption


def test_help_is_asked_with_the_target_s_packages_and_variables(workspace: Any, tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    script = tmp_path / "checkout" / "show.py"
    script.write_text("import os, sys, ptycho\nprint(ptycho.WHO, os.environ['MINE'], os.getcwd(), sys.argv[1:])\n")
    kept = runroot.create(workspace.root)
    finished = target_help.ask(
        [sys.executable, str(script), "fit"],
        "train",
        import_root=tmp_path / "checkout",
        variables={"MINE": "{cache}/x"},
        kept=kept,
        interruption=Interruption(),
    )
    cell = kept.scratch / "train"
    assert finished.tail() == f"foreign {cell / 'cache' / 'x'} {cell / 'workspace' / 'cwd'} ['fit', '--help']"
    assert finished.log == kept.logs / "train-help.log"
