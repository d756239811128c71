"""A service on the network, played by one server's tests: its answers, and how it is called."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from mcp.server.mcpserver.tools.base import Tool
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from tests.support import upstream
from tests.support.tool_calls import Tools, tools_of
from tests.support.upstream import Answers, Service


@dataclass(frozen=True)
class StandIn:
    """server: the folder's name. address: the setting that the service's address is given by;
    below: the path that the API has there. settings: what else the server needs, credentials too,
    with everything allowed.

    routes: a good answer for each address that a tool asks, by `METHOD /path`.
    calls: for each tool, the arguments of a call that those answers serve. alone: the same for the
    tools that ask the service nothing.
    hidden: texts, besides the credentials, that no answer, error or log line may contain.
    """

    server: str
    address: str
    settings: Mapping[str, str]
    routes: Mapping[str, Answers]
    calls: Mapping[str, Mapping[str, Any]]
    below: str = ""
    alone: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @contextmanager
    def serving(self) -> Iterator[Service]:
        """The service, with its good answers."""
        with upstream.serving() as service:
            service.routes.update(self.routes)
            yield service

    @asynccontextmanager
    async def connected(self, service: Service, **changed: str) -> AsyncIterator[Tools]:
        """The server's tools, on that service. changed: settings; "" takes one away."""
        async with tools_of(self.built(service, **changed)) as tools:
            yield tools

    def built(self, service: Service, **changed: str) -> Server:
        """The server, on that service."""
        given = {self.address: f"{service.url}{self.below}", **self.settings, **changed}
        environment = {name: value for name, value in given.items() if value}
        module = importlib.import_module(f"mcp_catalog.{self.server}.server")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Tool, "from_function", _from_function)
            server: Server = module.build(read_settings(self.server, environment))
        return server


_read: dict[object, Tool] = {}
_original = Tool.from_function


def _from_function(function: Callable[..., Any], **given: Any) -> Tool:
    """The SDK's, but what a method's signature says is read once a process: it takes milliseconds,
    and tests build a server hundreds of times."""
    if not inspect.ismethod(function):
        return _original(function, **given)
    key = function.__func__, repr(sorted(given.items()))
    if key not in _read:
        _read[key] = _original(function, **given)
    return _read[key].model_copy(update={"fn": function})
