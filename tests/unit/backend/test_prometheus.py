"""Which Prometheus is asked, and what becomes of its answers."""

import socket
from collections.abc import Iterator

import pytest
from sophia_backend.problems import Problem
from sophia_backend.prometheus import Prometheus, Refused, read_place
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings

from tests.support.played_prometheus import bad_query, play
from tests.support.upstream import Service, huge, malformed, page, serving, silent

HOST = "prometheus.test"


@pytest.fixture
def two(monkeypatch) -> Iterator[tuple[Service, Service]]:
    """Two of them, on two addresses of this machine, behind one name."""
    real = socket.getaddrinfo

    def resolved(host, *rest, **more):
        if host != HOST:
            return real(host, *rest, **more)
        return [one for of in ADDRESSES for one in real(of, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with serving(ADDRESSES[0]) as first, serving(ADDRESSES[1], first.port) as second:
        play(first, [], [({}, "1")], seen=5)
        play(second, [], [({}, "2")], seen=7)
        yield first, second


ADDRESSES = ("127.0.0.1", "127.0.0.2")


async def value(prometheus: Prometheus) -> float:
    [(_, [(_, found)])] = await prometheus.now("up")
    return found


async def test_the_one_that_has_seen_most_is_asked(two):
    first, _ = two
    prometheus = Prometheus(HOST, first.port)
    async with prometheus.opened():
        assert [await value(prometheus) for _ in range(3)] == [2, 2, 2]
    assert len(first.asked) == 1  # how much it has seen


async def test_one_that_fails_is_not_asked_for_long(two):
    first, second = two
    prometheus = Prometheus(HOST, first.port)
    async with prometheus.opened():
        assert await value(prometheus) == 2
        for path in [*second.routes]:
            second.routes[path] = silent()
        assert await value(prometheus) == 1
        asked = len(second.asked)
        assert await value(prometheus) == 1
        assert len(second.asked) <= asked + 1  # how much it has seen
        play(second, [], [({}, "2")], seen=8)
        assert await value(prometheus) == 1  # until the order is looked at again


@pytest.mark.parametrize(
    "broken", [silent(), malformed(), page("Sign in")], ids=["silent", "malformed", "page"]
)  # fmt: skip
async def test_an_answer_that_is_none_is_told_by_its_reason(broken):
    with serving() as service:
        prometheus = Prometheus("127.0.0.1", service.port)
        service.routes["GET /api/v1/query"] = broken
        async with prometheus.opened():
            with pytest.raises(Problem, match=r"^Prometheus does not answer: .+\.$") as told:
                await prometheus.now("up")
    assert told.value.status == 503


async def test_a_name_without_an_address_is_told(two):
    prometheus = Prometheus("nowhere.invalid", 9)
    async with prometheus.opened():
        with pytest.raises(Problem, match="its name has no address"):
            await prometheus.now("up")


async def test_a_refused_query_is_not_tried_elsewhere(two):
    first, second = two
    second.routes["GET /api/v1/query_range"] = bad_query("parse error")
    prometheus = Prometheus(HOST, first.port)
    async with prometheus.opened():
        with pytest.raises(Refused, match="parse error"):
            await prometheus.over("up{", 0, 100, 10)
    assert not [one for one in first.asked if one.path.endswith("range")]


async def test_an_answer_that_is_too_long_is_that_querys_alone(two):
    """Of a thousand nodes, for one."""
    first, second = two
    second.routes["GET /api/v1/query_range"] = huge(3_000_000)
    prometheus = Prometheus(HOST, first.port)
    async with prometheus.opened():
        with pytest.raises(Refused, match="longer than"):
            await prometheus.over("up", 0, 100, 10)
        assert await value(prometheus) == 2
    assert not [one for one in first.asked if one.path.endswith("range")]


def place_of(text: str):
    return read_place(read_settings("backend", {"SOPHIA_PROMETHEUS": text}))


def test_where_it_is():
    assert place_of("tasks.sophia-prod-prometheus:9090") == ("tasks.sophia-prod-prometheus", 9090)
    assert place_of("") is None


@pytest.mark.parametrize("text", ["prometheus", "http://prometheus:9090", "prometheus:0", ":9090"])
def test_something_else_is_refused(text: str):
    with pytest.raises(SettingError, match="expected host:port"):
        place_of(text)
