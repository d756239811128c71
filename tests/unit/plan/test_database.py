"""The database's service, and what it does with its memory."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from components.plan import database as plan
from components.plan.workload import service_inputs
from images.database import roles
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


def test_a_password_is_in_the_address_with_its_role_which_the_image_knows_too():
    password = "a1B2" * 8
    parts = urlsplit(plan.url(password, "tasks.p-database"))

    assert (parts.username, parts.password) == (roles.role(plan.DATABASE, password), password)
    assert (parts.hostname, parts.port, parts.path) == ("tasks.p-database", 5432, "/sophia")
