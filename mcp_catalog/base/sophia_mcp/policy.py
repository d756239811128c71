"""Pure: which of a server's tools exist, by what they do and what the operator allows."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mcp_types import ToolAnnotations

from .errors import SettingError
from .settings import Settings

Function = Callable[..., Awaitable[Any]]
Kind = Literal["read", "write", "destroy"]


@dataclass(frozen=True)
class Tool:
    """An async function as a tool: name, description and schemas are read from it.

    repeatable: doing it twice is the same as doing it once.
    """

    function: Function
    kind: Kind
    repeatable: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def description(self) -> str:
        """The docstring, without the indentation of its source."""
        return inspect.getdoc(self.function) or ""

    def annotations(self, open_world: bool) -> ToolAnnotations:
        """Hints for clients, to decide whether to ask a person first."""
        if self.kind == "read":
            return ToolAnnotations(read_only_hint=True, open_world_hint=open_world)
        return ToolAnnotations(
            read_only_hint=False,
            destructive_hint=self.kind == "destroy",
            idempotent_hint=self.repeatable,
            open_world_hint=open_world,
        )


def reads(function: Function) -> Tool:
    """A tool that changes nothing."""
    return Tool(function, "read")


def writes(function: Function, *, repeatable: bool = False) -> Tool:
    """A tool that adds or changes something; exists only if writes are allowed."""
    return Tool(function, "write", repeatable)


def destroys(function: Function, *, repeatable: bool = False) -> Tool:
    """A tool whose effect can't be undone; exists only if it is also named."""
    return Tool(function, "destroy", repeatable)


@dataclass(frozen=True)
class Policy:
    """What the operator allows.

    writes: tools that change something. destructive: names of those that may also destroy.
    allow: only these tools, all if empty. deny: not these.
    """

    writes: bool = False
    destructive: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


def read_policy(settings: Settings) -> Policy:
    """From MCP_ALLOW_WRITES (false), MCP_ALLOW_DESTRUCTIVE, MCP_TOOLS_ALLOW and MCP_TOOLS_DENY
    (names with commas between them, none by default).

    Raises:
        SettingError: a flag is neither true nor false.
    """
    return Policy(
        writes=settings.flag("MCP_ALLOW_WRITES"),
        destructive=settings.texts("MCP_ALLOW_DESTRUCTIVE"),
        allow=settings.texts("MCP_TOOLS_ALLOW"),
        deny=settings.texts("MCP_TOOLS_DENY"),
    )


def offered(tools: Sequence[Tool], policy: Policy) -> list[Tool]:
    """The tools that exist under a policy, in their order.

    Raises:
        SettingError: it names unknown tools; all of them in one line.
    """
    every = [tool.name for tool in tools]
    destructive = [tool.name for tool in tools if tool.kind == "destroy"]
    faults = [
        *_unknown("MCP_ALLOW_DESTRUCTIVE", policy.destructive, destructive, "destructive tools"),
        *_unknown("MCP_TOOLS_ALLOW", policy.allow, every, "tools"),
        *_unknown("MCP_TOOLS_DENY", policy.deny, every, "tools"),
    ]
    if faults:
        raise SettingError("; ".join(faults))
    return [tool for tool in tools if _is_allowed(tool, policy)]


def _is_allowed(tool: Tool, policy: Policy) -> bool:
    if tool.name in policy.deny or (policy.allow and tool.name not in policy.allow):
        return False
    named = tool.kind != "destroy" or tool.name in policy.destructive
    return tool.kind == "read" or (policy.writes and named)


def _unknown(variable: str, names: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    strange = [name for name in names if name not in known]
    if not strange:
        return []
    expected = ", ".join(sorted(known)) or "none: this server has none of them"
    return [f"{variable}: got {', '.join(strange)}, expected {what} among {expected}"]
