"""
The JSON Schemas of the files that users write, for editors: they complete keys and mark a value that cannot be right.

They are made from the models that read the files (`python -m harness target schema --write docs/schemas`); a test holds
the committed ones to them. What keys say against each other is left to the reader.
"""

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from harness.faults.mutation.entry import CatalogueFile
from harness.fixtures.schema import InventoryFile
from harness.record.known_failures import KnownFailures
from harness.targets.model import TargetFile

MODELS: dict[str, Any] = {
    "target": TargetFile,
    "inventory": InventoryFile,
    "known-failures": KnownFailures,
    "catalogue": CatalogueFile,
}
"""The table of each public file, by the name of its schema."""

_DRAFT = "http://json-schema.org/draft-07/schema#"
_ABSENT = object()


class _TomlJsonSchema(GenerateJsonSchema):
    """JSON Schema of what a TOML file can hold, in a draft that editors of TOML know."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Without null: a key that is not given is left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without the default of what is left out."""
        inner = self.generate_inner(schema["schema"])
        return inner if schema.get("default", _ABSENT) in (None, _ABSENT) else super().default_schema(schema)

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """Every tuple here is a list of one kind."""
        found = super().tuple_schema(schema)
        if "prefixItems" in found:
            found["items"] = found.pop("prefixItems")[0]
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # the base class's signature
        """A key needs no title beside its name."""
        return False


def text(name: str) -> str:
    """A schema as it is committed."""
    found = TypeAdapter(MODELS[name]).json_schema(schema_generator=_TomlJsonSchema)
    return json.dumps({"$schema": _DRAFT, **found}, indent=2, ensure_ascii=False) + "\n"
