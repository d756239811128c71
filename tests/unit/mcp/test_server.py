import logging

import pytest
from mcp import Client
from sophia_mcp.server import Server

MODES = ["2026-07-28", "legacy"]


def calls(server: Server, tool: str, outcome: str) -> float:
    value = server.metrics.registry.get_sample_value(
        "mcp_tool_calls_total", {"tool": tool, "outcome": outcome}
    )
    return value or 0.0


@pytest.mark.parametrize("mode", MODES)
async def test_a_result_is_structured_and_counted(toy_in_process: Server, mode: str):
    async with Client(toy_in_process, mode=mode) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content == {"result": 3}
    assert calls(toy_in_process, "add", "ok") == 1
    seconds = toy_in_process.metrics.registry.get_sample_value(
        "mcp_tool_call_duration_seconds_count", {"tool": "add"}
    )
    assert seconds == 1


async def test_what_a_tool_says_reaches_the_model_and_the_log(toy_in_process: Server, caplog):
    caplog.set_level(logging.INFO)
    async with Client(toy_in_process) as client:
        result = await client.call_tool("refuse", {})
    assert result.is_error
    assert "expected a better day, got this one" in result.content[0].text
    assert calls(toy_in_process, "refuse", "error") == 1
    (line,) = [record for record in caplog.records if record.message == "tool call"]
    assert "better day" in line.error


async def test_a_crash_shows_an_id_and_nothing_from_inside(toy_in_process: Server, caplog):
    async with Client(toy_in_process) as client:
        result = await client.call_tool("crash", {})
    text = result.content[0].text
    assert result.is_error
    assert "inner detail" not in text
    (record,) = [record for record in caplog.records if record.message == "tool crashed"]
    assert f"incident {record.incident}." in text
    assert record.exc_info[0] is KeyError
    assert calls(toy_in_process, "crash", "crash") == 1


async def test_refused_arguments_are_named_but_not_logged(toy_in_process: Server, caplog):
    caplog.set_level(logging.INFO)
    async with Client(toy_in_process) as client:
        result = await client.call_tool("add", {"a": "my-password", "b": 2})
    assert result.is_error
    assert "valid integer" in result.content[0].text
    assert calls(toy_in_process, "add", "invalid_arguments") == 1
    assert "my-password" not in caplog.text + str([vars(record) for record in caplog.records])


async def test_an_unknown_tool_makes_no_label_of_its_own(toy_in_process: Server):
    async with Client(toy_in_process) as client:
        result = await client.call_tool("x" * 5000, {})
    assert result.is_error
    assert calls(toy_in_process, "unknown", "error") == 1
