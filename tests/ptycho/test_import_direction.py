"""
Imports point one way: backends to the core, harness to the core, and neither core nor harness to a framework.

Each check has a twin that plants the fault and requires that it is found: a check that cannot fail proves nothing.
"""

from pathlib import Path

import pytest

from tests.support.imports import (
    BACKENDS,
    FORBIDDEN,
    FRAMEWORKS,
    files,
    modules,
    refused_in_a_fresh_interpreter,
    wrong_imports,
)

ROOT = Path(__file__).parents[2]
BLOCKED = {
    "ptycho": sorted(FRAMEWORKS | BACKENDS | {"harness", "mlflow"}),
    "harness": sorted(FRAMEWORKS | BACKENDS | {"mlflow"}),
}


def planted(tmp_path: Path, name: str, source: str) -> Path:
    """A small tree of this project's shape with one file in it."""
    for owner in FORBIDDEN:
        if not owner.endswith(".py"):
            (tmp_path / owner).mkdir()
            (tmp_path / owner / "__init__.py").touch()
    (tmp_path / "noxfile.py").touch()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(source)
    return tmp_path


@pytest.mark.slow
def test_no_file_imports_the_wrong_way() -> None:
    assert wrong_imports(ROOT) == []


def test_every_package_is_looked_at() -> None:
    assert [owner for owner in FORBIDDEN if not files(ROOT, owner)] == []
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(FORBIDDEN)


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("ptycho/a.py", "import torch\n", "torch"),
        ("ptycho/a.py", "from torch.nn import functional\n", "torch"),
        ("ptycho/a.py", "def late():\n    import tensorflow as tf\n", "tensorflow"),
        ("ptycho/a.py", "if True:\n    from keras import layers\n", "keras"),
        ("ptycho/a.py", "from importlib import import_module\nimport_module('torch.nn')\n", "torch"),
        ("ptycho/a.py", "__import__('torch')\n", "torch"),
        ("ptycho/a.py", "from ptycho_torch import engine\n", "ptycho_torch"),
        ("ptycho/a.py", "import harness.cli\n", "harness"),
        ("ptycho/a.py", "def late():\n    import mlflow\n", "mlflow"),
        ("ptycho/training/mlflow_writer.py", "import mlflow\n", "mlflow"),
        ("harness/a.py", "import ptycho_tf.engine\n", "ptycho_tf"),
        ("harness/a.py", "async def late():\n    import torch\n", "torch"),
        ("ptycho_torch/a.py", "import tensorflow\n", "tensorflow"),
        ("ptycho_torch/a.py", "from ptycho_tf import network\n", "ptycho_tf"),
        ("ptycho_tf/a.py", "import torch\n", "torch"),
        ("ptycho_tf/a.py", "from harness import ledger\n", "harness"),
        ("scripts/a.py", "import torch\n", "torch"),
        ("noxfile.py", "from harness import lane\n", "harness"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, name: str, source: str, found: str) -> None:
    assert wrong_imports(planted(tmp_path, name, source)) == [f"{name} imports {found}"]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ptycho_torch/a.py", "import torch\nfrom ptycho import physics\nfrom . import b\n"),
        ("ptycho_tf/a.py", "import tensorflow as tf\nimport keras\nimport ptycho.config\n"),
        ("harness/a.py", "from ptycho.verdict import Verdict\n"),
        ("ptycho/training/mlflow_writer.py", "def main():\n    import mlflow\n"),
        ("ptycho/a.py", "import torchlike\nfrom importlib import import_module\nimport_module(f'{1}.engine')\n"),
    ],
)
def test_a_right_import_is_left_alone(tmp_path: Path, name: str, source: str) -> None:
    assert wrong_imports(planted(tmp_path, name, source)) == []


@pytest.mark.slow
@pytest.mark.parametrize("owner", BLOCKED)
def test_every_module_can_be_imported_without_a_framework(owner: str) -> None:
    names = modules(ROOT, owner)
    assert len(names) > 20
    assert refused_in_a_fresh_interpreter(ROOT, names, BLOCKED[owner]) == []


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_backends_package_and_command_lines_import_no_framework(backend: str) -> None:
    names = [backend, f"{backend}.train", f"{backend}.inference", f"{backend}.workflows"]
    assert refused_in_a_fresh_interpreter(ROOT, names, sorted(FRAMEWORKS | {"mlflow"})) == []


def test_a_framework_in_a_fresh_interpreter_is_found(tmp_path: Path) -> None:
    # Hidden from the text: only the interpreter sees it.
    tree = planted(tmp_path, "ptycho/a.py", "from ptycho import b\n")
    (tree / "ptycho" / "b.py").write_text("from importlib import import_module as get\nget('tor' + 'ch.nn')\n")
    assert wrong_imports(tree) == []
    assert refused_in_a_fresh_interpreter(tree, modules(tree, "ptycho"), ["torch"]) == [
        "ptycho.a: blocked torch",
        "ptycho.b: blocked torch",
    ]


@pytest.mark.parametrize(("backend", "framework"), [("ptycho_torch", "torch"), ("ptycho_tf", "tensorflow")])
def test_the_blocker_stops_what_really_needs_the_framework(backend: str, framework: str) -> None:
    found = refused_in_a_fresh_interpreter(ROOT, [f"{backend}.engine"], [framework])
    assert found == [f"{backend}.engine: blocked {framework}"]
