"""The gateway's configuration as text; what HAProxy makes of it: tests/integration/gateway."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan import gateway as plan
from components.plan.workload import service_inputs
from providers.swarm.services.rules import faults_of

BACKEND = plan.Route("backend", "tasks.p-backend", 8000)
ROUTES = [plan.Route("github", "tasks.p-github", 9005), plan.Route("a_b", "tasks.p-a_b", 9000)]
CALLERS = {
    plan.digest("one"): plan.Caller("alice", ("github",)),
    plan.digest("two"): plan.Caller("default"),
}
HOSTS = ["192.0.2.2", "mcp.example"]
NASTY = st.one_of(st.text("a.-\n\r\t '\"#%{}", max_size=6), st.text(max_size=20))


def test_a_server_has_a_backend_that_follows_its_tasks():
    text = plan.config(ROUTES, BACKEND, HOSTS, CALLERS)

    assert "acl known var(txn.server) -m str a_b" in text
    assert "backend mcp-a_b" in text
    assert "http-request set-header Host tasks.p-a_b:9000" in text
    assert "server-template replica 1-10 tasks.p-a_b:9000 resolvers docker" in text
    assert text.endswith("\n")


def test_the_order_that_things_are_given_in_changes_nothing():
    assert plan.config(ROUTES, BACKEND, HOSTS, CALLERS) == plan.config(
        ROUTES[::-1], BACKEND, [*HOSTS[::-1], HOSTS[0]], dict(reversed(CALLERS.items()))
    )


def test_the_backend_is_told_which_servers_a_caller_may_use():
    everyone = plan.digest("two")
    callers = {plan.digest("one"): plan.Caller("alice", ("b", "a")), everyone: plan.Caller("bob")}
    text = plan.config(ROUTES, BACKEND, HOSTS, callers)

    told = (
        "http-request set-header X-Sophia-Servers {} if of_backend {{ var(txn.caller) -m str {} }}"
    )
    assert told.format("a,b", "alice") in text
    assert told.format("*", "bob") in text
    before, _, _ = text.partition(told.format("a,b", "alice"))
    assert "http-request del-header ^x[-_]sophia[-_] -m reg\n" in before, "clients can't set it"


def test_dots_of_a_host_are_no_wildcards_in_origins():
    assert "^https://mcp[.]example(:[0-9]+)?$" in plan.config(ROUTES, BACKEND, HOSTS, CALLERS)


def test_all_faults_are_said_at_once():
    routes = [
        plan.Route("Bad Name", "tasks.x", 9000),
        plan.Route("ok", "not a name", 0),
        plan.Route("ok", "tasks.x", 9000),
    ]
    callers = {"no digest": plan.Caller("Alice B", ("Bad Server",))}
    with pytest.raises(ValueError, match="can't be configured") as failure:
        plan.config(routes, BACKEND, ["host:8443"], callers, ["https://a.b/path"])

    said = str(failure.value)
    for part in (
        "'Bad Name'",
        "'not a name'",
        "port 0",
        "'ok' is given twice",
        "'host:8443'",
        "'Alice B'",
        "'Bad Server'",
        "not a SHA-256",
        "a.b/path",
    ):
        assert part in said


def test_a_gateway_that_nobody_may_call_is_refused():
    with pytest.raises(ValueError, match="no host is allowed"):
        plan.config(ROUTES, BACKEND, [], CALLERS)


@given(NASTY)
def test_no_name_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config([plan.Route(text, "tasks.x", 9000)], BACKEND, HOSTS, CALLERS)
    except ValueError:
        return
    lines = plan.config([plan.Route("x", "tasks.x", 9000)], BACKEND, HOSTS, CALLERS).splitlines()
    assert len(config.splitlines()) == len(lines)


@given(NASTY)
def test_no_host_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config(ROUTES, BACKEND, [text], CALLERS)
    except ValueError:
        return
    assert len(config.splitlines()) == len(
        plan.config(ROUTES, BACKEND, ["x"], CALLERS).splitlines()
    )


@given(NASTY)
def test_no_origin_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config(ROUTES, BACKEND, HOSTS, CALLERS, [text])
    except ValueError:
        return
    lines = plan.config(ROUTES, BACKEND, HOSTS, CALLERS, ["https://a.b"]).splitlines()
    assert len(config.splitlines()) == len(lines)


@given(NASTY)
def test_no_caller_can_add_a_line_to_the_configuration(text):
    def lines(name, server):
        callers = {plan.digest("x"): plan.Caller(name, (server,))}
        return len(plan.config(ROUTES, BACKEND, HOSTS, callers).splitlines())

    for name, server in ((text, "x"), ("x", text)):
        with contextlib.suppress(ValueError):
            assert lines(name, server) == lines("x", "x")


def test_a_token_is_nowhere_in_the_configuration():
    token, caller = "a-token-of-alice", plan.Caller("alice", ("github",))
    text = plan.config(ROUTES, BACKEND, HOSTS, {plan.digest(token): caller})
    assert token not in text
    assert "acl permitted var(txn.wish) -m str alice/github\n" in text


def test_the_gateways_ask_the_service_that_hands_out_their_configuration():
    gateways = plan.workload("gateway", "sophia-dev", 8443, ["slack"])
    publisher = service_inputs(plan.publisher(gateways), "sophia-dev")

    assert faults_of(publisher) == []
    url = f"http://tasks.{publisher.name}:{plan.HEALTH_PORT}/haproxy.cfg"
    assert gateways.args[-1] == url
    assert (publisher.replicas, publisher.update.order) == (1, "stop-first"), (
        "one version at a time"
    )


def test_the_service_obeys_the_rules_of_services():
    inputs = service_inputs(plan.workload("gateway", "sophia-dev", 8443, ["slack"]), "sophia-dev")

    assert faults_of(inputs) == []
    assert inputs.name == "sophia-dev-gateway"
    assert (inputs.mode, inputs.update.order) == ("global", "stop-first")
    assert [(port.published, port.target) for port in inputs.ports] == [(8443, plan.PORT)]
    assert inputs.stop_grace_s == plan.DRAIN_S
    assert inputs.read_only_root
    assert dataclasses.asdict(inputs)["capabilities_add"] == []
