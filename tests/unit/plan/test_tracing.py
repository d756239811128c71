"""Which workloads send spans, and that they understand what they are given."""

from __future__ import annotations

from sophia_mcp import tracing as runtime

from components.plan import tracing as plan
from components.plan import workloads
from tests.unit.components.samples import changed, check

ENDPOINT = "http://collector.example.com:4318"
GIVEN = {"endpoint": ENDPOINT, "ratio": 0.05, "hosts": ["api.example.com", "192.0.2.1"]}
OWN = {"image": f"registry.example/own@sha256:{'0' * 64}", "health": ["true"]}


def traced(**more):
    settings, faults = check(changed(**more))
    assert faults == []
    planned = workloads.planned(settings)
    return {one.name: one.env for one in planned if runtime.ENDPOINT in one.env}


def test_servers_and_the_backend_do():
    found = traced(tracing=GIVEN)
    assert set(found) == {"ai_memory", "lambda_labs_cli", "backend"}
    for env in found.values():
        assert env[runtime.ENDPOINT] == ENDPOINT
        assert env[runtime.RATIO] == "0.05"
        assert env[runtime.HOSTS] == "api.example.com,192.0.2.1"


def test_a_backend_of_the_operators_own_does_it_in_its_own_way():
    assert "backend" not in traced(tracing=GIVEN, backend=OWN)


def test_nothing_does_without_an_endpoint():
    assert traced() == {}
    assert plan.environment(None) == {}
