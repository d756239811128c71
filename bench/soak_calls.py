"""Steady calls of every tool that reads, through a platform's gateways, in both protocol eras.

A client knows all gateways, as one does whose name has several addresses: it tries the next where
nothing accepts a connection, and repeats nothing that it has sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_NAME_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)

ERAS = ("2026-07-28", "2025-11-25")
OK, REFUSED = "ok", "the tool's error"
"""Outcomes that are answers: without credentials most tools give an error."""
CRASH = "logged as incident"


@dataclass(frozen=True)
class Tool:
    """arguments: whatever its schema demands."""

    server: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """began: of time.monotonic(). outcome: OK, REFUSED, or what came instead of an answer."""

    tool: Tool
    caller: str
    began: float
    seconds: float
    outcome: str

    @property
    def ended(self) -> float:
        """Of time.monotonic()."""
        return self.began + self.seconds


@dataclass
class Callers:
    """Each caller calls each tool in turn, in both eras. tokens: by the caller; may change.
    authority: PEM of the CA that is trusted, "" for public ones.

    rate: calls a second of all together.
    """

    urls: Sequence[str]
    authority: str
    tokens: dict[str, str]
    rate: float
    calls: list[Call] = field(default_factory=list)

    async def tools(self, servers: Iterable[str]) -> list[Tool]:
        """Those that only read."""
        caller, found = next(iter(self.tokens)), []
        async with self._http() as http:
            for server in servers:
                listed = await self._sent(http, server, caller, ERAS[0], "tools/list", {})
                if not isinstance(listed, dict):
                    raise ValueError(f"{server} lists no tools: {listed}")
                found += [
                    Tool(server, one["name"], arguments(one["inputSchema"]))
                    for one in listed["result"]["tools"]
                    if one.get("annotations", {}).get("readOnlyHint")
                ]
        return found

    async def run(self, tools: Sequence[Tool], over: asyncio.Event) -> None:
        """Until `over` is set; calls under way then end, too."""
        kinds = list(itertools.product(self.tokens, ERAS))
        pause = len(kinds) / self.rate
        await asyncio.gather(
            *(
                self._caller(tools, caller, era, number * pause / len(kinds), pause, over)
                for number, (caller, era) in enumerate(kinds)
            )
        )

    async def _caller(
        self,
        tools: Sequence[Tool],
        caller: str,
        era: str,
        delay: float,
        pause: float,
        over: asyncio.Event,
    ) -> None:
        due = time.monotonic() + delay
        async with self._http() as http:
            for tool in itertools.cycle(tools):
                if await _set_within(over, due - time.monotonic()):
                    return
                began = time.monotonic()
                about = {"name": tool.name, "arguments": dict(tool.arguments)}
                said = await self._sent(http, tool.server, caller, era, "tools/call", about)
                seconds = time.monotonic() - began
                self.calls.append(Call(tool, caller, began, seconds, outcome(said)))
                due = max(due + pause, time.monotonic())

    def _http(self) -> httpx2.AsyncClient:
        trust = ssl.create_default_context(cadata=self.authority or None)
        return httpx2.AsyncClient(verify=trust, timeout=httpx2.Timeout(60, connect=2))

    async def _sent(
        self,
        http: httpx2.AsyncClient,
        server: str,
        caller: str,
        era: str,
        method: str,
        params: Mapping[str, Any],
    ) -> dict[str, Any] | str:
        """The answer's message, or why there is none."""
        headers = {
            "Authorization": f"Bearer {self.tokens[caller]}",
            "Accept": "application/json, text/event-stream",
            MCP_PROTOCOL_VERSION_HEADER: era,
        }
        sent = dict(params)
        if era == ERAS[0]:
            headers[MCP_METHOD_HEADER] = method
            if "name" in params:
                headers[MCP_NAME_HEADER] = params["name"]
            sent["_meta"] = {
                PROTOCOL_VERSION_META_KEY: era,
                CLIENT_INFO_META_KEY: {"name": "soak", "version": "1"},
                CLIENT_CAPABILITIES_META_KEY: {},
            }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": sent}
        fault = ""
        for url in self.urls:
            try:
                answer = await http.post(f"{url}/mcp/{server}", json=message, headers=headers)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                fault = repr(error)
            except httpx2.HTTPError as error:
                return repr(error)
            else:
                return parsed(answer.status_code, answer.text)
        return f"no gateway: {fault}"


def parsed(status: int, text: str) -> dict[str, Any] | str:
    """The message in an answer, a stream of events or not; what came instead otherwise."""
    events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    for candidate in reversed(events or [text]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if status == 200 and isinstance(found, dict) and {"result", "error"} & found.keys():
            return found
    return f"{status} {text[:200]}"


def outcome(said: dict[str, Any] | str) -> str:
    """OK, REFUSED, or a fault."""
    if isinstance(said, str):
        return said
    if "error" in said:
        return f"error {said['error'].get('code')}: {str(said['error'].get('message'))[:200]}"
    result = said["result"]
    if not result.get("isError"):
        return OK
    text = json.dumps(result.get("content"))
    return text[:200] if CRASH in text else REFUSED


def faults(calls: Iterable[Call]) -> list[Call]:
    """Those without an answer, and errors of tools that have given none before."""
    found, good = [], set()
    for call in sorted(calls, key=lambda one: one.ended):
        if call.outcome == OK:
            good.add(call.tool.server + "/" + call.tool.name)
        elif call.outcome != REFUSED or call.tool.server + "/" + call.tool.name in good:
            found.append(call)
    return found


def arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """As few as a tool's schema demands."""
    properties = schema.get("properties", {})
    return {name: _value(properties.get(name, {})) for name in schema.get("required", ())}


def _value(schema: Mapping[str, Any]) -> Any:
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _value(schema[key][0])
    match schema.get("type"):
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "array":
            return [_value(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
        case "object":
            return arguments(schema)
    return "soak"


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), max(0.0, seconds))
    except TimeoutError:
        return event.is_set()
    return True
