"""What a target file may say: one sentence for each fault, with its place, and every fault at once."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from harness.files import toml_model
from harness.files.toml_model import FileProblem, TomlSource
from harness.isolation import sandbox
from harness.process.limits import Limits
from harness.targets import schema
from harness.targets.model import Command, TargetFile
from tests.support.injected import bites

DOCS = Path(__file__).resolve().parents[3] / "docs" / "targets.md"
GOOD: dict[str, Any] = {
    "target": {"name": "x", "framework": "none", "root": "."},
    "train": {"argv": ["{python}", "train.py"]},
    "infer": {"argv": ["{python}", "infer.py"]},
    "reconstruction": {"min_phase_correlation": 0.3},
    "job": {"fixtures": ["small"], "n_images": 1, "nepochs": 1},
}


def _toml(document: dict[str, Any]) -> str:
    """A document as inline values, which TOML has in common with JSON but for the colon."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {text(item)}" for key, item in value.items()) + "}"
        return f"[{', '.join(map(text, value))}]" if isinstance(value, list) else json.dumps(value)

    return "".join(f"{key} = {text(value)}\n" for key, value in document.items())


def _read(folder: Path, document: dict[str, Any]) -> TomlSource[TargetFile]:
    path = folder / "target.toml"
    path.write_text(_toml(document))
    return TomlSource(path, TargetFile, "target")


def test_a_good_file_has_its_defaults_and_no_problem(tmp_path: Path) -> None:
    file = _read(tmp_path, {**GOOD, "checks": {"option": [{"argv": ["--x"], "changes": "files"}]}}).checked()
    assert file.train == Command(argv=("{python}", "train.py"), timeout_s=300, artifacts=())
    assert file.train.limits == Limits()
    assert (file.schema, file.job.seed, file.checks.legacy_layout) == (1, 42, True)
    assert [(option.argv, option.changes, option.command) for option in file.checks.option] == [
        (("--x",), "files", "train")
    ]
    assert (file.suite, file.install, file.summary, file.checks.mlflow) == (None, None, None, None)


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"trian": {}}, ("trian",), "unknown table [trian]; did you mean 'train'? allowed: target, install, convert"),
        ({"target": 3}, ("target",), "target = 3 is not a table; write [target] above its keys"),
        ({"suite": {}}, ("suite",), "[suite] lacks 'path': folder of tests, relative to root; add path = …"),
        ({"suite": {"pth": "x", "path": "t"}}, ("suite", "pth"), "unknown key 'pth' in [suite]; did you mean 'path'?"),
        ({"suite": {"path": "FILL IN: x"}}, ("suite", "path"), "suite.path is left to fill in: folder of tests"),
        ({"suite": {"path": "t", "timeout_s": 0}}, ("suite", "timeout_s"), "suite.timeout_s = 0; allowed: seconds"),
        (
            {"checks": {"option": {"argv": []}}},
            ("checks", "option"),
            "is not a list of tables; write [[checks.",
        ),
        (
            {"checks": {"option": [{"argv": ["-x"], "changes": "all"}]}},
            ("checks", "option", 0, "changes"),
            'checks.option.changes = \'all\'; allowed: "files", "output", "result" or "field"',
        ),
        ({"checks": {"mlflow": {"onn": []}}}, ("checks", "mlflow", "onn"), "unknown key 'onn' in [checks.mlflow]"),
        ({"environment": {"X": 1}}, ("environment", "X"), "environment.X = 1; allowed: text"),
        ({"environment": {"X": "{train}"}}, ("environment", "X"), "unknown placeholder {train}; allowed: python, root"),
        ({"train": {"argv": ["{outptu}"]}}, ("train", "argv"), "unknown placeholder {outptu}; allowed: python, train"),
        (
            {"infer": {"argv": ["{here}/x"], "files": [{"path": "a"}]}},
            ("infer", "files", 0, "path"),
            "needs text or sou",
        ),
        ({"convert": {"argv": ["x"], "train": 3}}, ("convert", "train"), "convert.train = 3; allowed: text"),
        ({"train": {"argv": ["{seed:>3}"]}}, ("train", "argv"), "unknown placeholder {seed:>3}; allowed"),
        ({"train": {"argv": ["{seed!r}"]}}, ("train", "argv"), "unknown placeholder {seed!r}; allowed"),
        ({"train": {"argv": ["{0}"]}}, ("train", "argv"), "unknown placeholder {0}; allowed"),
        ({"train": {"argv": ["{"]}}, ("train", "argv"), "write {{ and }} for braces"),
        ({"train": {"argv": ["x", 3]}}, ("train", "argv"), "argument 3 is not text; quote it"),
        ({"device_probe": {"argv": ["{device}"]}}, ("device_probe", "argv"), "unknown placeholder {device}; allowed"),
        (
            {"reconstruction": {"min_phase_correlation": 0, "pictures": {"amplitude": "a", "phase_range": [1, 1]}}},
            ("reconstruction", "pictures", "phase_range"),
            "reconstruction.pictures.phase_range = [1, 1]; allowed: two ascending numbers",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, changes: dict[str, Any], path: tuple[str | int, ...], sentence: str
) -> None:
    problems = _read(tmp_path, {**GOOD, **changes}).problems
    assert [problem.path for problem in problems if sentence in problem.sentence] == [path], problems


