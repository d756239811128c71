"""Whether clients get through: every server, through every gateway, as an MCP client calls it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ops import gateways
from ops.stack import StackError

PATIENCE = 120.0
"""Seconds until all of them answer: an `up` may have just moved replicas."""
_ANSWER = 20.0
"""Seconds for one server to answer."""

Say = Callable[[str], None]


def verify(
    outputs: Mapping[str, Any], urls: Sequence[str], say: Say, seconds: float = PATIENCE
) -> None:
    """Lists every server's tools through every gateway, and those of all servers as one.

    outputs: of the stack; urls: its gateways.

    Raises StackError with all that don't answer after `seconds`.
    """
    if not urls or not outputs["mcp_endpoints"]:
        raise StackError("nothing to verify: the stack's outputs name no gateway or no server")
    known = [url for url in urls if _resolves(url)]
    for url in urls:
        if url not in known:
            say(f"{url}: not checked, the name does not resolve here")
    if not known:
        raise StackError(f"none of the gateways' names resolves here: {', '.join(urls)}")
    ends = time.monotonic() + seconds
    gateways.wait({**outputs, "gateway_urls": known}, say, seconds)
    while failures := asyncio.run(_failures(outputs, known, say)):
        if time.monotonic() > ends:
            told = "\n  ".join(failures)
            raise StackError(f"clients don't get through after {seconds:.0f} s:\n  {told}")
        time.sleep(1)


def deployed_now(environment: Mapping[str, str]) -> None:
    """Raises StackError in a workflow whose failed jobs alone are run again: a rollback has put
    another commit in the place of this run's, which would be taken for a good one."""
    deployed = environment.get("DEPLOYED_IN_ATTEMPT")
    if deployed and deployed != environment.get("GITHUB_RUN_ATTEMPT"):
        raise StackError("this run's commit is not deployed any more: press `Re-run all jobs`")


async def _failures(outputs: Mapping[str, Any], urls: Sequence[str], say: Say) -> list[str]:
    """All of them at once: one after another, silent ones would outlast the job."""
    paths = ["mcp", *(f"mcp/{server}" for server in sorted(outputs["mcp_endpoints"]))]
    calls = [_call(outputs, f"{gateway}/{path}") for gateway, path in product(urls, paths)]
    told = await asyncio.gather(*calls)
    failures = [line for line, well in told if not well]
    if not failures:
        for line, _ in told:
            say(line)
    return failures


async def _call(outputs: Mapping[str, Any], url: str) -> tuple[str, bool]:
    """What to tell of one address, and whether its tools were listed."""
    refusals = list[str]()
    try:
        async with asyncio.timeout(_ANSWER), _client(outputs, url, refusals) as client:
            tools = (await client.list_tools()).tools
    except Exception as error:
        return f"{url}: {''.join(refusals[-1:]) or _reason(error)}", False
    if not tools:
        return f"{url}: no tools", False
    as_one = urlsplit(url).path == "/mcp"
    return f"{url}: {'all servers as one' if as_one else f'{len(tools)} tools'}", True


@asynccontextmanager
async def _client(
    outputs: Mapping[str, Any], url: str, refusals: list[str]
) -> AsyncIterator[Client]:
    """refusals: collects the status of each error answer, which the client doesn't report."""
    name = _name_for(outputs, url)

    async def by_name(request: httpx2.Request) -> None:
        if name:
            request.headers["Host"] = name
            request.extensions = {**request.extensions, "sni_hostname": name}

    async def note(response: httpx2.Response) -> None:
        if response.is_error:
            refusals.append(f"HTTP {response.status_code} {response.reason_phrase}")

    async with (
        httpx2.AsyncClient(
            verify=ssl.create_default_context(cadata=outputs["ca_certificate"] or None),
            headers={"Authorization": f"Bearer {outputs['gateway_token']}"},
            event_hooks={"request": [by_name], "response": [note]},
            timeout=_ANSWER,
            trust_env=not gateways.is_address(url),
        ) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def _name_for(outputs: Mapping[str, Any], url: str) -> str:
    """The name by which to call a gateway whose address isn't in the operator's certificate."""
    own = not outputs["ca_certificate"]
    return (
        str(urlsplit(outputs["gateway_url"]).hostname) if own and gateways.is_address(url) else ""
    )


def _resolves(url: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except OSError:
        return False
    return True


def _reason(error: BaseException) -> str:
    """The cause inside nested exception groups, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"no answer within {_ANSWER:.0f} s"
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0]
