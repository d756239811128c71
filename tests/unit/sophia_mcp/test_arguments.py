"""Arguments reach a tool as they were sent."""

from typing import Annotated, Any

import pytest
from pydantic import Field
from sophia_mcp.policy import reads
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from tests.support.tool_calls import tools_of

Text = Annotated[str, Field(max_length=100)]


async def shown(
    plain: Text = "", maybe: Text | None = None, nested: Annotated[Text | None, "…"] = None,
    either: str | list[str] | None = None, names: list[Text] | None = None,
    fields: dict[str, int] | None = None, count: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What arrived."""
    return {key: value for key, value in locals().items() if value}


@pytest.mark.parametrize("name", ["plain", "maybe", "nested", "either"])
@pytest.mark.parametrize("text", ['{"a": 1}', "[1]", "null", '"quoted"', "12", "true", "{"])
async def test_a_text_stays_a_text_whatever_it_says(name: str, text: str):
    server = Server(read_settings("toy", {}), title="", instructions="", tools=[reads(shown)])
    async with tools_of(server) as tools:
        assert await tools.ok("shown", **{name: text}) == {name: text}


async def test_a_list_or_an_object_may_come_as_a_text():
    server = Server(read_settings("toy", {}), title="", instructions="", tools=[reads(shown)])
    async with tools_of(server) as tools:
        given = await tools.ok("shown", names='["a", "b"]', fields='{"a": 1}', count="3")
    assert given == {"names": ["a", "b"], "fields": {"a": 1}, "count": 3}