def test_what_only_a_training_has_is_refused_without_one(tmp_path: Path) -> None:
    untrained = {name: table for name, table in GOOD.items() if name != "train"}
    assert [] == _read(tmp_path, untrained).problems
    options = [{"argv": ["-x"], "changes": "files"}, {"argv": ["-x"], "changes": "files", "command": "infer"}]
    wrong = {**untrained, "infer": {"argv": ["x", "{model}"]}, "checks": {"option": options}}
    assert [("infer",), ("checks", "option", 0)] == [problem.path for problem in _read(tmp_path, wrong).problems]


def test_every_fault_is_found_at_once(tmp_path: Path) -> None:
    job = {"n_images": 0, "fixtures": ["small"], "nepochs": 1, "batch_size": "x"}
    install = {"python": "p", "lock": "l", "timeout_s": 0}
    problems: list[FileProblem] = _read(tmp_path, {"target": {"nmae": "x"}, "job": job, "install": install}).problems
    missing = sorted(str(problem.path[0]) for problem in problems if "is missing" in problem.sentence)
    assert missing == ["infer", "reconstruction"]
    assert sorted(_dotted(problem) for problem in problems if "is missing" not in problem.sentence) == [
        *("install.lock", "install.timeout_s", "job.batch_size", "job.n_images"),
        *("target", "target", "target.nmae"),
    ]


def _dotted(problem: FileProblem) -> str:
    return ".".join(map(str, problem.path))


def test_a_newer_file_is_refused_by_name_and_nothing_else_is_said_of_it(tmp_path: Path) -> None:
    (problem,) = _read(tmp_path, {"schema": 2, "target": {"nmae": "x"}}).problems
    assert problem.sentence == (
        "schema = 2 is newer than this harness, which reads target files up to schema 1; "
        "update the harness, or write the file for that schema"
    )
    assert _read(tmp_path, {"schema": 1, **GOOD}).problems == []


def test_every_table_key_and_placeholder_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    wanted = {f"`{{{name}}}`" for name in schema.PLACEHOLDERS} | set(_headings("", TargetFile))
    assert sorted(word for word in wanted if word not in text) == []


