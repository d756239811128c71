"""A gateway that runs: replicas, servers and callers come and go, and it stops in peace."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from components.plan import gateway as plan
from tests.support.docker import docker
from tests.support.gateway import ALICES, CALLERS, HOST, HOSTS, WORKLOAD, configuration, warnings
from tests.support.polling import until

pytestmark = pytest.mark.containers

HERE = "/mcp/ai_memory"


def test_replicas_come_and_go_without_a_reload(gateway):
    lost, kept = gateway.replicas
    docker("kill", lost)
    gateway.replicas.remove(lost)
    until(
        lambda: {gateway.call("GET", HERE).json.get("replica") for _ in range(5)},
        lambda seen: seen == {kept},
        "the lost replica is left out",
        15,
    )
    assert gateway.healthy()["ai_memory"] == 1

    docker("kill", kept)
    gateway.replicas.remove(kept)
    until(lambda: gateway.call("GET", HERE).status, lambda seen: seen == 503, "no replica", 15)

    new = gateway.replica("ai_memory")
    until(
        lambda: gateway.call("GET", HERE).json.get("replica"),
        lambda seen: seen == new,
        "the new replica takes calls",
        15,
    )
    gateway.replica("ai_memory")
    until(gateway.healthy, lambda seen: seen["ai_memory"] == 2, "two replicas again", 15)
    told = [line for line in warnings(gateway.name) if "Server mcp-ai_memory/" in line]
    assert told
    assert all(line.startswith("[WARNING]") for line in told), "each change once"


def test_a_stopping_gateway_finishes_what_is_in_flight(gateway):
    served = gateway.name
    headers = {"Host": HOST, "Authorization": f"Bearer {gateway.token}"}
    with gateway.connection() as connection:
        connection.request("GET", f"{HERE}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.readline() == b"data: first\n"

        docker("kill", "--signal", "SIGUSR1", served)
        until(lambda: gateway.refuses(), bool, "new connections are refused", 10)
        gateway.release()
        assert stream.read() == b"\ndata: second\n\n"

    assert docker("wait", served) == "0"
    gateway.start()


@pytest.fixture
def changeable(gateway):
    """The gateway, with its former configuration afterwards."""
    yield gateway
    gateway.configure(configuration(gateway.prefix, HOSTS))
    alice = {"Authorization": f"Bearer {ALICES}"}
    until(lambda: gateway.call("GET", HERE, **alice).status, lambda seen: seen == 403, "alice")


@contextlib.contextmanager
def calling(gateway):
    """Calls all the time; the statuses, once it is over."""
    seen, over = Counter(), threading.Event()

    def calls():
        while not over.is_set():
            seen[gateway.call("GET", HERE).status] += 1

    with ThreadPoolExecutor() as clients:
        made = [clients.submit(calls) for _ in range(4)]
        try:
            yield seen
        finally:
            over.set()
        for one in made:
            one.result()


def test_servers_and_callers_come_and_go_without_a_restart_and_no_stream_is_cut(changeable):
    gateway, headers = changeable, {"Host": HOST, "Authorization": f"Bearer {changeable.token}"}
    callers = {**CALLERS, plan.digest("bobs"): plan.Caller("bob", ("slack",))}
    del callers[plan.digest(ALICES)]
    slack = gateway.replica("slack")
    with gateway.connection() as connection, calling(gateway) as seen:
        connection.request("GET", f"{HERE}/events", headers=headers)
        stream = connection.getresponse()
        assert stream.readline() == b"data: first\n"

        servers = ("ai_memory", "github", "slack")
        gateway.configure(configuration(gateway.prefix, HOSTS, servers, callers))
        bob = {"Authorization": "Bearer bobs"}
        answer = until(
            lambda: gateway.call("GET", "/mcp/slack", **bob),
            lambda answer: answer.status == 200,
            "the new server answers the new caller",
            30,
        )
        assert answer.json["replica"] == slack
        alice = {"Authorization": f"Bearer {ALICES}"}
        assert gateway.call("GET", "/mcp/github", **alice).status == 401, "revoked"

        gateway.release()
        assert stream.read() == b"\ndata: second\n\n"
    assert seen[200] > 20
    assert set(seen) == {200}, "no call failed while the configuration changed"
    docker("kill", slack)
    gateway.replicas.remove(slack)


def test_a_callers_token_rotates_and_no_call_fails(changeable):
    """The client takes the new one while both are good."""
    gateway, held = changeable, [ALICES]
    alice = CALLERS[plan.digest(ALICES)]
    kept, rotated = dict(CALLERS), dict(CALLERS)
    kept[plan.digest("newer")] = rotated[plan.digest("newer")] = alice
    del rotated[plan.digest(ALICES)]

    def answer(token):
        return gateway.call("GET", "/mcp/github", Authorization=f"Bearer {token}").status

    seen, over = Counter(), threading.Event()

    def calls():
        while not over.is_set():
            seen[answer(held[0])] += 1

    with ThreadPoolExecutor() as clients:
        made = clients.submit(calls)
        try:
            gateway.configure(configuration(gateway.prefix, HOSTS, callers=kept))
            until(lambda: answer("newer"), lambda status: status != 401, "the new one is good")
            held[0] = "newer"
            gateway.configure(configuration(gateway.prefix, HOSTS, callers=rotated))
            until(lambda: answer(ALICES), lambda status: status == 401, "the former one is not")
        finally:
            over.set()
        made.result()
    assert sum(seen.values()) > 20
    assert 401 not in seen


def test_a_configuration_that_haproxy_refuses_changes_nothing(changeable):
    with calling(changeable) as seen:
        changeable.configure("global\n    nonsense\n")
        until(
            lambda: [
                line for line in docker("logs", changeable.name).splitlines() if "stays" in line
            ],
            lambda told: any("'nonsense'" in line for line in told),
            "why it is refused",
            30,
        )
    assert set(seen) == {200}


def test_health_checks_of_who_hands_out_the_configuration_leave_no_trace(gateway):
    check = " ".join(plan.publisher(WORKLOAD).health.test[1:])
    docker("exec", gateway.publisher, "sh", "-c", f"for _ in $(seq 30); do {check} || exit 1; done")
    assert warnings(gateway.publisher) == []


def test_a_gateway_waits_for_its_configuration(gateway):
    late = replace(gateway, publisher=f"{gateway.prefix}-late")
    late.launch()
    until(lambda: docker("logs", late.name), lambda log: "waiting" in log, "it waits", 20)
    late.publish()
    until(lambda: late.call("GET", "/health").status, lambda seen: seen == 200, "it serves", 20)
    assert not [line for line in warnings(late.name) if "state file" in line]
    docker("kill", late.publisher)
    assert late.call("GET", HERE).status in (200, 503), "it goes on without the other"
