"""The database's service, and what it does with its memory."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.plan import database as plan
from components.plan.workload import service_inputs
from providers.swarm.services.rules import faults_of


def megabytes(value: str) -> int:
    assert value.endswith("MB")
    return int(value[:-2])


def test_the_service_obeys_the_rules_of_services():
    inputs = service_inputs(plan.workload("database", 1024), "p")

    assert faults_of(inputs) == []
    assert (inputs.replicas, inputs.update.order) == (1, "stop-first")
    assert "shared_buffers=256MB" in inputs.args


@pytest.mark.parametrize("limit", [256, 512, 1024, 4096, 65536])
def test_everything_together_stays_below_the_limit(limit):
    settings = plan.memory(limit)

    sorts = int(settings["max_connections"]) * megabytes(settings["work_mem"])
    assert megabytes(settings["shared_buffers"]) + sorts <= limit * 0.6
    assert int(settings["max_connections"]) >= 20


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_any_password_survives_the_address(password):
    parts = urlsplit(plan.url(password, "tasks.p-database"))

    assert unquote(parts.password) == password
    assert (parts.hostname, parts.port, parts.path) == ("tasks.p-database", 5432, "/sophia")
