"""The document is valid OpenAPI 3.1, and describes exactly the existing routes and answers."""

from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from sophia_backend import api, dashboards_api
from sophia_backend.calls import Calls
from sophia_backend.fleet import Fleet
from sophia_backend.search import Search
from sophia_mcp.metrics import Metrics

from .conftest import Backend, World

DOCUMENT_AT = "/api/openapi.json"


@pytest.fixture
async def backend(world: World) -> Backend:
    return await world.backend(toy=await world.server(), gone=1)


async def document(backend: Backend) -> dict[str, Any]:
    return dict((await backend.get(DOCUMENT_AT, None)).json())


async def test_it_is_valid(backend: Backend):
    OpenAPIV31SpecValidator(await document(backend)).validate()


async def test_it_names_the_routes_that_there_are(backend: Backend):
    fleet = Fleet([])
    routes = api.routes(fleet, Calls(fleet, Metrics("x")), Search(fleet))
    routes += dashboards_api.routes(fleet, None)
    there = {(r.path, method) for r in routes for method in r.methods or () if method != "HEAD"}
    told = {
        (path, method.upper())
        for path, item in (await document(backend))["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert told == there


ASKED = [
    ("GET", "/api/fleet", "", "*", 200),
    ("GET", "/api/fleet", "", "toy", 200),
    ("GET", "/api/servers", "", "*", 200),
    ("GET", "/api/servers/toy", "", "*", 200),
    ("GET", "/api/servers/gone", "", "*", 200),
    ("GET", "/api/servers/nobody", "", "*", 404),
    ("GET", "/api/servers/nobody", "", "", 403),
    ("GET", "/api/tools", "", "*", 200),
    ("GET", "/api/tools", "?limit=2", "*", 200),
    ("GET", "/api/tools", f"?query={quote('add numbers')}", "*", 200),
    ("GET", "/api/tools", "?limit=x", "*", 400),
    ("GET", "/api/dashboards", "", "*", 200),
    ("GET", "/api/dashboards/fleet", "", "*", 404),
    ("GET", "/api/dashboards/fleet", "", "toy", 403),
    ("GET", "/api/dashboards/fleet", "?range=9y", "*", 400),
    ("GET", "/api/logs", "", "*", 404),
    ("GET", "/api/logs", "", "toy", 403),
    ("POST", "/api/tools/toy/add", '{"a": 1, "b": 2}', "*", 200),
    ("POST", "/api/tools/toy/refuse", "{}", "*", 200),
    ("POST", "/api/tools/toy/nothing", "{}", "*", 404),
    ("POST", "/api/tools/toy/add", "[]", "*", 400),
    ("POST", "/api/tools/toy/add", "[" + "0," * 20_000 + "0]", "*", 413),
    ("POST", "/api/tools/gone/add", "{}", "*", 404),
]


async def test_answers_are_as_it_tells(backend: Backend):
    found = await document(backend)
    await backend.post("/api/tools/toy/refuse", {}, **{"X-Sophia-Caller": "alice"})
    for method, path, query, servers, status in ASKED:
        answer = await backend.http.request(
            method,
            backend.url + path + (query if method == "GET" else ""),
            content=query if method == "POST" else None,
            headers={"X-Sophia-Servers": servers, "X-Sophia-Caller": "alice"},
        )
        assert answer.status_code == status, (path, answer.text)
        (item,) = [item for told, item in found["paths"].items() if _fits(told, path)]
        told = item[method.lower()]["responses"][str(status)]
        if "$ref" in told:
            told = found["components"]["responses"][told["$ref"].rsplit("/", 1)[1]]
        schema = told["content"][answer.headers["content-type"]]["schema"]
        jsonschema.Draft202012Validator({**schema, **_strict(found)}).validate(answer.json())


def _fits(told: str, path: str) -> bool:
    parts, asked = told.split("/"), path.split("/")
    return len(parts) == len(asked) and all(
        part == piece or part.startswith("{") for part, piece in zip(parts, asked, strict=True)
    )


def _strict(found: dict[str, Any]) -> dict[str, Any]:
    """Its components, with nothing allowed that it does not tell."""
    schemas = {
        name: {**schema, "additionalProperties": False}
        for name, schema in found["components"]["schemas"].items()
    }
    return {"components": {**found["components"], "schemas": schemas}}
