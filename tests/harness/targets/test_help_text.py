"""A command is asked for its help in a cell of its own, with its own packages."""

import sys
from pathlib import Path
from typing import Any

from harness.record import directory
from harness.system.signals import Interruption
from harness.targets import help_text
from tests.support.fakes import foreign_checkout


def test_help_is_asked_with_the_target_s_packages_and_variables(workspace: Any, tmp_path: Path) -> None:
    foreign_checkout.write(tmp_path / "checkout")
    script = tmp_path / "checkout" / "show.py"
    script.write_text("import os, sys, ptycho\nprint(ptycho.WHO, os.environ['MINE'], os.getcwd(), sys.argv[1:])\n")
    kept = directory.create(workspace.root)
    finished = help_text.ask(
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
