"""The published schemas are those of the models, and every file that ships keeps to them."""

import copy
import json
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.cli import json_schemas
from harness.cli.targets import SCHEMAS
from harness.files import schema_files, toml_model

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = {
    "target": [
        *(ROOT / "harness" / "targets").glob("*.toml"),
        ROOT / "harness" / "faults" / "kill" / "stub_backend.toml",
    ],
    "inventory": [ROOT / "datasets" / "inventory.toml"],
    "catalogue": [*(ROOT / "harness" / "faults" / "mutation" / "catalogue").rglob("*.toml")],
}
ODD: tuple[Any, ...] = (
    0,
    -1,
    True,
    3.5,
    "",
    "x",
    [],
    [1],
    ["a", {}],
    {},
    {"a": 1},
    [[]],
    [{"a": 1}],
    "FILL IN: x",
    "{x}",
)
"""Values that are rarely what a key may hold."""

KNOWN = {"id": "unseeded", "reason": "It has no seed option."}
EVERY = [(name, path) for name, paths in SHIPPED.items() for path in sorted(paths)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_committed_schema_is_up_to_date(name: str) -> None:
    assert schema_files.path(name).read_text(encoding="utf-8") == json_schemas.text(name), (
        "run: python -m harness target schema --write docs/schemas"
    )


def test_every_schema_is_committed_and_nothing_else() -> None:
    assert sorted(SCHEMAS) == sorted(json_schemas.MODELS)
    assert sorted(f"{name}.schema.json" for name in SCHEMAS) == sorted(
        path.name for path in schema_files.FOLDER.iterdir()
    )


@pytest.mark.parametrize(("name", "path"), EVERY, ids=[path.name for _, path in EVERY])
def test_a_shipped_file_keeps_to_its_schema(name: str, path: Path) -> None:
    _validate(name, tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SHIPPED["target"], ids=lambda path: path.name)
def test_a_shipped_target_names_its_schema_in_the_first_line(path: Path) -> None:
    first, _, place = path.read_text(encoding="utf-8").splitlines()[0].partition(" ")
    assert (first, (path.parent / place).resolve()) == ("#:schema", schema_files.path("target"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("target", {"trian": {}}),
        ("target", {"schema": 0}),
        ("target", {"job": {"fixtures": [], "n_images": 1, "nepochs": 1}}),
        ("target", {"job": {"fixtures": ["a"], "n_images": "1", "nepochs": 1}}),
        ("target", {"checks": {"legacy_layout": "maybe"}}),
        ("target", {"suite": {}}),
        ("inventory", {"fixture": []}),
        ("inventory", {"fixture": [{"name": "a"}]}),
        ("inventory", {"fixtures": []}),
        ("known-failures", {"known": [KNOWN | {"id": "odd"}]}),
        ("known-failures", {"known": [KNOWN | {"owner": "me"}]}),
        ("known-failures", {"known": [{"id": "unseeded"}]}),
        ("catalogue", {"mutants": []}),
        ("catalogue", {"mutant": [{"id": "a", "dies_at": "R4", "guilty": "jax", "story": "It is."}]}),
        ("catalogue", {"mutant": [{"id": "a", "dies_at": "R4", "guilty": "tf"}]}),
        ("catalogue", {"equivalent": [{"id": "A", "guilty": "tf", "story": "It is.", "proof": "It is."}]}),
    ],
)
def test_a_schema_refuses_a_fault(name: str, change: dict[str, Any]) -> None:
    shipped = SHIPPED.get(name)
    document = tomllib.loads(min(shipped).read_text(encoding="utf-8")) if shipped else {"known": [KNOWN]}
    _validate(name, document)
    with pytest.raises(jsonschema.ValidationError):
        _validate(name, document | change)


def _validate(name: str, document: Any) -> None:
    schema = json.loads(schema_files.path(name).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(document)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_whatever_is_written_is_read_or_explained_and_the_schema_is_never_the_stricter(
    name: str, tmp_path: Path
) -> None:
    document = tomllib.loads(min(SHIPPED[name]).read_text("utf-8")) if name in SHIPPED else {"known": [KNOWN, KNOWN]}
    schema = jsonschema.Draft7Validator(json.loads(json_schemas.text(name)))
    draw, path, refused = random.Random(name), tmp_path / "file.toml", 0  # not for secrets
    places = list(_places(document))
    for _ in range(150):
        changed = copy.deepcopy(document)
        holder: Any = changed
        key = draw.choice(places)
        for step in key[:-1]:
            holder = holder[step]
        holder[key[-1]] = copy.deepcopy(draw.choice(ODD))
        path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in changed.items()), encoding="utf-8")
        source = toml_model.TomlSource(path, json_schemas.MODELS[name], name)
        assert (source.value is None) <= bool(source.sentences())
        assert not [sentence for sentence in source.sentences() if "typing" in sentence or "<class" in sentence]
        assert schema.is_valid(changed) or source.problems
        refused += bool(source.problems)
    assert refused > 75


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from _places(item, (*path, key))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)
