import json
import logging
import re

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from sophia_mcp.errors import NotConfigured
from sophia_mcp.logs import JsonFormatter
from sophia_mcp.server import FAILURES, Server

from tests.support.checkout import ROOT

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


def test_failures_of_each_tool_are_counted_from_none(toy_in_process: Server):
    """Prometheus sees no increase in what begins with 5."""
    for outcome in ("crash", "timeout", "protocol_error"):
        labels = {"tool": "add", "outcome": outcome}
        counted = toy_in_process.metrics.registry.get_sample_value("mcp_tool_calls_total", labels)
        assert counted == 0, outcome


async def test_what_a_tool_says_reaches_the_model_and_not_the_log(toy_in_process: Server, caplog):
    caplog.set_level(logging.INFO, "sophia_mcp")
    async with Client(toy_in_process) as client:
        result = await client.call_tool("refuse", {})
    assert result.is_error
    assert "expected a better day, got this one" in result.content[0].text
    assert calls(toy_in_process, "refuse", "error") == 1
    (line,) = [record for record in caplog.records if record.message == "tool call"]
    assert "better day" not in str(vars(line))


async def test_a_crash_shows_an_id_and_nothing_from_inside(toy_in_process: Server, caplog):
    caplog.set_level(logging.INFO)
    async with Client(toy_in_process) as client:
        result = await client.call_tool("crash", {})
    text = result.content[0].text
    assert result.is_error
    assert "inner detail" not in text
    (record,) = [record for record in caplog.records if record.message == "tool crashed"]
    assert f"incident {record.incident}." in text
    assert record.exc_info[0] is KeyError
    (call,) = [record for record in caplog.records if record.message == "tool call"]
    assert record.request_id == call.request_id
    # Its line of the code is in the log, the data that it failed with is not.
    written = [json.loads(JsonFormatter({}).format(record)) for record in caplog.records]
    assert any(", in crash" in line.get("traceback", "") for line in written)
    assert not [line for line in written if "detail 42" in str(line)]
    assert calls(toy_in_process, "crash", "crash") == 1


async def test_refused_arguments_are_named_but_not_logged(toy_in_process: Server, caplog):
    caplog.set_level(logging.INFO)
    async with Client(toy_in_process) as client:
        result = await client.call_tool("add", {"a": "my-password", "b": 2})
    assert result.is_error
    assert "valid integer" in result.content[0].text
    assert calls(toy_in_process, "add", "invalid_arguments") == 1
    assert "my-password" not in caplog.text + str([vars(record) for record in caplog.records])


async def test_an_answer_that_floods_is_refused_with_advice(toy_in_process: Server):
    async with Client(toy_in_process) as client:
        fits = await client.call_tool("flood", {"size": 99_000})
        floods = await client.call_tool("flood", {"size": 200_000})
    assert not fits.is_error
    assert floods.is_error
    assert floods.content[0].text.startswith("The answer has 200 kB, more than the 100 kB")
    assert "Ask for less" in floods.content[0].text
    refused = toy_in_process.metrics.registry.get_sample_value(
        "mcp_answers_refused_total", {"tool": "flood"}
    )
    assert refused == 1


async def test_a_flood_after_a_change_does_not_invite_to_repeat_it(build_toy):
    async with Client(build_toy(MCP_ALLOW_WRITES="true")) as client:
        result = await client.call_tool("change", {"size": 200_000})
    assert result.is_error
    assert "The request was carried out anyway: do not repeat it." in result.content[0].text


async def test_a_tool_ends_below_the_grace(build_toy):
    server = build_toy(GRACE_SECONDS="1")
    async with Client(server) as client:
        result = await client.call_tool("slow", {"seconds": 60})
        assert result.is_error
        assert "slow took longer than 0.9 s and was stopped" in result.content[0].text
        assert not (await client.call_tool("add", {"a": 1, "b": 2})).is_error
    assert calls(server, "slow", "timeout") == 1


async def test_a_change_that_was_stopped_may_have_happened(build_toy):
    async with Client(build_toy(MCP_ALLOW_WRITES="true", GRACE_SECONDS="1")) as client:
        result = await client.call_tool("change", {"seconds": 60})
    assert "may have taken effect anyway" in result.content[0].text


@pytest.mark.parametrize(
    ("variables", "there", "missing"),
    [
        ({}, {"add"}, {"change", "wipe"}),
        ({"MCP_ALLOW_WRITES": "true"}, {"add", "change"}, {"wipe"}),
        ({"MCP_ALLOW_WRITES": "true", "MCP_ALLOW_DESTRUCTIVE": "wipe"}, {"change", "wipe"}, set()),
        ({"MCP_ALLOW_DESTRUCTIVE": "wipe"}, {"add"}, {"change", "wipe"}),
        ({"MCP_TOOLS_ALLOW": "add, change"}, {"add"}, {"refuse", "change"}),
        ({"MCP_TOOLS_DENY": "add"}, {"refuse"}, {"add"}),
    ],
)
async def test_a_tool_that_is_not_allowed_is_neither_listed_nor_callable(
    build_toy, variables: dict[str, str], there: set[str], missing: set[str]
):
    async with Client(build_toy(**variables)) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert there <= listed
        assert not missing & listed
        for name in missing:
            with pytest.raises(MCPError, match=f"Unknown tool: {name}"):
                await client.call_tool(name, {})


async def test_annotations_say_what_a_tool_does(build_toy):
    server = build_toy(
        MCP_ALLOW_WRITES="true", MCP_ALLOW_DESTRUCTIVE="wipe", TOY_API_URL="http://x"
    )
    async with Client(server) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    assert hints["add"].read_only_hint
    assert (hints["change"].read_only_hint, hints["change"].destructive_hint) == (False, False)
    assert (hints["wipe"].read_only_hint, hints["wipe"].destructive_hint) == (False, True)
    assert all(hint.open_world_hint for hint in hints.values())


async def test_a_missing_credential_is_said_by_the_tools_that_need_it(build_toy):
    server = build_toy(TOY_API_URL="http://127.0.0.1:9")
    async with Client(server) as client:
        asked = await client.call_tool("ask", {"thing": "a"})
        added = await client.call_tool("add", {"a": 1, "b": 2})
    assert "Toys is not configured: TOY_KEY is not set" in asked.content[0].text
    assert not added.is_error
    with pytest.raises(NotConfigured, match="TOY_KEY"):
        await server.check()


async def test_an_unknown_tool_makes_no_label_of_its_own(toy_in_process: Server):
    async with Client(toy_in_process) as client:
        with pytest.raises(MCPError, match=r"Unknown tool: x{128}$"):
            await client.call_tool("x" * 5000, {})
    assert calls(toy_in_process, "unknown", "unknown_tool") == 1


@pytest.mark.parametrize("mode", MODES)
async def test_an_unknown_prompt_is_the_callers_mistake(toy_in_process: Server, caplog, mode: str):
    async with Client(toy_in_process, mode=mode) as client:
        with pytest.raises(MCPError, match="Unknown prompt: nobody's") as refused:
            await client.get_prompt("nobody's")
    assert refused.value.code == INVALID_PARAMS
    assert "Traceback" not in caplog.text


def test_the_alert_counts_the_failures_that_counters_begin_with():
    rules = (ROOT / "images/monitoring/rules/alerts.yml").read_text()
    told = re.search(r"alert: ErrorsAtServer\n.*?\n +labels:", rules, re.DOTALL)
    counted = set(re.findall(r'outcome=~"(.+?)"', told.group()))
    assert [set(one.split("|")) for one in counted] == [set(FAILURES)]
