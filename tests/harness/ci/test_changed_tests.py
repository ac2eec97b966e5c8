"""A change touches the tests that import what changed, directly or not, and no other."""

import subprocess
from pathlib import Path

import pytest

from harness.ci import changed_tests
from ptycho.errors import InfrastructureError

FILES = {
    "ptycho/__init__.py": "",
    "ptycho/low.py": "ONE = 1\n",
    "ptycho/middle.py": "def f():\n    from ptycho.low import ONE\n    return ONE\n",
    "ptycho_torch/train.py": "import ptycho.middle\n",
    "harness/__main__.py": "from harness import report\n",
    "harness/report.py": "",
    "harness/table.toml": "",
    "tests/conftest.py": "",
    "tests/support/runs.py": "argv = ['-m', 'ptycho_torch.train']\n",
    "tests/ptycho/conftest.py": "from tests.support import beside\n",
    "tests/support/beside.py": "",
    "tests/ptycho/test_low.py": "from ptycho import low\n",
    "tests/ptycho/test_middle.py": "import ptycho.middle as m\n",
    "tests/harness/test_runs.py": "from tests.support.runs import argv\n",
    "tests/harness/test_command.py": "argv = ['-m', 'harness']\n",
    "tests/harness/test_docs.py": "page = 'docs/page.md'\n",
}

TOUCHED = {
    "ptycho/low.py": ["harness/test_runs", "ptycho/test_low", "ptycho/test_middle"],
    "ptycho/middle.py": ["harness/test_runs", "ptycho/test_middle"],
    "ptycho_torch/train.py": ["harness/test_runs"],
    "harness/report.py": ["harness/test_command"],
    "harness/table.toml": ["harness/test_command"],
    "tests/support/beside.py": ["ptycho/test_low", "ptycho/test_middle"],
    "tests/ptycho/test_low.py": ["ptycho/test_low"],
    "docs/page.md": ["harness/test_docs"],
    "docs/other.md": [],
    "pyproject.toml": [
        *("harness/test_command", "harness/test_docs", "harness/test_runs"),
        *("ptycho/test_low", "ptycho/test_middle"),
    ],
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("changed", TOUCHED)
def test_a_change_touches_what_depends_on_it(checkout: Path, changed: str) -> None:
    found = changed_tests.select(checkout, [changed], ["tests"])
    assert found == [f"tests/{name}.py" for name in TOUCHED[changed]]


def test_only_the_folders_that_were_asked_for(checkout: Path) -> None:
    assert changed_tests.select(checkout, ["ptycho/low.py"], ["tests/harness"]) == ["tests/harness/test_runs.py"]


def test_changed_is_what_git_calls_so_and_what_it_does_not_know_yet(checkout: Path) -> None:
    git = ("git", "-C", str(checkout), "-c", "user.name=x", "-c", "user.email=x@x")
    subprocess.run([*git, "init", "-q"], check=True)
    with pytest.raises(InfrastructureError, match="what differs from 'HEAD' is not known"):
        changed_tests.changed_files(checkout, "HEAD")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    (checkout / "ptycho" / "low.py").write_text("ONE = 2\n")
    (checkout / "ptycho" / "middle.py").unlink()
    (checkout / "new file.py").write_text("")
    assert ["new file.py", "ptycho/low.py", "ptycho/middle.py"] == changed_tests.changed_files(checkout, "HEAD")
