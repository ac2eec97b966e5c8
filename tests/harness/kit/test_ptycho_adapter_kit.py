"""
The adapter kit, copied into a foreign checkout: the ladder takes its answers, refuses what is none, and finds faults.

The checkout's packages are called like ours and are not ours, so that its figures are made beforehand and read there.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.kit import ptycho_adapter_kit as kit
from harness.parity.compare import response
from harness.parity.judge import ladder, oracle
from harness.parity.judge.ladder import OracleAnswer
from harness.parity.reference import problem
from ptycho import fingerprint
from ptycho.config import ModelConfig
from ptycho.data import prepare
from ptycho.parity import measure, request, serve
from tests.support.fakes import foreign_adapter
from tests.support.golden_step0 import FIXTURE

RUNGS = ("R3", "R4", "R5", "R6", "R7")


class Foreign:
    """A checkout with a copy of the kit, and a request that it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "checkout"
        self.request = problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=0, quantities=RUNGS)
        self.path = folder / "request.npz"
        self.request.save(self.path)
        _, self.figures = foreign_adapter.write(self.root, self.request)
        self.script = foreign_adapter.script(self.root)

    def ask(self, out: Path, *more: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "ptycho_torch.adapter", "--request", str(path or self.path), "--out", str(out)]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([*argv, *more], env=env, cwd=self.folder, capture_output=True, text=True, check=False)

    def climbed(self, out: Path) -> list[ladder.JudgedRung]:
        read = response.read(out, self.path, "ptycho_torch", root=self.root)
        assert read.refusals == ()
        expected = OracleAnswer(exact={}, arrays=self.figures)
        return ladder.climb(1, {"torch": read}, expected, self.request.quantities)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    return Foreign(tmp_path_factory.mktemp("foreign"))


@pytest.mark.slow
def test_the_ladder_runs_on_a_foreign_checkout_s_answer(foreign: Foreign, tmp_path: Path) -> None:
    done = foreign.ask(tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, "core foreign\n")
    climbed = foreign.climbed(tmp_path / "out")
    assert [(item.rung.name, item.result.name) for item in climbed] == [(name, "PASS") for name in RUNGS]
    manifest = json.loads((tmp_path / "out" / kit.MANIFEST).read_text())
    assert manifest["engine"] == {"foreign": True}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*(f"{r}.npz" for r in RUNGS), kit.MANIFEST]


@pytest.mark.slow
def test_a_fault_in_the_foreign_code_is_found_at_its_rung(foreign: Foreign, tmp_path: Path) -> None:
    fault = "return value.conj() if name == 'R4/exit_wave' else value"
    foreign.script.write_text(foreign_adapter.SCRIPT.replace(foreign_adapter.SOUND, fault))
    try:
        assert foreign.ask(tmp_path / "out").returncode == 0
        climbed = foreign.climbed(tmp_path / "out")
    finally:
        foreign.script.write_text(foreign_adapter.SCRIPT)
    fallen = ladder.first_failure(climbed)
    assert fallen is not None
    assert (fallen.rung.name, fallen.guilty) == ("R4", ("torch",))


@pytest.mark.slow
def test_changed_sources_make_another_answer(foreign: Foreign, tmp_path: Path) -> None:
    assert foreign.ask(tmp_path / "out").returncode == 0
    extra = foreign.root / "ptycho" / "later.py"
    extra.write_text("CHANGED = True\n")
    try:
        refused = response.read(tmp_path / "out", foreign.path, "ptycho_torch", root=foreign.root).refusals
    finally:
        extra.unlink()
    assert [text.partition(" is ")[0] for text in refused] == ["its sources_sha256"]


