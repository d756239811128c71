"""Which gateways answer, and the report on their certificate."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops import gateways
from ops.stack import StackError
from tests.support.gateway import platforms_certificate


@pytest.fixture
def door():
    """A way in that takes connections; the addresses around it refuse them."""
    with socket.create_server(("127.0.0.3", 0)) as server:
        yield f"https://127.0.0.3:{server.getsockname()[1]}"


def test_the_first_that_answers_is_given_to_clients(door):
    lost = door.replace("127.0.0.3", "127.0.0.2")
    assert gateways.living([lost, door]) == door
    assert gateways.living([door, lost]) == door
    assert gateways.living([lost, lost + "/"]) == lost


def test_each_way_in_is_told_with_what_it_says(door):
    lost = door.replace("127.0.0.3", "127.0.0.2")
    said = gateways.lines({"gateway_urls": [lost, door]})
    assert [line.split()[:2] for line in said] == [["gateway", lost], [door, "answers"]]
    assert "refused" in said[0]


def test_a_name_that_leads_nowhere_is_no_crash():
    assert gateways.silence("https://nowhere.invalid:8443")


OURS = {
    "ends": "2027-11-25T12:00:00+00:00",
    "renew_from": "2027-07-27T00:00:00+00:00",
    "renewed_by": "pulumi up",
}
OWN = {**OURS, "renewed_by": "you"}


@pytest.mark.parametrize(
    ("certificate", "today", "said"),
    [
        (OURS, "2027-07-26", "ends on 2027-11-25; `pulumi up` renews it from 2027-07-27"),
        (OURS, "2027-07-27", "ends on 2027-11-25: run `pulumi up` now"),
        (OURS, "2027-11-26", "ended on 2027-11-25, clients refuse it: run `pulumi up`"),
        (OWN, "2027-07-26", "ends on 2027-11-25; replace it from 2027-07-27"),
        (OWN, "2027-07-28", "ends on 2027-11-25: give `gateway` a new one now"),
        (OWN, "2027-11-26", "ended on 2027-11-25, clients refuse it: give `gateway` a new one"),
    ],
)
def test_the_certificates_end_is_told_with_what_to_do(certificate, today, said):
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    assert gateways.validity(certificate, now) == said


def test_a_platform_of_an_earlier_version_has_no_such_line(door):
    assert len(gateways.lines({"gateway_urls": [door]})) == 1
    assert len(gateways.lines({"gateway_urls": [door], "gateway_certificate": OWN})) == 2


class Told(HTTPServer):
    """A gateway's health page over TLS. states: its answers, one after the other."""

    def __init__(self, pem: str) -> None:
        self.states: list[dict[str, int]] = []
        super().__init__(("127.0.0.1", 0), Health)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def outputs(self) -> dict[str, object]:
        url = f"https://127.0.0.1:{self.server_port}"
        return {"gateway_urls": [url], "mcp_endpoints": {"github": "…", "ai_memory": "…"}}


class Health(BaseHTTPRequestHandler):
    server: Told

    def do_GET(self) -> None:
        states = self.server.states
        said = states.pop(0) if len(states) > 1 else states[0]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok", "healthy_replicas": said}).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def told(tmp_path) -> Iterator[Told]:
    (tmp_path / "pem").write_text(platforms_certificate()[0])
    with Told(str(tmp_path / "pem")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_platform_is_up_once_clients_get_through(told):
    told.states = [{"ai_memory": 0}, {"ai_memory": 0, "github": 2}, {"ai_memory": 1, "github": 2}]
    lines: list[str] = []
    gateways.wait(told.outputs(), lines.append, 30)
    ways = [line.rpartition(": ")[2] for line in lines]
    assert ways == ["no healthy replica of ai_memory, github", "no healthy replica of ai_memory"]


def test_an_address_is_called_directly_whatever_proxy_this_network_has(told, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    told.states = [{"ai_memory": 1, "github": 1}]
    gateways.wait(told.outputs(), print, 0)


def test_a_server_that_clients_do_not_reach_is_a_failure(told):
    told.states = [{"ai_memory": 1, "github": 0}]
    with pytest.raises(StackError, match=r"no healthy replica of github.*make status"):
        gateways.wait(told.outputs(), print, 0)


def test_a_gateway_that_does_not_answer_is_a_failure(door):
    outputs = {"gateway_urls": [door.replace("127.0.0.3", "127.0.0.2")], "mcp_endpoints": {}}
    with pytest.raises(StackError, match=r"no answer .*refused"):
        gateways.wait(outputs, print, 0)


def test_a_name_that_does_not_resolve_here_is_no_failure():
    outputs = {"gateway_urls": ["https://nowhere.invalid"], "mcp_endpoints": {"github": "…"}}
    gateways.wait(outputs, print, 0)
