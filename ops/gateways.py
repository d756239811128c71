"""The gateways of a platform that is up: which of them answer, for which servers, and until when
clients trust them."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ops.stack import StackError

_CONNECT = 2.0
"""Seconds for a gateway to accept a connection."""
_ANSWER = 10.0
"""Seconds for a gateway to report on its servers."""


def silence(url: str) -> str:
    """Why nothing accepts connections there, or ""."""
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname, where.port or 443), timeout=_CONNECT).close()
    except OSError as error:
        return str(error)
    return ""


def is_address(url: str) -> bool:
    """Whether it names a machine by its address, which is called directly, as by ssh: a company's
    proxy knows no nodes of a simulated cloud."""
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


def living(urls: Sequence[str]) -> str:
    """The first that answers; the very first if none does."""
    return next((url for url in urls if not silence(url)), urls[0])


def lines(outputs: Mapping[str, Any]) -> list[str]:
    """Every gateway, and the certificate's end."""
    found = []
    for number, url in enumerate(outputs["gateway_urls"]):
        reason = silence(url)
        state = f"no answer ({reason})" if reason else "answers"
        found.append(f"{'' if number else 'gateway':<12} {url:<32} {state}")
    if certificate := outputs.get("gateway_certificate"):
        found.append(f"{'certificate':<12} {validity(certificate, datetime.now(UTC))}")
    return found


def lacking(url: str, servers: Collection[str]) -> str:
    """Servers without a healthy replica at a gateway, or why it doesn't answer; "" if all is well.

    A name that doesn't resolve on this machine proves nothing.
    """
    # Nothing secret is sent, and the operator's CA may be trusted only by clients.
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=anybody)]
    if is_address(url):
        handlers.append(urllib.request.ProxyHandler({}))
    asking = urllib.request.build_opener(*handlers)
    try:
        with asking.open(f"{url}/health", timeout=_ANSWER) as answer:
            replicas: dict[str, int] = json.load(answer)["healthy_replicas"]
    except (OSError, ValueError, KeyError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return "" if isinstance(reason, socket.gaierror) else f"no answer ({reason})"
    without = sorted(server for server in servers if not replicas.get(server))
    return f"no healthy replica of {', '.join(without)}" if without else ""


def wait(outputs: Mapping[str, Any], progress: Callable[[str], None], seconds: float) -> None:
    """Waits until every gateway has a healthy replica of each server. outputs: of the stack.

    A node that joins or leaves can disturb other nodes' replicas after they have been checked.
    Raises StackError with what is still missing at the end.
    """
    ends, told = time.monotonic() + seconds, ""
    urls, servers = outputs["gateway_urls"], outputs["mcp_endpoints"]
    while missing := "; ".join(f"{url}: {why}" for url in urls if (why := lacking(url, servers))):
        if time.monotonic() > ends:
            raise StackError(
                f"the stack is up, but clients don't get through after {seconds:.0f} s: {missing}. "
                "`make status` and `make logs SERVICE=…` show why; `make up` repairs what it can"
            )
        if told != (told := missing):
            progress(f"waiting: {missing}")
        time.sleep(1)


def validity(certificate: Mapping[str, str], now: datetime) -> str:
    """When it ends, and who renews it when.

    certificate: `ends`, `renew_from` (ISO 8601), `renewed_by`.
    """
    ends = datetime.fromisoformat(certificate["ends"])
    due = datetime.fromisoformat(certificate["renew_from"])
    own = certificate["renewed_by"] == "you"
    todo = "give `gateway` a new one" if own else f"run `{certificate['renewed_by']}`"
    if now >= ends:
        return f"ended on {ends:%Y-%m-%d}, clients refuse it: {todo}"
    if now >= due:
        return f"ends on {ends:%Y-%m-%d}: {todo} now"
    renewed = "replace it" if own else f"`{certificate['renewed_by']}` renews it"
    return f"ends on {ends:%Y-%m-%d}; {renewed} from {due:%Y-%m-%d}"
