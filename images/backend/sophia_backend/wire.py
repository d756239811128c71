"""One JSON-RPC request to one replica, in protocol 2026-07-28, which needs no handshake.

The SDK's client reads answers of any length, and doesn't say whether a failed request was sent.
Both matter here.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx2
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_METHOD_HEADER, MCP_NAME_HEADER, MCP_PROTOCOL_VERSION_HEADER
from mcp.shared.inbound import encode_header_value as encoded
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INTERNAL_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ProgressNotificationParams,
)
from pydantic import ValidationError

NAME, VERSION = "sophia-backend", "1.0.0"
PROTOCOL = "2026-07-28"
MOST_BYTES = 2 * 1024 * 1024
"""For an answer. The longest list of tools has 120 kB; a server refuses results above 100 kB."""
MOST_CONNECTIONS = 100
"""To the replicas of one server: a slow server delays only its own callers."""

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no CA. Loading CAs takes 40 ms for each client."""
_SILENCE_S = 45.0
"""A server that works on a call sends a ping every 15 s."""

Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class Fault(Exception):
    """There is no answer. The text says why, and holds no caller's data."""


class Unsent(Fault):
    """The request did not reach a tool: another replica may be tried."""


class Unreached(Unsent):
    """No connection to the replica."""


class Lost(Fault):
    """The connection failed before the answer: the request may have had its effect."""


class Late(Fault):
    """No answer in time: the request may have had its effect."""


class Unusable(Fault):
    """An answer that is not MCP, or is too long."""


class TooLong(Unusable):
    """An answer that is longer than is read."""


def http_client() -> httpx2.AsyncClient:
    """To replicas, without TLS: the network between nodes is encrypted."""
    return httpx2.AsyncClient(
        verify=_NO_TLS,
        trust_env=False,
        headers={"User-Agent": f"{NAME}/{VERSION}", "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(10, connect=1, read=_SILENCE_S),
        # Below the servers' own keep-alive, so that servers never close first.
        limits=httpx2.Limits(
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=MOST_CONNECTIONS,
            keepalive_expiry=30,
        ),
    )


async def ask(
    http: httpx2.AsyncClient,
    url: str,
    method: str,
    params: Mapping[str, Any],
    *,
    headers: Mapping[str, str],
    seconds: float,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The result. progress: gets the server's notifications while it works.

    Raises:
        Fault: there is none.
        MCPError: the server answered with an error.
    """
    meta: dict[str, Any] = {
        PROTOCOL_VERSION_META_KEY: PROTOCOL,
        CLIENT_INFO_META_KEY: {"name": NAME, "version": VERSION},
        CLIENT_CAPABILITIES_META_KEY: {},
    }
    if progress is not None:
        meta["progressToken"] = 1
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    sent = {
        **headers,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        MCP_PROTOCOL_VERSION_HEADER: PROTOCOL,
        MCP_METHOD_HEADER: method,
    }
    if "name" in params:
        sent[MCP_NAME_HEADER] = encoded(params["name"])
    body = json.dumps(message, separators=(",", ":")).encode()
    try:
        async with (
            asyncio.timeout(seconds),
            http.stream("POST", url, content=body, headers=sent) as got,
        ):
            if got.status_code == 503:  # refused before anything was done
                raise Unsent("it is too busy")
            answer = await _answer(got, progress)
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise Unreached("it can't be reached") from error
    except httpx2.PoolTimeout as error:
        raise Unsent(f"{MOST_CONNECTIONS} calls to it are in flight") from error
    except TimeoutError as error:
        raise Late(f"no answer within {seconds:g} s") from error
    except httpx2.TimeoutException as error:
        raise Late(f"nothing was heard for {_SILENCE_S:g} s") from error
    except httpx2.SSEError as error:
        raise Unusable("its answer is not a stream of events, or too long") from error
    except httpx2.TransportError as error:
        raise Lost("the connection broke before the answer") from error
    return _result(answer, got.status_code)


async def read(response: httpx2.Response, most: int = MOST_BYTES) -> Any:
    """The JSON of an answer. Raises Unusable: it isn't JSON; TooLong: it has more bytes."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > most:
            raise TooLong(f"its answer is longer than {most} bytes")
    try:
        return _parsed(content)
    except (ValueError, RecursionError):
        raise Unusable(f"its answer is not JSON (HTTP status {response.status_code})") from None


async def _answer(response: httpx2.Response, progress: Progress | None) -> Any:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        return await read(response)
    async for event in httpx2.EventSource(response, MOST_BYTES):
        try:
            said = _parsed(event.data)
        except (ValueError, RecursionError):
            raise Unusable("an event of its answer is not JSON") from None
        if not isinstance(said, dict):
            raise Unusable("an event of its answer is not a message")
        if "method" not in said:
            return said
        if progress and said["method"] == "notifications/progress":
            with suppress(ValidationError):
                told = ProgressNotificationParams.model_validate(said.get("params"), by_name=False)
                await progress(told.progress, told.total, told.message)
    raise Lost("the stream ended before the answer")


def _parsed(text: str | bytearray) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def _result(answer: Any, status: int) -> dict[str, Any]:
    if isinstance(answer, dict):
        result, error = answer.get("result"), answer.get("error")
        if isinstance(result, dict):
            return result
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            code = error.get("code")
            code = code if isinstance(code, int) else INTERNAL_ERROR
            raise MCPError(code, error["message"], error.get("data"))
    raise Unusable(f"its answer is not MCP (HTTP status {status})")
