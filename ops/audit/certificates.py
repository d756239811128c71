"""When certificates expire: the gateway's as clients see it, and those on the nodes."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from ops.audit.findings import Check
from ops.audit.nodes import Node
from providers.swarm.certificate import separate

LEFT = {
    "/etc/docker/certs.d/": timedelta(days=30),
    # Swarm renews them after half to four fifths of their 90 days.
    "/var/lib/docker/swarm/certificates/": timedelta(days=9),
}
"""The least remaining time of a certificate, by folder."""
GATEWAY = timedelta(days=21)
CA = timedelta(days=365)
_ANSWER = 10.0


def of_nodes(nodes: Sequence[Node], now: datetime) -> Check:
    """Pure."""
    problems = {node.name: list(_ending(node, now)) for node in nodes}
    return Check("certificates-nodes", "certificates on nodes have time", problems)


def _ending(node: Node, now: datetime) -> Iterator[str]:
    for part in node.text("certificates").split("file ")[1:]:
        path, _, pem = part.partition("\n")
        least = next(time for folder, time in LEFT.items() if path.startswith(folder))
        yield from late(path, pem, now, least)


def late(what: str, pem: str, now: datetime, least: timedelta) -> Iterator[str]:
    """Yields a problem if less than `least` remains. Pure."""
    try:
        # Of a chain the first: those above it have their own check.
        ends = x509.load_pem_x509_certificates(pem.encode())[0].not_valid_after_utc
    except (ValueError, IndexError):
        yield f"{what}: no certificate"
        return
    if ends - now < least:
        left = (ends - now).days
        yield f"{what}: ends on {ends:%Y-%m-%d}, in {left} days, expected {least.days} at least"


def of_the_gateway(outputs: Mapping[str, Any], now: datetime) -> Check:
    """At each of its addresses, and its CA; while a former one is kept, that one signs."""
    problems = {}
    for url in outputs["gateway_urls"]:
        pem = _shown(url)
        problems[url] = list(late("the certificate", pem, now, GATEWAY)) if pem else ["no answer"]
    problems["ca_certificate"] = list(of_authorities(outputs, now))
    return Check("certificates-gateway", "the gateway's certificate has time", problems)


def of_authorities(outputs: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yields a problem for each CA of the stack's own that ends within a year. Pure."""
    kept = ("the gateway's CA", "the gateway's former CA")
    for called, pem in zip(kept, separate(outputs.get("ca_certificate") or ""), strict=False):
        yield from late(called, pem, now, CA)


def _shown(url: str) -> str:
    """The certificate in PEM, "" without an answer."""
    where = urlsplit(url)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    host = where.hostname or ""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, where.port or 443), timeout=_ANSWER) as raw,
        anybody.wrap_socket(raw, server_hostname=host) as shown,
    ):
        return ssl.DER_cert_to_PEM_cert(shown.getpeercert(binary_form=True) or b"")
    return ""