@pytest.mark.slow
def test_one_process_answers_several_requests(foreign: Foreign, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    replace(foreign.request, nonce="another", quantities=("R5",)).save(other)
    done = foreign.ask(tmp_path / "one", "--request", str(other), "--out", str(tmp_path / "two"))
    assert done.returncode == 0
    assert response.read(tmp_path / "two", other, "ptycho_torch", root=foreign.root).refusals == ()
    lone = foreign.ask(tmp_path / "three", "--request", str(other))
    assert (lone.returncode, "give one --out a --request" in lone.stderr) == (2, True)


def test_a_rung_without_an_answer_fails_alone(foreign: Foreign, tmp_path: Path) -> None:
    asked = tmp_path / "asked.npz"
    replace(foreign.request, quantities=("R1", "R3")).save(asked)
    assert foreign.ask(tmp_path / "out", path=asked).returncode == 0
    read = response.read(tmp_path / "out", asked, "ptycho_torch", root=foreign.root)
    assert read.refusals == ()
    assert {rung: why.sentence.partition(", answered")[0] for rung, why in read.failures.items()} == {
        "R1": "raised KitError: asked for R1"
    }
    assert {name.partition("/")[0] for name in read.arrays} == {"R3"}


def test_a_file_that_is_no_request_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    (tmp_path / "junk.npz").write_bytes(b"junk")
    done = foreign.ask(tmp_path / "out", path=tmp_path / "junk.npz")
    assert (done.returncode, "is not a request of this version" in done.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_rung_that_raises_is_written_down_with_its_line(foreign: Foreign, tmp_path: Path) -> None:
    script = foreign_adapter.script(foreign.root)
    text = script.read_text()
    script.write_text(
        text.replace(
            "    return value\n", "    if name.startswith('R4/'):\n        raise ValueError(name)\n    return value\n"
        )
    )
    try:
        done = foreign.ask(tmp_path / "out")
        read = response.read(tmp_path / "out", foreign.path, "ptycho_torch", root=foreign.root)
    finally:
        script.write_text(text)
    assert done.returncode == 0
    (why,) = read.failures.values()
    assert list(read.failures) == ["R4"]
    assert why.location is not None
    assert (why.location.file, why.location.function) == ("ptycho_torch/adapter.py", "told")
    assert any(name.startswith("R5/") for name in read.arrays)


def test_the_kit_reads_a_request_as_the_project_does(foreign: Foreign) -> None:
    ours, theirs = request.Request.load(foreign.path), kit.read(foreign.path)
    plain = ("nonce", "quantities", "precision", "nphotons", "threads", "steps", "learning_rates", "batch_size")
    for name in (*plain, "mae_weight", "tv_weight"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert theirs.model["gridsize"] == ours.model.gridsize
    assert (theirs.scan["path"], theirs.scan["seed"]) == (str(ours.scan.path), ours.scan.seed)
    assert theirs.sha256 == request.digest(foreign.path)
    np.testing.assert_array_equal(ours.probe, theirs.probe)
    for name in ("weights", "inputs"):
        assert sorted(getattr(ours, name)) == sorted(getattr(theirs, name))
    assert [sorted(step) for step in ours.replay] == [sorted(step) for step in theirs.replay]
    for mine, other in zip(ours.walk(4), theirs.walk(4), strict=True):
        for name in kit.BATCH_FIELDS:
            np.testing.assert_array_equal(getattr(mine, name), other[name])


def test_what_is_said_twice_is_the_same(tmp_path: Path) -> None:
    """The kit is a copy by nature; where it must agree with the project, it does."""
    ours = (request.SCHEMA, request.ANSWER_SCHEMA, request.MANIFEST, serve.MESSAGE)
    assert ours == (kit.SCHEMA, kit.ANSWER_SCHEMA, kit.MANIFEST, kit.MESSAGE)
    root = fingerprint.ROOT
    assert kit.sources_digest(root, ("ptycho", "ptycho_torch")) == request.source_digest("ptycho_torch", root)
    assert kit.commit(root) == fingerprint.commit(root)
    assert kit.commit(tmp_path) is None
    stepped = np.arange(12.0).reshape(3, 4)[:, ::2]
    assert kit.array_digest(stepped, stepped[0]) == prepare.digest(stepped, stepped[0])


def test_plain_values_and_arrays_go_their_own_ways() -> None:
    assert dict(kit.measure(lambda: {"beta1": 0.9}, "R0")) == {"beta1": 0.9}
    assert list(dict(kit.measure(lambda: [("conv", np.ones(2))], "R3"))) == ["R3/conv"]
    with pytest.raises(TypeError, match="R3/conv is not an array of numbers"):
        dict(kit.measure(lambda: {"conv": np.array([object()])}, "R3"))


def test_it_stands_alone() -> None:
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]); print([m for m in sys.modules if m in ('ptycho', 'harness')])"
    )
    argv = [sys.executable, "-I", "-c", code, kit.__file__]
    assert subprocess.check_output(argv, text=True) == "[]\n"


