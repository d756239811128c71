"""Which stores are sent to, what a shipper knows of each, and what it tells on /metrics: over real
HTTP, from Docker's files. That lines arrive is tests/integration/logs.
"""

from __future__ import annotations

import resource
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sophia_logs import metrics, ship
from sophia_logs.ship import Sender
from sophia_logs.store import Store

from tests.support.polling import until
from tests.unit.logs.test_follow import SECOND, Container

NAMES = {
    "192.0.2.4": "sophia-dev-logs.node1.task1.sophia-dev-logs",
    "192.0.2.5": "sophia-dev-logs.node2.task2.sophia-dev-logs",
}


class Played(Store):
    """A store that has nothing yet. status: what it answers to lines."""

    status = 200


@pytest.fixture
def store() -> Iterator[Played]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(store.status if self.path.startswith("/insert") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        store = Played("127.0.0.1", server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield store
        server.shutdown()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_how_much_a_store_took_and_how_old_that_is_is_told(container, store, tmp_path):
    sender = Sender(store, "manager-1", lambda line: line.text != "not wanted", tmp_path)
    now = time.time_ns()
    container.write("a\n", "b\n", "not wanted\n", at=now - 600 * SECOND)
    sender.look()
    assert sender.turn()
    told = sender.told("logs", "m")
    assert (told.sent, told.behind) == (2, pytest.approx(600, abs=30)), "there may be more"
    assert not sender.turn()
    assert sender.told("logs", "m").behind < 30


def test_a_store_that_refuses_is_further_behind_from_second_to_second(container, store, tmp_path):
    sender = Sender(store, "manager-1", lambda line: True, tmp_path)
    store.status = 507
    container.write("a\n", at=time.time_ns())
    sender.look()
    sender.start()
    until(lambda: sender.told("logs", "m").refused, lambda count: count > 0, "it is refused")
    first = sender.told("logs", "m")
    until(lambda: sender.told("logs", "m").behind, lambda s: s > first.behind + 0.5, "it waits")
    store.status = 200
    until(lambda: sender.told("logs", "m").sent, lambda count: count == 1, "it is sent")
    until(lambda: sender.told("logs", "m").behind, lambda s: s < 0.5, "all is there")
    sender.over.set()
    sender.join(10)


def test_prometheus_reads_what_is_told():
    one = metrics.Told("logs", "id1", sent=1_234_567, refused=2, dropped=0, behind=0.25)
    port = metrics.serve(
        lambda: metrics.text("worker-1", [one, replace(one, store="audit-log", sent=7)]), 0
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    told = {
        (sample.name, sample.labels["store"]): sample.value
        for family in families
        for sample in family.samples
        if (sample.labels["node"], sample.labels["manager"]) == ("worker-1", "id1")
    }
    assert told == {
        ("sophia_logs_lines_sent_total", "logs"): 1_234_567,
        ("sophia_logs_lines_sent_total", "audit-log"): 7,
        **{("sophia_logs_refusals_total", store): 2 for store in ("logs", "audit-log")},
        **{("sophia_logs_lines_dropped_total", store): 0 for store in ("logs", "audit-log")},
        **{("sophia_logs_behind_seconds", store): 0.25 for store in ("logs", "audit-log")},
    }


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What Docker's DNS tells of addresses."""
    known = dict(NAMES)

    def named(address: str) -> tuple[str, list[str], list[str]]:
        if address not in known:
            raise socket.herror(2, "Host name lookup failure")
        return known[address], [], [address]

    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, ship.PORT)) for one in NAMES]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: places)
    monkeypatch.setattr(socket, "gethostbyaddr", named)
    return known


def test_a_store_is_known_by_its_node(names):
    assert ship.found("tasks.sophia-dev-logs") == {"node1": "192.0.2.4", "node2": "192.0.2.5"}


def test_a_store_whose_name_is_not_told_now_is_no_new_one(names):
    """A second sender would send it each line again, for an hour."""
    del names["192.0.2.5"]
    assert ship.found("tasks.sophia-dev-logs") == {"node1": "192.0.2.4"}


def test_files_of_many_containers_can_be_open():
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (now // 2, most))
    try:
        ship.open_many()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