def _headings(prefix: str, table: Any) -> list[str]:
    found = []
    for key, field in toml_model.fields(table).items():
        name = f"{prefix}{key}"
        if (inner := toml_model.table_of(field)) is not None:
            heading = f"`[[{name}]]`" if toml_model.is_list(field) else f"`[{name}]`"
            found += [heading, *_headings(f"{name}.", inner)]
        else:
            found.append("`[environment]`" if key == "environment" else f"`{key}`")
    return found


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (toml_model.Whole, [1, 7], [0, -1, True, 1.5, "1"]),
        (schema.Seed, [0, 3], [-1, False, "0"]),
        (schema.Number, [0, -0.5], [True, "9"]),
        (schema.Seconds, [1, 0.5], [0, -2, True, "9", math.nan]),
        (schema.Memory, [0, 0.5, 512], [-1, True, "9"]),
        (schema.Phases, [{}, {"data": 1.5}], [{"data": 0}, {"data": "1"}, [1], 3]),
        (schema.Texts, [[], ["a"]], ["a", ["a", 1]]),
        (schema.Names, [["a"]], [[], "a", ["a", 1]]),
        (schema.Name, ["a"], ["", " ", 1]),
        (schema.Place, ["", "a/b"], [3, False, ["a"]]),
        (schema.Range, [[0, 1.5]], [[1, 1], [2, 1], [0], [0, "1"], "01"]),
        (schema.Layout, [True, False, "refused"], ["yes", 1, None]),
        (schema.Changes, ["files", "output"], ["both", 1]),
    ],
)
def test_types_accept_what_they_say(kind: Any, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not _accepts(kind, value)] == []
    # 1 == True, so that a set or `in` would let it through.
    assert [value for value in bad if _accepts(kind, value)] == []


def _accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=st.text(st.sampled_from("abZ1._-/*?[] ~$'ä"), max_size=8))
@pytest.mark.fault("reserved-names")
def test_a_name_is_a_plain_word_or_refused(name: str, tmp_path: Path) -> None:
    source = _read(tmp_path, {**GOOD, "target": GOOD["target"] | {"name": name}})
    path = Path(name)
    bites(str(Path("logs", "../../x")) == "logs/../../x", "a name is a part of a path as it is")
    plain = len(path.parts) == 1 and path.parts[0] not in (".", "..") and name.isascii() and not set(name) & set("*?[]")
    if source.problems:
        assert [problem.path for problem in source.problems] == [("target", "name")]
    else:
        assert plain, f"{name!r} becomes a path"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".."])
@pytest.mark.parametrize(
    "table", [{"summary": "path"}, {"reconstruction": "path"}, {"train": "artifacts"}, {"reconstruction": "pictures"}]
)
def test_what_a_command_leaves_lies_below_its_output(table: dict[str, str], path: str, tmp_path: Path) -> None:
    ((name, key),) = table.items()
    values: dict[str, Any] = {"artifacts": [path], "pictures": {"amplitude": path, "phase": "p.png"}}
    document = {**GOOD, name: GOOD.get(name, {}) | {key: values.get(key, path)}}
    (problem,) = _read(tmp_path, document).problems
    assert "without '..'" in problem.sentence


@pytest.mark.parametrize(
    "name",
    ["HOME", "home", "TMPDIR", "PYTHONPATH", "PTYCHO_HARNESS_TOKEN", "PTYCHO_HARNESS_NEW", "CUDA_VISIBLE_DEVICES"],
)
@pytest.mark.fault("reserved-names")
def test_a_variable_of_the_harness_is_reserved(name: str, tmp_path: Path) -> None:
    bites(sandbox.is_reserved(name), "the harness sets it")
    (problem,) = _read(tmp_path, {**GOOD, "environment": {name: "x", "OMP_NUM_THREADS": "1"}}).problems
    assert (problem.path, name in problem.sentence) == (("environment", name), True)


def test_everything_that_isolates_a_command_is_reserved(tmp_path: Path) -> None:
    cell = sandbox.Sandbox(path=tmp_path)
    about = {"token": "t", "scratch": tmp_path, "events": tmp_path, "import_root": tmp_path, "gpu": False}
    given = sandbox.build(cell, **about, extra={})  # type: ignore[arg-type]
    own = {name for name, value in given.items() if str(tmp_path) in value or name.startswith("PTYCHO_HARNESS")}
    free = {"MPLCONFIGDIR", *sandbox.CACHES}  # caches, which a target may have elsewhere
    assert {name for name in own if not sandbox.is_reserved(name)} == free