def _rows(heading: str) -> dict[str, str]:
    """Rows of the table of a section of the page: the first column and the second."""
    section = (fingerprint.ROOT / "docs" / "adapter-kit.md").read_text(encoding="utf-8").partition(f"## {heading}")[2]
    rows = [line.strip("|").split("|") for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return {left.strip(): right.strip() for left, right, *_ in rows[2:]}


def test_the_page_names_every_attribute_of_a_request_and_no_other() -> None:
    told = {name.partition("(")[0] for left in _rows("What is in a request") for name in re.findall(r"`([^`]+)`", left)}
    fields = {field.name for field in dataclasses.fields(kit.Request)}
    assert fields | {"first", "walk", "uneven"} == told
    model = _rows("What is in a request")["`model`"].partition(", by name")[0]
    assert {field.name for field in dataclasses.fields(ModelConfig)} == set(re.findall(r"`(\w+)`", model))
    for field in dataclasses.fields(ModelConfig):
        assert field.name in str(kit.Request.__doc__), field.name


def _pattern(rung: str, row: str) -> "list[re.Pattern[str]]":
    """What a row of the page says that a rung's names are, as patterns over those that an oracle gives."""
    prefixed = re.findall(r"`(\w+)\.`(?: and `(\w+)\.`)? with ([^;:]+)", row)
    found = []
    for one, other, names in prefixed:
        ends = "|".join(re.findall(r"`(\w+)`", names))
        found += [rf"{prefix}\.({ends})" for prefix in (one, other) if prefix]
    plain = row
    for text in ("`uneven`", "`inputs`", "`LOUD`", "`f64`", "`replay`", "`steps`"):
        plain = plain.replace(text, "")
    for name in re.findall(r"`([^`]+)`", plain):
        whole = re.escape(name)
        for word, stands in (("BLOCK", NAMES), ("NAME", NAMES), ("STEPS", r"\d+"), ("STEP", r"\d+")):
            whole = whole.replace(word, stands)
        found.append(whole)
    if "each name of" in row or "each trained weight" in row:
        found.append(NAMES)
    if "with each weight" in row:
        found.append(rf"weighted\.{NAMES}")
    return [re.compile(text) for text in found]


NAMES = r"[\w.\-]+"


@pytest.mark.slow
@pytest.mark.parametrize("gridsize", [1, 2])
def test_the_page_names_what_each_rung_must_give(gridsize: int) -> None:
    rungs = ("R3", "R4", "R5", "R6", "R7", "R8")
    asked = problem.request(gridsize=gridsize, seed=5, scan=FIXTURE, steps=1, quantities=rungs, masked=False)
    rows, given = _rows("What is in an answer"), {rung: set[str]() for rung in rungs}
    for name in oracle.arrays(asked):
        given[name.partition("/")[0]].add(name.partition("/")[2])
    for rung in rungs:
        patterns = _pattern(rung, rows[rung])
        assert [] == [name for name in sorted(given[rung]) if not any(p.fullmatch(name) for p in patterns)], rung
    # And the other way: every name that the page says outright is one that is asked for.
    said = set(re.findall(r"`([a-z_]+(?:\.\d)?)`", rows["R4"])) - {"uneven", *(() if gridsize > 1 else ("canvas",))}
    assert [] == sorted(said - given["R4"])


def test_the_two_batches_of_different_sizes_are_the_project_s(foreign: Foreign) -> None:
    ours, theirs = measure.uneven(request.Request.load(foreign.path)), kit.read(foreign.path).uneven
    assert [len(batch.diffraction) for batch in ours] == [len(batch["diffraction"]) for batch in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.indices, other["indices"])
    assert kit.LOUD == measure.LOUD


@pytest.mark.slow
def test_what_only_this_project_has_is_not_asked_of_another() -> None:
    def names(*, masked: bool) -> set[str]:
        asked = problem.request(gridsize=1, seed=5, scan=FIXTURE, steps=1, quantities=("R7", "R8"), masked=masked)
        return {name.partition("/")[2].partition(".")[0] for name in oracle.arrays(asked)}

    assert {"schedule", "workflow"} == names(masked=True) - names(masked=False)
