"""
Is everything there that a target names: its interpreter, the programs, the folders. Looked at, and nothing is run.

Asked before a run begins, so that a missing interpreter is one sentence with its own exit code and not the third
failure of a lane.
"""

import configparser
import os
import shutil
from pathlib import Path

from harness.isolation import sandbox
from harness.targets import argv as target_argv
from harness.targets.loader import Target
from harness.targets.model import BareCommand, Command
from harness.targets.schema import KIT
from ptycho.errors import InfrastructureError


def commands(target: Target) -> dict[str, BareCommand | Command]:
    """The target's commands by the name of their table."""
    named = {
        "convert": target.convert,
        "train": target.train,
        "infer": target.infer,
        "device_probe": target.device_probe,
        "adapter": target.adapter,
        "reconstruction.export": target.export,
    }
    return {name: command for name, command in named.items() if command is not None}


def _has_module(root: Path, module: str) -> bool:
    """
    Whether a module is there, or may be: what does not lie below the root may still be installed.

    Only of a package that lies below the root is it known that the module lies there, too.
    """
    top, *_ = module.split(".")
    if not (root / top).is_dir():
        return True
    place = root.joinpath(*module.split("."))
    return place.with_name(f"{place.name}.py").is_file() or (place / "__main__.py").is_file()


def _is_staged(command: Command, script: str) -> bool:
    """Whether a script in the working directory is put there, by itself or with its folder."""
    wanted = os.path.normpath(script)
    staged = [os.path.normpath(file.path) for file in command.files]
    return any(wanted == path or wanted.startswith(path + os.sep) for path in staged)


def _missing(target: Target, name: str, command: BareCommand | Command) -> str | None:
    argv = [word.replace("{root}", str(target.root)) for word in command.argv]
    program = target_argv.parse(argv)
    if program.module and not _has_module(target.root, program.module):
        return f"{name}: there is no module {program.module} below {target.root}; repair argv or root"
    first = argv[0]
    if first != "{python}" and "{" not in first and shutil.which(first) is None:
        return f"{name}: the command {first!r} does not exist or is not executable; repair argv, or put it on PATH"
    if program.script and program.script != first and "{" not in program.script:
        place = Path(program.script)
        if isinstance(command, Command) and _is_staged(command, program.script):
            return None
        if not place.is_absolute():
            return (
                f"{name}: commands start in an empty folder, so {program.script} is not found; "
                f"write {{root}}/{program.script}, or put it there with [[{name}.files]]"
            )
        if not place.is_file():
            if place.parent == KIT:
                there = ", ".join(sorted(path.name for path in KIT.glob("[!_]*.py")))
                return f"{name}: the kit has no {place.name}; it has {there}"
            return f"{name}: there is no script {place}; repair argv or root"
    return None


def problems(target: Target) -> list[str]:
    """Everything that a target names and that is not there."""
    found = []
    try:
        sandbox.check_path(sandbox.OBSERVER, target.root)
    except InfrastructureError as error:
        found.append(str(error))
    python = target.install.python if target.install else None
    if python is not None and not (python.is_file() and os.access(python, os.X_OK)):
        found.append(f"there is no interpreter {python}; repair [install] python")
    base = target.install.base if target.install else ""
    if base and shutil.which(base) is None:
        found.append(f"there is no interpreter {base!r} on PATH; repair [install] base")
    found += [sentence for name, command in commands(target).items() if (sentence := _missing(target, name, command))]
    if target.suite is not None and not target.suite.exists():
        found.append(f"suite: there is no {target.suite}; repair path, or take [suite] out")
    known = target.checks.known_failures
    if known is not None and not known.is_file():
        found.append(f"checks.known_failures: there is no {known}; make it, or take the key out")
    return found


def missing_submodules(root: Path) -> list[str]:
    """Submodules that a checkout names and that are not there: a reason for imports that fail, and not more."""
    listed = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        listed.read(root / ".gitmodules", encoding="utf-8")
    except (OSError, ValueError, configparser.Error):
        return []
    places = [listed[name].get("path", "") for name in listed.sections() if name.startswith("submodule")]
    return [place for place in places if place and not (folder := root / place).is_file() and not _holds_any(folder)]


def _holds_any(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def notes(target: Target) -> list[str]:
    """Return what a reader should know of a target although it forbids nothing."""
    missing = missing_submodules(target.root)
    how = f"not there: {', '.join(missing)}; if an import fails: git -C {target.root} submodule update --init"
    return [f"submodules of {target.name} that are {how}"] if missing else []


def require(target: Target) -> None:
    """
    Refuse to begin with a target of which something is missing.

    Raises:
        InfrastructureError: naming all of it.
    """
    if found := problems(target):
        listed = "\n".join(f"  - {sentence}" for sentence in found)
        raise InfrastructureError(f"target {target.file} cannot be run here:\n{listed}")
