"""Calls a tool at one of its server's replicas: bounded, counted, and logged in one line."""

import asyncio
from contextlib import suppress
from time import perf_counter
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from opentelemetry.trace import Span, SpanKind
from sophia_mcp import audit, tracing
from sophia_mcp.metrics import Metrics
from sophia_mcp.server import UNKNOWN_TOOL

from . import wire
from .callers import Caller
from .fleet import Fleet
from .problems import Problem
from .tools import Tool
from .wire import Progress

CALL_S = 110.0
"""For a call with all its tries; the slowest server has 99."""
_LOOK_S = 3.0


class Calls:
    """For one fleet."""

    def __init__(self, fleet: Fleet, metrics: Metrics) -> None:
        self._fleet, self._metrics = fleet, metrics

    async def call(
        self,
        caller: Caller,
        tool: Tool,
        arguments: dict[str, Any],
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """The server's result, including errors of the tool.

        Raises:
            Problem: the server gave none.
            MCPError: it refused the request.
        """
        about = {"gen_ai.tool.name": tool.name, "sophia.request_id": caller.request.request_id}
        within = tracing.of_caller(caller.request.trace)
        with tracing.span(f"tools/call {tool.full_name}", SpanKind.SERVER, about, within) as span:
            return await self._called(caller, tool, arguments, progress, span)

    async def _called(
        self,
        caller: Caller,
        tool: Tool,
        arguments: dict[str, Any],
        progress: Progress | None,
        span: Span,
    ) -> dict[str, Any]:
        caller.request.calls += 1
        started, outcome, reason = perf_counter(), "cancelled", None
        try:
            result = await self._answered(caller, tool, arguments, progress)
            outcome = "error" if result.get("isError") else "ok"
            return result
        except Problem as problem:
            outcome, reason = "error", f"status_{problem.status}"
            raise
        except MCPError as error:
            # Known here, and not to the server any more.
            gone = error.code == INVALID_PARAMS
            outcome = UNKNOWN_TOOL if gone else "protocol_error"
            raise
        finally:
            tracing.came_to(span, outcome, failed=outcome != "ok")
            seconds = perf_counter() - started
            self._metrics.tool_calls.labels(tool.full_name, outcome).inc()
            self._metrics.tool_seconds.labels(tool.full_name).observe(seconds)
            audit.note(
                caller.request,
                of=tool.server,
                tool=tool.name,
                kind=tool.kind,
                outcome=outcome,
                **({"reason": reason} if reason else {}),
                ms=round(seconds * 1000, 1),
            )

    async def _answered(
        self, caller: Caller, tool: Tool, arguments: dict[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        server = self._fleet.servers[tool.server]
        maybe = (
            "" if tool.kind == "read" else " It may have taken effect: check before you repeat it."
        )
        try:
            async with asyncio.timeout(CALL_S):
                return await self._tried(caller, tool, arguments, progress)
        except wire.Unsent as fault:
            again = f"Nothing was done; try again later. It is {server.status}."
            raise Problem(
                503, f"{server.name} is away", f"{server.name}: {fault}. {again}"
            ) from None
        except (wire.Late, TimeoutError) as fault:
            why = str(fault) or f"no answer within {CALL_S:g} s"
            raise Problem(504, f"{server.name} is late", f"{server.name}: {why}.{maybe}") from None
        except wire.Fault as fault:
            raise Problem(
                502, f"{server.name} gave no answer", f"{server.name}: {fault}.{maybe}"
            ) from None

    async def _tried(
        self, caller: Caller, tool: Tool, arguments: dict[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        """Tries each replica until one gets the call; then once more with their new addresses,
        since all may have been replaced. A call that was sent is repeated once, and only if it
        changes nothing."""
        server = self._fleet.servers[tool.server]
        fault: wire.Fault = wire.Unsent(server.detail or "no replica takes calls")
        losses = 0
        for is_last in (False, True):
            for replica in server.callable():
                replica.in_flight += 1
                try:
                    return await wire.ask(
                        self._fleet.clients[server.name],
                        f"{replica.url}/mcp",
                        "tools/call",
                        {"name": tool.name, "arguments": arguments},
                        headers={**server.headers, **caller.headers, **tracing.headers()},
                        seconds=CALL_S,
                        progress=progress,
                    )
                except wire.Unreached as unreached:
                    replica.missed(str(unreached))
                    fault = unreached
                except wire.Unsent as unsent:
                    fault = unsent
                except wire.Lost as lost:
                    fault, losses = lost, losses + 1
                    if tool.kind != "read" or losses > 1:
                        raise
                finally:
                    replica.in_flight -= 1
            if not is_last:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_S):
                        await self._fleet.look_at(server)
        raise fault
