"""
Which way imports point, asked twice: of the source text, and of a fresh interpreter that has no framework to import.

The text shows every import, the late ones inside functions too. The interpreter shows what a module really pulls in,
whatever the text looks like.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FRAMEWORKS = frozenset({"torch", "torchvision", "tensorflow", "keras", "jax"})
BACKENDS = frozenset({"ptycho_torch", "ptycho_tf"})

FORBIDDEN: Mapping[str, frozenset[str]] = {
    "ptycho": FRAMEWORKS | BACKENDS | {"harness", "noxfile"},
    "harness": FRAMEWORKS | BACKENDS | {"noxfile", "mlflow"},
    "ptycho_torch": (FRAMEWORKS - {"torch"}) | {"ptycho_tf", "harness", "noxfile", "mlflow"},
    "ptycho_tf": (FRAMEWORKS - {"tensorflow", "keras"}) | {"ptycho_torch", "harness", "noxfile", "mlflow"},
    "scripts": FRAMEWORKS | BACKENDS | {"harness", "noxfile", "mlflow"},
    "noxfile.py": FRAMEWORKS | BACKENDS | {"ptycho", "harness", "mlflow", "numpy"},
}
"""What the files of each package, or each single file, may not import, early or late."""

MLFLOW_ALLOWED = "ptycho/training/mlflow_writer.py"
"""The one file that may import MLflow, and only inside its functions: it runs as a process of its own."""


def imported(source: str) -> Iterator[tuple[str, bool]]:
    """Top-level names that a source imports, and whether at once: outside any function."""
    tree = ast.parse(source)
    late = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        at_once = id(node) not in late
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], at_once
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value.partition(".")[0], at_once


def files(root: Path, owner: str) -> list[Path]:
    """The Python files of a package, or the single file itself."""
    place = root / owner
    return [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))


def wrong_imports(root: Path) -> list[str]:
    """`FILE imports NAME` for every import that points the wrong way."""
    found = []
    for owner, forbidden in FORBIDDEN.items():
        for path in files(root, owner):
            name = path.relative_to(root).as_posix()
            for module, at_once in imported(path.read_text(encoding="utf-8")):
                tracked = module == "mlflow" and owner == "ptycho" and (at_once or name != MLFLOW_ALLOWED)
                if module in forbidden or tracked:
                    found.append(f"{name} imports {module}")
    return found


def modules(root: Path, owner: str) -> list[str]:
    """Dotted names of every module of a package that does something other than run when imported."""
    names = (path.relative_to(root).with_suffix("").parts for path in files(root, owner))
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in names if parts[-1] != "__main__"]


_FRESH = """
import importlib, importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"blocked {name}")
sys.meta_path.insert(0, Blocker())
for name in NAMES:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def refused_in_a_fresh_interpreter(root: Path, names: Sequence[str], blocked: Sequence[str]) -> list[str]:
    """`MODULE: blocked NAME` for every module that cannot be imported without what is blocked."""
    code = _FRESH.replace("BLOCKED", repr(set(blocked))).replace("NAMES", repr(list(names)))
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=60)
    return done.stdout.splitlines()
