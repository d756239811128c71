"""How much time certificates have, on nodes and at the gateway."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ops.audit import certificates
from ops.audit.nodes import Node
from tests.support.certificates import issue

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def ending(days: float) -> str:
    starts, ends = NOW - timedelta(days=90), NOW + timedelta(days=days)
    return issue("node", starts=starts, ends=ends).pem


def told(*files: tuple[str, str]) -> list[str]:
    text = "".join(f"file {path}\n{pem}" for path, pem in files)
    (problems,) = certificates.of_nodes(
        [Node("olga", "worker", {"certificates": text})], NOW
    ).problems.values()
    return list(problems)


SWARM = "/var/lib/docker/swarm/certificates/swarm-node.crt"
REGISTRY = "/etc/docker/certs.d/registry.example:5000/ca.crt"


def test_each_kind_has_a_time_of_its_own():
    assert told((SWARM, ending(10)), (REGISTRY, ending(31))) == []
    assert told((SWARM, ending(8)), (REGISTRY, ending(29))) == [
        f"{SWARM}: ends on 2026-12-05, in 8 days, expected 9 at least",
        f"{REGISTRY}: ends on 2026-12-26, in 29 days, expected 30 at least",
    ]
    assert told((SWARM, ending(-1)))[0].endswith(
        "ends on 2026-11-26, in -1 days, expected 9 at least"
    )


def test_of_a_chain_the_first_counts_and_what_is_none_is_told():
    assert told((SWARM, ending(10) + ending(1))) == []
    assert told((SWARM, "nothing\n")) == [f"{SWARM}: no certificate"]


def test_the_gateways_is_the_one_that_it_shows(tmp_path):
    made = issue("gateway", ends=datetime.now(UTC) + timedelta(days=20))
    (tmp_path / "both.pem").write_text(made.pem + made.key_pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    outputs = {"gateway_urls": [url], "ca_certificate": made.pem}
    try:
        soon = certificates.of_the_gateway(outputs, datetime.now(UTC)).problems
        early = certificates.of_the_gateway(outputs, datetime.now(UTC) - timedelta(days=2)).problems
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert "expected 21 at least" in soon[url][0]
    assert early[url] == []
    assert "expected 365 at least" in soon["ca_certificate"][0]
    assert certificates.of_the_gateway(outputs, NOW).problems[url] == ["no answer"]


def test_a_former_ca_that_is_kept_is_the_one_that_signs():
    outputs = {"gateway_urls": [], "ca_certificate": ending(3000) + ending(300)}
    assert certificates.of_the_gateway(outputs, NOW).problems == {
        "ca_certificate": [
            "the gateway's former CA: ends on 2027-09-23, in 300 days, expected 365 at least"
        ],
    }
