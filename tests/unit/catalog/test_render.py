"""Our entries as official `server.json` documents."""

import json
from pathlib import Path

import jsonschema
import pytest

from components.catalog import loader
from components.catalog.render import SCHEMA, server_json

HERE = Path(__file__).parent
CATALOG = HERE.parents[2] / "mcp_catalog"
# The official schema, as published at the address in its $id.
OFFICIAL = json.loads((HERE / "server.2025-12-11.schema.json").read_text())
SERVERS = loader.load(CATALOG).servers


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_entry_satisfies_the_official_schema(server):
    document = server_json(
        server, "registry.example/ai_memory@sha256:0", "https://mcp.example/mcp/x", "1.0.0"
    )
    jsonschema.validate(document, OFFICIAL, cls=jsonschema.Draft7Validator)
    assert document["name"].endswith(f"/{server.name}")
    secret = {
        variable["name"]
        for variable in document["packages"][0]["environmentVariables"]
        if variable["isSecret"]
    }
    assert secret == {item.env for item in server.secrets}


def test_the_schema_is_the_one_we_name():
    assert OFFICIAL["$id"] == SCHEMA


def test_the_schema_refuses_what_it_should():
    document = server_json(SERVERS[0], "image", "no address", "1.0.0")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, OFFICIAL, cls=jsonschema.Draft7Validator)
