"""Every tool gets a form, which reproduces every call of the tool's tests."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tests.support.browser import needs_chromium
from tests.support.mcp_process import ROOT
from tests.support.viewer import Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

LISTS = sorted((ROOT / "mcp_catalog").glob("*/tools.json"))
FORMS = """(async (cases) => {
    const { fieldsOf, plain } = await import('/assets/form.js');
    return cases.map(({ schema, given }) => {
        const fields = fieldsOf(plain(schema, schema), schema);
        const [empty, faults] = [[], []];
        fields.read(empty);
        fields.write(given);
        return [fields.nodes.length, empty.length, fields.read(faults), faults.map((it) => {
            it.tell();
            return it.input.closest('.field, fieldset').innerText;
        })];
    });
})"""


def calls_of(server: str) -> dict[str, Any]:
    """A good call of each tool, where the server's tests name them."""
    stand_in = getattr(
        importlib.import_module(f"mcp_catalog.{server}.test_server"), "STAND_IN", None
    )
    return dict(stand_in.calls) if stand_in else {}


async def test_every_tool_has_a_form(view: Viewer) -> None:
    await view.open(before="")
    for file in LISTS:
        calls = calls_of(file.parent.name)
        tools = json.loads(file.read_text())["tools"]
        cases = [
            {"schema": tool["inputSchema"], "given": calls.get(tool["name"], {})} for tool in tools
        ]
        for tool, case, made in zip(
            tools, cases, await view.js(f"{FORMS}({json.dumps(cases)})"), strict=True
        ):
            fields, missing, read, faults = made
            where = f"{file.parent.name}/{tool['name']}"
            assert fields == len(case["schema"].get("properties", {})), where
            assert missing >= len(case["schema"].get("required", [])), where
            if tool["name"] in calls:
                assert (read, faults) == (case["given"], []), where
