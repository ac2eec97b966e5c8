"""What a bare machine lacks is named at once, and what it has decides which wheels are unpacked."""

import sys
from pathlib import Path

import pytest

from harness.gpu_check import needs

WHEEL = "safetensors-0.8.0-cp38-abi3-manylinux_2_17_x86_64.whl"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with torch and NumPy, and a GPU that computes."""
    known = {"torch", "numpy", "scipy"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in known else None)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.11.0")
    monkeypatch.setattr(needs, "_probe", lambda *_: ("NVIDIA H200", ""))


@pytest.mark.usefixtures("bare")
def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    found = needs.look(("torch", "tf"), None, tmp_path)
    assert "tensorflow: it is not installed" in found.missing[0]
    named = [sentence.partition(":")[0] for sentence in found.missing[1:]]
    assert named == [name for name in needs.DISTRIBUTIONS if name != "scipy"]


@pytest.mark.usefixtures("bare")
def test_the_machine_s_own_torch_is_accepted_and_named(tmp_path: Path) -> None:
    for name in needs.DISTRIBUTIONS:
        (tmp_path / f"{name.replace('-', '_')}-1.0-py3-none-any.whl").touch()
    found = needs.look((), tmp_path, tmp_path)
    assert ((), {"torch": "2.11.0"}, {"torch": "NVIDIA H200"}) == (found.missing, found.frameworks, found.gpu)
    assert sys.version.split()[0] in found.python
    assert {needs.distribution(path) for path in found.wheels} == set(needs.DISTRIBUTIONS) - {"scipy"}


def test_a_machine_without_gpu_framework_or_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(needs, "DRIVER", tmp_path / "nvidiactl")
    monkeypatch.setattr(needs, "FREE_GB", 1e9)
    monkeypatch.setattr(needs, "PYTHONS", ((3, 99),))
    text = "\n".join(needs.look((), None, tmp_path).missing)
    wanted = ("a Python of 3.99: this is ", "a framework: neither", "numpy: it is", "a GPU with its driver", "GB on")
    assert [words for words in wanted if words not in text] == []


@pytest.mark.slow
def test_a_gpu_that_does_not_compute_is_missing_with_its_reason() -> None:
    name, why = needs._probe("torch", Path(sys.executable))
    assert (name, "No module named 'torch'" in why) == ("", True)


@pytest.mark.parametrize("python", needs.PYTHONS)
def test_the_lock_pins_every_distribution_for_every_python(python: tuple[int, int]) -> None:
    found = needs.pins(python)
    assert set(found) == set(needs.DISTRIBUTIONS)
    assert not {"torch", "tensorflow", "tensorflow-cpu", "numpy", "mlflow-skinny"} & set(found)


def test_a_pin_is_that_of_its_python(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "scipy==1.17.1 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "scipy==1.18.1 ; python_full_version >= '3.12' \\\nnuts==1\n"
    )
    assert [{"scipy": "1.17.1"}, {"scipy": "1.18.1"}] == [needs.pins((3, minor), lock) for minor in (11, 12)]
