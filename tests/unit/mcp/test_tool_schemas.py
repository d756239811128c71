"""What a server shows to a model is what its tools.json says: a change is seen in review."""

import json

import pytest

from ops import tool_schemas


@pytest.mark.parametrize("name", tool_schemas.names())
def test_tools_json_is_what_the_server_shows(name: str):
    file = tool_schemas.CATALOG / name / tool_schemas.FILE
    assert tool_schemas.schemas(name) == file.read_text("utf-8"), "run `make tool-schemas`"


@pytest.mark.parametrize("name", tool_schemas.names())
def test_everything_that_a_model_reads_is_there(name: str):
    shown = json.loads(tool_schemas.schemas(name))
    assert shown["title"]
    assert shown["instructions"]
    for tool in shown["tools"]:
        assert tool["description"], tool["name"]
        assert tool["outputSchema"], tool["name"]
        assert "readOnlyHint" in tool["annotations"], tool["name"]


def test_it_shows_what_is_not_allowed_by_default_too():
    names = {tool["name"] for tool in json.loads(tool_schemas.schemas("lambda_labs_cli"))["tools"]}
    assert {"list_instances", "launch_instance", "terminate_instances"} <= names
