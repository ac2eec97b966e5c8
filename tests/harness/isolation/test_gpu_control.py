"""The control is caught by every instrument; an instrument that is put out of order is named."""

import secrets
import sys
from pathlib import Path

import pytest

from harness.isolation import gpu_control, sandbox
from harness.isolation.gpu_control import Control
from harness.isolation.gpu_untouched import GpuWatcher
from harness.isolation.sandbox import Sandbox
from harness.system.signals import Interruption

ALL = (
    *("variable from outside", "library from outside", "device file from outside"),
    *("variable from inside", "library from inside", "device file from inside"),
)


def _run(path: Path, *, python: Path = Path(sys.executable), **changes: object) -> Control:
    return gpu_control.run(
        python,
        Sandbox(path=path / "cell").make(),
        token=secrets.token_hex(6),
        scratch=path,
        events=path / "events.ndjson",
        log=path / "log",
        interruption=Interruption(),
        **changes,  # type: ignore[arg-type]
    )


class Blind(GpuWatcher):
    """Looks at nothing."""

    def sample(self) -> None:
        """Do not look."""


def test_a_planted_use_is_caught_from_outside_and_from_inside(tmp_path: Path) -> None:
    found = _run(tmp_path)
    assert (found.caught, found.missed, found.findings) == (ALL, (), [])
    assert found.plant in ("driver", "stand-in")
    assert found.as_fields() == {"provable": True, "plant": found.plant, "caught": ALL, "missed": ()}


@pytest.mark.slow
def test_a_watch_that_sees_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_control, "LIMIT_S", 1.0)
    found = _run(tmp_path, watching=Blind)
    assert (found.missed, found.caught) == (ALL[:3], ALL[3:])
    (finding,) = found.findings
    assert (finding.id, finding.subject) == ("device-unproven", "control")
    assert finding.sentence == f"device: a planted use of a GPU was not caught: {', '.join(ALL[:3])}"


def test_an_interpreter_that_does_not_load_the_observer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "OBSERVER", tmp_path / "no-observer")
    assert _run(tmp_path).missed == ALL[3:]


def test_a_child_that_plants_nothing_is_no_control(tmp_path: Path) -> None:
    found = _run(tmp_path, python=Path("/bin/false"))
    # What it began with can be read of any child that lives long enough to be looked at; what it did, cannot.
    began_with = {"variable from outside"}
    assert found.plant == ""
    assert set(found.caught) <= began_with
    assert set(found.missed) >= set(ALL) - began_with
    assert [finding.id for finding in found.findings] == ["device-unproven"]


def test_where_nothing_can_be_proved_nothing_is_planted(tmp_path: Path) -> None:
    assert _run(tmp_path, provable=False) == Control(provable=False)
    assert not (tmp_path / "log").exists()
