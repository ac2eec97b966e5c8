"""
The test files that a change touches, by the import graph: `python -m harness ci changed-tests`.

A test file depends on every module that it imports, and on those that these import, late imports included. A text in it
that names a module (`"ptycho_torch.train"` in a command line) counts as an import: that program runs in a process of
its own. A file that is no Python counts for the modules of its folder and for the tests whose text names it.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ptycho import git
from ptycho.errors import InfrastructureError

PACKAGES = ("harness", "ptycho", "ptycho_tf", "ptycho_torch")
EVERYTHING = ("pyproject.toml", "noxfile.py", "requirements/", "tests/conftest.py")
"""Files, and folders with a slash, on which every test depends."""


def changed_files(root: Path, base: str) -> list[str]:
    """
    Files of a checkout that differ from a commit, those that git does not know yet included.

    Raises:
        InfrastructureError: git does not say.
    """
    try:
        said = git.ask(root, "diff", "--name-only", "--no-renames", "-z", base, "--")
        said += git.ask(root, "ls-files", "--others", "--exclude-standard", "-z")
    except git.GitError as error:
        raise InfrastructureError(f"what differs from {base!r} is not known: {error}") from error
    return sorted(filter(None, said.decode(errors="surrogateescape").split("\0")))


def select(root: Path, changed: Iterable[str], folders: Iterable[str]) -> list[str]:
    """
    Test files that a change touches.

    Args:
        root: the checkout.
        changed: paths of files that differ, relative to it.
        folders: where tests are looked for, relative to it.

    Returns:
        Paths relative to `root`, sorted.
    """
    found = list(changed)
    every = sorted({path for folder in folders for path in (root / folder).rglob("test_*.py")})
    if any(name == one or (one.endswith("/") and name.startswith(one)) for name in found for one in EVERYTHING):
        return [str(path.relative_to(root)) for path in every]
    graph = Graph(root)
    modules = {module for name in found for module in graph.modules_of(name)}
    names = {Path(name).name for name in found if not name.endswith(".py")}
    return [
        str(path.relative_to(root))
        for path in every
        if str(path.relative_to(root)) in found
        or graph.is_touched(path, modules)
        or any(name in path.read_text(encoding="utf-8") for name in names)
    ]


class Graph:
    """
    Imports of a checkout: which module imports which.

    Args:
        root: the checkout.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = dict(_modules(root))
        self._imports: Mapping[str, frozenset[str]] = {
            name: frozenset(self._imports_of(path, name)) for name, path in self._files.items()
        }
        self._below: dict[str, frozenset[str]] = {}

    def modules_of(self, name: str) -> set[str]:
        """Modules that a changed file is, or, if it is no Python, that lie in its folder."""
        path = self._root / name
        if path.suffix == ".py":
            return {_module(Path(name))}
        return {module for module, file in self._files.items() if file.parent == path.parent}

    def is_touched(self, test: Path, modules: set[str]) -> bool:
        """Whether a test file depends on one of some modules."""
        direct = set(self._imports_of(test, _module(test.relative_to(self._root))))
        # pytest reads the conftest of each folder above a test; nobody imports it.
        direct |= {_module((folder / "conftest.py").relative_to(self._root)) for folder in self._folders(test)}
        return any(modules & self.upstream(module) for module in direct)

    def _folders(self, test: Path) -> Iterator[Path]:
        return (folder for folder in test.parents if folder.is_relative_to(self._root / "tests"))

    def upstream(self, module: str) -> frozenset[str]:
        """A module and everything that it imports, directly or not."""
        if module not in self._below:
            found, waiting = {module}, [module]
            while waiting:
                new = self._imports.get(waiting.pop(), frozenset()) - found
                found |= new
                waiting += new
            self._below[module] = frozenset(found)
        return self._below[module]

    def _imports_of(self, path: Path, importer: str) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                yield from (name for alias in node.names if (name := self._known(alias.name)))
            elif isinstance(node, ast.ImportFrom):
                package = importer.rsplit(".", node.level)[0] if node.level else ""
                origin = ".".join(filter(None, (package, node.module)))
                for alias in node.names:
                    if name := self._known(f"{origin}.{alias.name}") or self._known(origin):
                        yield name
            # Only where tests start programs: inside the packages, many a word is a module's name by chance.
            elif importer.startswith("tests.") and isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._programs(node.value)

    def _known(self, name: str) -> str | None:
        return name if name in self._files else None

    def _programs(self, text: str) -> Iterator[str]:
        if name := self._known(f"{text}.__main__") or (self._known(text) if "." in text else None):
            yield name
        elif text in PACKAGES:  # of which the shared suites import what they test by name
            yield from (module for module in self._files if module.startswith(f"{text}."))


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for path in (*(path for package in PACKAGES for path in (root / package).rglob("*.py")), *_support(root)):
        yield _module(path.relative_to(root)), path


def _support(root: Path) -> Iterator[Path]:
    """Return the modules that tests import from beside them."""
    return (path for path in (root / "tests").rglob("*.py") if not path.name.startswith("test_"))


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
