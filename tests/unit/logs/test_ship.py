"""Which stores are sent to: that lines arrive is tests/integration/logs."""

from __future__ import annotations

import resource
import socket

import pytest
from sophia_logs import ship

NAMES = {
    "192.0.2.4": "sophia-dev-logs.node1.task1.sophia-dev-logs",
    "192.0.2.5": "sophia-dev-logs.node2.task2.sophia-dev-logs",
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
