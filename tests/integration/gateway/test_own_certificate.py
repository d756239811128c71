"""Three gateways behind one DNS name, with a certificate of the operator's own."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import replace

import pytest

from components.plan import gateway as plan
from tests.support.certificates import issue
from tests.support.docker import docker
from tests.support.gateway import address, trusting, write_files

pytestmark = pytest.mark.containers

NAME = "mcp.example.com"
HERE = "/mcp/ai_memory"


@pytest.fixture(scope="module")
def managers(gateway, tmp_path_factory):
    """One gateway a manager; clients know the root of the chain only."""
    root = issue("Root")
    own = issue(NAME, issue("Middle", root), dns=(NAME,), told_issuer=True)
    folder = tmp_path_factory.mktemp("own")
    write_files(folder, gateway.prefix, own.chain + own.key_pem, [NAME])
    made = [replace(gateway, folder=folder, host=NAME, trust=trusting(root.pem)) for _ in range(3)]
    for one in made:
        one.start()
    return made


@pytest.fixture
def call(managers, monkeypatch):
    """One call by the name, as a client makes it that tries each of the name's addresses."""
    addresses = [address(one.name) for one in managers]
    look_up = socket.getaddrinfo

    def resolved(host, port, *given, **named):
        if host != NAME:
            return look_up(host, port, *given, **named)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)

    def made(trust=managers[0].trust):
        connection = http.client.HTTPSConnection(NAME, plan.PORT, timeout=5, context=trust)
        headers = {"Host": NAME, "Authorization": f"Bearer {managers[0].token}"}
        connection.request("POST", HERE, body=b"{}", headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    return made


def test_a_client_that_knows_the_root_alone_gets_the_whole_chain(call, gateway):
    assert call() == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        call(trust=gateway.trust)


def test_calls_go_on_when_two_managers_are_lost(call, managers):
    for one in managers[:2]:
        docker("kill", one.name)
    assert [call() for _ in range(3)] == [200] * 3
