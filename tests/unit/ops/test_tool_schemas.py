"""A server shows exactly its tools.json to a model, so changes are visible in review."""

import inspect
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ops import tool_schemas

schemas = cache(tool_schemas.schemas)


@pytest.mark.parametrize("name", tool_schemas.names())
def test_tools_json_is_what_the_server_shows(name: str):
    file = tool_schemas.CATALOG / name / tool_schemas.FILE
    assert schemas(name) == file.read_text("utf-8"), "run `make tool-schemas`"


@pytest.mark.parametrize("name", tool_schemas.names())
def test_everything_that_a_model_reads_is_there(name: str):
    shown = json.loads(schemas(name))
    assert shown["title"]
    assert shown["instructions"]
    for tool in shown["tools"]:
        assert tool["description"], tool["name"]
        assert tool["description"] == inspect.cleandoc(tool["description"]), tool["name"]
        assert tool["outputSchema"], tool["name"]
        assert "readOnlyHint" in tool["annotations"], tool["name"]


SAYING = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}
"""Keywords of which a schema has one, or it accepts anything."""


def vague(schema: Any, path: str) -> Iterator[str]:
    """Where a schema accepts anything. Clients warn of those, and some models' APIs refuse them."""
    if not isinstance(schema, dict) or not SAYING & schema.keys():
        yield path
        return
    for place in ("properties", "$defs"):
        for name, part in schema.get(place, {}).items():
            yield from vague(part, f"{path}.{place}.{name}")
    for place in ("anyOf", "oneOf", "allOf"):
        for number, part in enumerate(schema.get(place, ())):
            yield from vague(part, f"{path}.{place}[{number}]")
    for place in ("items", "additionalProperties"):
        # `additionalProperties: true` is how an object with any keys is written.
        if place in schema and (place == "items" or not isinstance(schema[place], bool)):
            yield from vague(schema[place], f"{path}.{place}")


@pytest.mark.parametrize("name", tool_schemas.names())
def test_no_schema_accepts_anything(name: str):
    found = [
        place
        for tool in json.loads(schemas(name))["tools"]
        for kind in ("inputSchema", "outputSchema")
        for place in vague(tool[kind], f"{tool['name']}: {kind}")
    ]
    assert found == [], "say what it is; dict[str, Any] is any JSON object"


def test_it_shows_what_is_not_allowed_by_default_too():
    names = {tool["name"] for tool in json.loads(schemas("lambda_labs_cli"))["tools"]}
    assert {"list_instances", "launch_instance", "terminate_instances"} <= names
