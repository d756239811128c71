"""Which ports may answer, and which do, over real connections."""

from __future__ import annotations

import socket

from ops.audit import ports
from ops.audit.nodes import Node

LISTENING = """\
LISTEN 0      128          0.0.0.0:22         0.0.0.0:*
LISTEN 0      4096       127.0.0.1:5432       0.0.0.0:*
LISTEN 0      4096               *:7946             *:*
LISTEN 0      4096           [::1]:631           [::]:*
LISTEN 0      4096   192.0.2.5%eth0:53        0.0.0.0:*
"""


def outputs(address: str, gateway: int) -> dict[str, object]:
    return {
        "gateway_url": f"https://{address}:{gateway}",
        "nodes": {
            "manager-1": {"role": "manager", "address": address},
            "worker-1": {"role": "worker", "address": address},
        },
    }


def test_the_plan_opens_ssh_and_on_managers_the_gateway():
    assert ports.planned(outputs("192.0.2.1", 8443)) == {
        "manager-1": {22, 8443},
        "worker-1": {22},
    }
    named = outputs("192.0.2.1", 1) | {"gateway_url": "https://mcp.example.com"}
    assert ports.planned(named)["manager-1"] == {22, 443}


def test_what_listens_for_the_node_alone_is_left_out():
    assert ports.listening(Node("olga", "worker", {"listening": LISTENING})) == {22, 7946, 53}


def test_a_port_that_answers_beside_the_plans_is_a_finding():
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        line = f"LISTEN 0 1 0.0.0.0:{port} 0.0.0.0:*\n"
        node = Node("worker-1", "worker", {"listening": line})
        told = ports.checked(outputs("127.0.0.1", 8443), [node]).problems
        assert f"port {port} answers" in told["worker-1"]
        assert f"port {port} answers" not in told["manager-1"], "not asked there"
        allowed = ports.checked(outputs("127.0.0.1", port), [node]).problems
        assert f"port {port} answers" in allowed["worker-1"], "it has no gateway"
    assert "not even ssh answers: nothing is known" in allowed["worker-1"]
    gone = ports.checked(outputs("127.0.0.1", 8443), [node]).problems
    assert f"port {port} answers" not in gone["worker-1"]
