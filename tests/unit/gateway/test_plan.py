"""The gateway's configuration as text; what HAProxy makes of it: tests/integration/gateway."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan import gateway as plan
from providers.swarm.services.model import ServiceInputs
from providers.swarm.services.rules import faults_of

ROUTES = [plan.Route("github", "tasks.p-github", 9005), plan.Route("a_b", "tasks.p-a_b", 9000)]
HOSTS = ["192.0.2.2", "mcp.example"]
NASTY = st.one_of(st.text("a.-\n\r\t '\"#%{}", max_size=6), st.text(max_size=20))


def test_a_server_has_a_backend_that_follows_its_tasks():
    text = plan.config(ROUTES, HOSTS)

    assert "use_backend mcp-a_b if { path /mcp/a_b } || { path_beg /mcp/a_b/ }" in text
    assert "http-request set-header Host tasks.p-a_b:9000" in text
    assert "server-template replica 1-10 tasks.p-a_b:9000 resolvers docker" in text
    assert text.endswith("\n")


def test_the_order_that_things_are_given_in_changes_nothing():
    assert plan.config(ROUTES, HOSTS) == plan.config(ROUTES[::-1], [*HOSTS[::-1], HOSTS[0]])


def test_dots_of_a_host_are_no_wildcards_in_origins():
    assert "^https://mcp[.]example(:[0-9]+)?$" in plan.config(ROUTES, HOSTS)


def test_all_faults_are_said_at_once():
    routes = [
        plan.Route("Bad Name", "tasks.x", 9000),
        plan.Route("ok", "not a name", 0),
        plan.Route("ok", "tasks.x", 9000),
    ]
    with pytest.raises(ValueError, match="can't be configured") as failure:
        plan.config(routes, ["host:8443"], ["https://a.b/path"])

    said = str(failure.value)
    for part in (
        "'Bad Name'",
        "'not a name'",
        "port 0",
        "'ok' is given twice",
        "'host:8443'",
        "a.b/path",
    ):
        assert part in said


def test_a_gateway_that_nobody_may_call_is_refused():
    with pytest.raises(ValueError, match="no host is allowed"):
        plan.config(ROUTES, [])


@given(NASTY)
def test_no_name_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config([plan.Route(text, "tasks.x", 9000)], HOSTS)
    except ValueError:
        return
    lines = plan.config([plan.Route("x", "tasks.x", 9000)], HOSTS).splitlines()
    assert len(config.splitlines()) == len(lines)


@given(NASTY)
def test_no_host_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config(ROUTES, [text])
    except ValueError:
        return
    assert len(config.splitlines()) == len(plan.config(ROUTES, ["x"]).splitlines())


@given(NASTY)
def test_no_origin_can_add_a_line_to_the_configuration(text):
    try:
        config = plan.config(ROUTES, HOSTS, [text])
    except ValueError:
        return
    lines = plan.config(ROUTES, HOSTS, ["https://a.b"]).splitlines()
    assert len(config.splitlines()) == len(lines)


def test_the_service_obeys_the_rules_of_services():
    fields = plan.service_fields("sophia-dev", "gateway", 8443)
    inputs = ServiceInputs(image="x@sha256:0", **fields)

    assert faults_of(inputs) == []
    assert inputs.name == "sophia-dev-gateway"
    assert (inputs.mode, inputs.update.order) == ("global", "stop-first")
    assert [(port.published, port.target) for port in inputs.ports] == [(8443, plan.PORT)]
    assert inputs.stop_grace_s > plan.DRAIN_S
    assert inputs.read_only_root
    assert dataclasses.asdict(inputs)["capabilities_add"] == []
