"""Which node is asked about the platform."""

import socket

import pytest

from ops import inspect


def nodes(*addresses: str) -> dict[str, object]:
    listed = {
        f"manager-{number}": {"role": "manager", "address": address}
        for number, address in enumerate(addresses, 1)
    }
    return {"nodes": {"gpu-1": {"role": "worker", "address": "127.0.0.9"}} | listed}


@pytest.fixture
def door(monkeypatch):
    """An address that takes connections, while others of this machine refuse them."""
    with socket.create_server(("127.0.0.3", 0)) as server:
        monkeypatch.setattr(inspect, "SSH", server.getsockname()[1])
        yield "127.0.0.3"


def test_a_manager_that_answers_is_asked_where_the_first_is_lost(door):
    assert inspect._manager(nodes("127.0.0.2", door)) == "manager-2"
    assert inspect._manager(nodes(door, "127.0.0.2")) == "manager-1"


def test_no_manager_that_answers_is_one_clear_error(door):
    with pytest.raises(inspect.NotUp, match=r"manager-1 \(127\.0\.0\.2\): .*refused.*`make up`"):
        inspect._manager(nodes("127.0.0.2"))
