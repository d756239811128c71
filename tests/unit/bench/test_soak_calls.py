"""What counts as a failed call, and what tools are called with."""

from __future__ import annotations

import asyncio

from bench import soak_calls
from bench.soak_calls import OK, REFUSED, Call, Callers, Tool
from tests.support.polling import eventually

TOOL = Tool("github", "get_me", {})


def call(ended: float, outcome: str, tool: Tool = TOOL) -> Call:
    return Call(tool, "default", ended - 1, 1, outcome)


def test_an_answer_is_read_from_a_stream_as_well():
    message = '{"jsonrpc":"2.0","id":1,"result":{"isError":false}}'
    for text in (message, f"event: message\ndata: {message}\n\n", f": ping\ndata: {message}\n"):
        assert soak_calls.outcome(soak_calls.parsed(200, text)) == OK
    ping = f'data: {{"method":"ping"}}\n\ndata: {message}\n'
    assert soak_calls.outcome(soak_calls.parsed(200, ping)) == OK


def test_what_is_no_answer_is_a_fault_with_its_text():
    assert soak_calls.outcome(soak_calls.parsed(502, '{"error":{"code":1}}')).startswith("502 ")
    assert soak_calls.outcome(soak_calls.parsed(200, "<html>")) == "200 <html>"
    refused = '{"id":1,"error":{"code":-32602,"message":"Unknown tool"}}'
    assert soak_calls.outcome(soak_calls.parsed(200, refused)) == "error -32602: Unknown tool"


def test_a_tools_own_error_is_an_answer_and_its_crash_is_none():
    error = {"result": {"isError": True, "content": [{"text": "GITHUB_TOKEN is not set"}]}}
    assert soak_calls.outcome(error) == REFUSED
    crash = {"result": {"isError": True, "content": [{"text": "logged as incident 1a2b"}]}}
    assert "logged as incident" in soak_calls.outcome(crash)


def test_a_tool_that_has_answered_must_go_on_to():
    other = Tool("github", "list_issues", {})
    calls = [call(1, REFUSED), call(2, OK), call(3, REFUSED, other), call(4, REFUSED)]
    calls.append(call(5, "502 away", other))
    assert [one.ended for one in soak_calls.faults(reversed(calls))] == [4, 5]


def test_arguments_are_as_few_as_the_schema_demands():
    schema = {
        "properties": {
            "query": {"type": "string"},
            "limit": {"type": "integer", "minimum": 5},
            "state": {"enum": ["open", "closed"]},
            "ids": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "maybe": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "left_out": {"type": "string"},
        },
        "required": ["query", "limit", "state", "ids", "maybe"],
    }
    assert soak_calls.arguments(schema) == {
        "query": "soak",
        "limit": 5,
        "state": "open",
        "ids": ["soak"],
        "maybe": 1,
    }


async def test_a_gateway_that_accepts_nothing_is_passed_over_and_nothing_sent_is_repeated():
    """Of four: the first listens nowhere, the second ends a connection after the request."""
    asked = []

    def served(name: str, answer: bytes):
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.append(name)
            writer.write(answer)
            await writer.drain()
            writer.close()

        return asyncio.start_server(one, "127.0.0.1", 0)

    body = b'{"id":1,"result":{}}'
    good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answers, breaks = await served("answers", good), await served("breaks", b"")
    urls = [
        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (answers, breaks)
    ]
    closed = "http://127.0.0.1:9"
    for order, outcome in (([closed, *urls], OK), ([closed, urls[1], urls[0]], "RemoteProtocol")):
        asked.clear()
        callers = Callers(order, "", {"default": "t"}, rate=50)
        over = asyncio.Event()

        async def called(of: Callers = callers) -> int:
            return len(of.calls)

        running = asyncio.create_task(callers.run([TOOL], over))
        await eventually(called, bool, "a call")
        over.set()
        await running
        assert {one.outcome[: len(outcome)] for one in callers.calls} == {outcome}
        assert len(asked) == len(callers.calls), "each was sent once"
    answers.close()
    breaks.close()
