"""An MCP server whose tool calls are measured and whose crashes can be found in the logs."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any
from uuid import uuid4

from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError

from .metrics import Metrics

logger = logging.getLogger(__name__)

Tool = Callable[..., Awaitable[Any]]
Lifespan = Callable[[MCPServer[Any]], AbstractAsyncContextManager[Any]]
Check = Callable[[], Awaitable[None]]

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)


class Server(MCPServer[Any]):
    """MCPServer plus metrics, a dependency check, and errors that say where to look.

    tools: pairs of an async function and its annotations; name, description, input and output
        schema are read from the function.
    lifespan: entered once a process; what it yields is `ctx.request_context.lifespan_context`.
    check: raises `DependencyError` while what the server needs does not answer.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str,
        instructions: str,
        tools: Sequence[tuple[Tool, ToolAnnotations]],
        lifespan: Lifespan | None = None,
        check: Check | None = None,
    ) -> None:
        # Any replica answers any request, so there is nobody to publish changes to.
        super().__init__(
            name, title=title, instructions=instructions, lifespan=lifespan, subscriptions=False
        )
        self.metrics = Metrics(name)
        self.check = check
        for tool, annotations in tools:
            self.add_tool(tool, annotations=annotations)
        self._tool_names = frozenset(tool.__name__ for tool, _ in tools)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """As MCPServer's, but counted, timed, and a crash's traceback logged with an id."""
        tool = name if name in self._tool_names else "unknown"
        started = perf_counter()
        outcome, reason = "cancelled", {}
        try:
            result = await super().call_tool(name, arguments, context)
            outcome = "ok"
            return result
        except UnexpectedToolError as error:
            outcome = "crash"
            raise _incident(name, error) from None
        except ToolError as error:
            invalid = isinstance(error.__cause__, ValidationError)
            # A refused argument's value is the caller's data and stays out of the log.
            outcome = "invalid_arguments" if invalid else "error"
            reason = {} if invalid else {"error": str(error)[:500]}
            raise
        except MCPError:
            outcome = "protocol_error"
            raise
        finally:
            seconds = perf_counter() - started
            self.metrics.tool_calls.labels(tool, outcome).inc()
            self.metrics.tool_seconds.labels(tool).observe(seconds)
            measured = {"tool": name[:100], "outcome": outcome, "ms": round(seconds * 1000, 1)}
            logger.info("tool call", extra=measured | reason)


def _incident(tool: str, error: UnexpectedToolError) -> ToolError:
    """What the model is told of a crash: nothing from inside, but an id to find it by."""
    incident = uuid4().hex[:12]
    logger.error(
        "tool crashed", exc_info=error.__cause__, extra={"tool": tool, "incident": incident}
    )
    return ToolError(
        f"Error executing tool {tool}: an internal error, logged as incident {incident}. "
        "Retrying may help; if it does not, report this id."
    )
