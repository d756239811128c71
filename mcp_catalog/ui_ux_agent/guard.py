"""What an audited page may load: by GET, from public addresses only, documents from allowed hosts.

The browser has no network. Each of its requests, also after a redirect, comes here; the name is
resolved once, all its addresses are checked, and one of those checked is connected to.
"""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import httpx2

from .chromium import Answer, Asked

MOST_REQUESTS, MOST_BYTES, MOST_BYTES_ALL = 200, 4_000_000, 20_000_000
"""Of one page."""

_KEPT = {"accept", "accept-language", "origin", "referer", "user-agent"}
_DROPPED = {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
_NEVER = {"Media", "Ping", "EventSource", "WebSocket", "CSPViolationReport"}
_EMBEDDING = [
    ipaddress.ip_network(one)
    for one in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")
]
"""Networks whose addresses lead to one of IPv4 that is written in them."""


class NotAllowed(Exception):
    """A request that is not made; the text says why."""


class Guard:
    """Of one page. hosts: whose documents may be loaded, like example.com, *.example.com or `*`."""

    def __init__(self, http: httpx2.AsyncClient, hosts: Sequence[str]) -> None:
        self._http, self._hosts = http, [host.lower().rstrip(".") for host in hosts]
        self._requests = self._bytes = 0
        self.refused: dict[str, str] = {}
        """Why, by address."""

    async def answer(self, asked: Asked) -> Answer | None:
        """The page's answer; None refuses the request, and `refused` has the reason."""
        try:
            return await self._fetched(asked)
        except (NotAllowed, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            self.refused[asked.url] = str(error) or type(error).__name__
            return None

    async def _fetched(self, asked: Asked) -> Answer:
        if asked.method != "GET" or asked.kind in _NEVER:
            raise NotAllowed(f"{asked.method} for {asked.kind}: pages only load, by GET")
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            raise NotAllowed(f"it asked for more than {MOST_REQUESTS} files")
        parts = urlsplit(asked.url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise NotAllowed("expected an http or https address without a user")
        if asked.kind == "Document" and not is_allowed(host, self._hosts):
            raise NotAllowed(f"{host} is not in UI_UX_ALLOWED_HOSTS")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await resolved(host, port)
        literal = f"[{address}]" if ":" in address else address
        pinned = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path or "/", parts.query, ""))
        headers = {name: value for name, value in asked.headers.items() if name.lower() in _KEPT}
        request = self._http.build_request(
            "GET",
            pinned,
            headers={**headers, "Host": parts.netloc, "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host},
        )
        answer = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            body = await self._body(answer)
        finally:
            await answer.aclose()
        kept = [one for one in answer.headers.multi_items() if one[0].lower() not in _DROPPED]
        return Answer(answer.status_code, kept, body)

    async def _body(self, answer: httpx2.Response) -> bytes:
        """Unpacked, and never more than fits."""
        packed = answer.headers.get("content-encoding", "identity").lower()
        unpack = zlib.decompressobj(wbits=47) if packed in ("gzip", "deflate") else None
        if unpack is None and packed != "identity":
            raise NotAllowed(f"it came as {packed}, which was not asked for")
        body = b""
        async for piece in answer.aiter_raw():
            body += piece if unpack is None else unpack.decompress(piece, MOST_BYTES + 1)
            self._bytes += len(piece)
            if len(body) > MOST_BYTES or self._bytes > MOST_BYTES_ALL:
                raise NotAllowed(f"it is larger than {MOST_BYTES // 1_000_000} MB, or all are")
        return body


def is_allowed(host: str, hosts: Sequence[str]) -> bool:
    """Whether it is one of those, or below one that begins with `*.`."""
    host = host.lower()
    return any(
        pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        for pattern in hosts
    )


async def resolved(host: str, port: int) -> str:
    """One of the host's addresses, all of which are public.

    Raises:
        NotAllowed: one is not.
        OSError: it has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise NotAllowed(f"{host} leads to {address}, which is not a public address")
    return addresses[0]


def is_public(address: str) -> bool:
    """Not private, loopback, link-local (the metadata of clouds), multicast or reserved."""
    parsed = ipaddress.ip_address(address)
    embedding = any(parsed in network for network in _EMBEDDING)
    return parsed.is_global and not parsed.is_multicast and not embedding
