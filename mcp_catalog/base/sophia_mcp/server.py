"""An MCP server that has only the allowed tools, and whose calls are limited and logged."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Any
from uuid import uuid4

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from opentelemetry.trace import Span, SpanKind
from pydantic import ValidationError

from . import audit, pages, policy, tracing
from .activity import Activity
from .arguments import Arguments
from .metrics import Metrics
from .settings import Settings
from .upstream import Upstream

logger = logging.getLogger(__name__)

VERSION = "1.0.0"
"""The runtime's version, as clients show it; an image's tag identifies the exact content."""

FAILURES = ("crash", "timeout", "protocol_error")
"""The outcomes that are the server's fault, as the alert ErrorsAtServer counts them."""
UNKNOWN_TOOL = "unknown_tool"
"""The outcome of a call of a tool that isn't there: the caller's mistake, as invalid_arguments."""
_MOST_NAME = 128
"""The protocol's limit of a tool's name, in characters."""

Lifespan = Callable[[MCPServer[Any]], AbstractAsyncContextManager[Any]]
Check = Callable[[], Awaitable[None]]


class Server(MCPServer[Any]):
    """MCPServer with a policy, an audit trail, metrics, limits, and errors that say where to look.

    tools: everything that the server can do (`declared`); the settings decide which of them exist,
    see policy.py.
    upstreams: opened with the server; /health reports them.
    lifespan: entered once per process; it yields `ctx.request_context.lifespan_context`.
    check: raises while another dependency doesn't answer; the text goes into /health.

    Raises SettingError if the settings name unknown tools.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        title: str,
        instructions: str,
        tools: Sequence[policy.Tool],
        upstreams: Sequence[Upstream] = (),
        lifespan: Lifespan | None = None,
        check: Check | None = None,
    ) -> None:
        self.metrics, self.activity = Metrics(settings.server), Activity()
        self._upstreams, self._own_lifespan, self._own_check = upstreams, lifespan, check
        self._call_seconds = settings.call_seconds
        # Any replica answers any request, so there is no session to notify of changes.
        super().__init__(
            settings.server,
            title=title,
            version=VERSION,
            instructions=instructions,
            lifespan=self._opened,
            subscriptions=False,
        )
        self.declared = tuple(tools)
        offered = policy.offered(tools, policy.read_policy(settings))
        self._kinds = {tool.name: tool.kind for tool in offered}
        for tool in offered:
            self.add_tool(
                tool.function,
                description=tool.description,
                annotations=tool.annotations(bool(upstreams)),
            )
            if known := self._tool_manager.get_tool(tool.name):
                known.fn_metadata = Arguments(**dict(known.fn_metadata))
            # Prometheus sees no increase in what begins with more than none.
            for outcome in FAILURES:
                self.metrics.tool_calls.labels(tool.name, outcome)

    async def check(self) -> None:
        """Raises whatever prevents the whole server from working; see health.py."""
        for upstream in self._upstreams:
            await upstream.check()
        if self._own_check is not None:
            await self._own_check()

    @asynccontextmanager
    async def _opened(self, server: MCPServer[Any]) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            for upstream in self._upstreams:
                await stack.enter_async_context(upstream.opened(self.metrics))
            if self._own_lifespan is None:
                yield None
            else:
                yield await stack.enter_async_context(self._own_lifespan(server))

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Like MCPServer's, but limited in time and size, counted, traced, and logged in one line.
        An unknown tool is a protocol error, as the specification says, not a result."""
        tool = name if name in self._kinds else "unknown"
        request = _request(context)
        about = {"gen_ai.tool.name": tool, "sophia.request_id": request.request_id}
        within = tracing.of_caller(request.trace)
        with tracing.span(f"tools/call {tool}", SpanKind.SERVER, about, within) as span:
            return await self._called(name, tool, arguments, context, request, span)

    async def _called(
        self,
        name: str,
        tool: str,
        arguments: dict[str, Any],
        context: Context[Any, Any] | None,
        request: audit.Request,
        span: Span,
    ) -> CallToolResult | InputRequiredResult:
        request.calls += 1
        cost, started = audit.begin(request), perf_counter()
        outcome, reason = "cancelled", None
        try:
            if name not in self._kinds:
                outcome = UNKNOWN_TOOL
                raise MCPError(INVALID_PARAMS, f"Unknown tool: {name[:_MOST_NAME]}")
            with anyio.move_on_after(self._call_seconds) as limit:
                result = await super().call_tool(name, arguments, context)
            if limit.cancelled_caught:
                outcome = "timeout"
                advice = "Ask for less, or try again later."
                if self._kinds[tool] != "read":
                    advice = "It may have taken effect anyway: check before you repeat it."
                raise ToolError(
                    f"{name} took longer than {self._call_seconds:g} s and was stopped. {advice}"
                )
            if isinstance(result, CallToolResult):
                result = pages.compact(result)
                self._refuse_floods(tool, result)
            outcome = "ok"
            return result
        except UnexpectedToolError as error:
            outcome = "crash"
            raise _incident(name, error, request.request_id) from None
        except ToolError as error:
            if outcome == "cancelled":
                invalid = isinstance(error.__cause__, ValidationError)
                outcome = "invalid_arguments" if invalid else "error"
                # The text may hold the caller's data, which stays out of the log.
                reason = getattr(error.__cause__ or error, "reason", None)
            raise
        except MCPError:
            if outcome != UNKNOWN_TOOL:
                outcome = "protocol_error"
            raise
        finally:
            seconds = perf_counter() - started
            self.metrics.tool_calls.labels(tool, outcome).inc()
            self.metrics.tool_seconds.labels(tool).observe(seconds)
            ms = round(seconds * 1000, 1)
            tracing.came_to(span, outcome, failed=outcome != "ok")
            self.activity.note(tool, request.caller, outcome, reason, request.request_id, ms)
            audit.note(
                request,
                tool=tool,
                kind=self._kinds.get(name),
                outcome=outcome,
                **({"reason": reason} if reason else {}),
                ms=ms,
                upstream_calls=cost.upstream_calls,
                upstream_ms=round(cost.upstream_seconds * 1000, 1),
                arguments=audit.sizes(arguments, self._arguments_of(name)),
            )

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Any, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Like MCPServer's, which treats an unknown name as a crash: an internal error for the
        client, a traceback in the log."""
        if self._prompt_manager.get_prompt(name) is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {name}")
        return await super().get_prompt(name, arguments, context)

    def _arguments_of(self, name: str) -> dict[str, Any]:
        tool = self._tool_manager.get_tool(name)
        return tool.parameters.get("properties", {}) if tool else {}

    def _refuse_floods(self, tool: str, result: CallToolResult) -> None:
        if (size := pages.size(result)) > pages.MOST_BYTES:
            self.metrics.answers_refused.labels(tool).inc()
            advice = "Ask for less: a smaller limit, a narrower filter, one item."
            if self._kinds[tool] != "read":
                advice = "The request was carried out anyway: do not repeat it."
            raise _Flood(
                f"The answer has {size // 1000} kB, more than the {pages.MOST_BYTES // 1000} kB "
                f"that fit. {advice}"
            )


class _Flood(ToolError):
    """An answer that would fill the model's context."""

    reason = "too_large"


def _request(context: Context[Any, Any] | None) -> audit.Request:
    try:
        request = context.request_context.request if context is not None else None
    except ValueError:  # a call from inside, without a request
        request = None
    return audit.request_of(request.scope if request is not None else {})


def _incident(tool: str, error: UnexpectedToolError, request_id: str) -> ToolError:
    """The model's message about a crash: no internals, only an id to find it in the log."""
    incident = uuid4().hex[:12]
    where = {"tool": tool, "incident": incident, "request_id": request_id}
    logger.error("tool crashed", exc_info=error.__cause__, extra=where)
    return ToolError(
        f"Error executing tool {tool}: an internal error, logged as incident {incident}. "
        "Retrying may help; if it does not, report this id."
    )
