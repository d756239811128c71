"""A stack whose state was lost."""

import pytest

from components import settings_lost
from providers.lambdalabs.models import Machine


def machine(**changed: object) -> Machine:
    given = {
        "id": "0a1b",
        "status": "active",
        "name": "sophia-prod-manager-1-c2",
        "instance_type": "cpu_4x_general",
        "region": "us-east-1",
        "price_cents_per_hour": 20,
        "tags": {"project": "sophia", "stack": "prod", "node": "manager-1"},
    }
    return Machine(**{**given, **changed})


def faults(*machines: Machine) -> list[str]:
    return [str(fault) for fault in settings_lost.faults(machines, "sophia", "prod")]


def test_its_machines_are_one_error_with_their_price_and_the_ways_out():
    odd = machine(id="3c", name="", instance_type="", price_cents_per_hour=None, recorded=False)
    (said,) = faults(machine(), odd, machine(id="4d", status="unhealthy"))
    assert said.startswith("the state of stack prod: it has no machines, but the account has 3")
    assert "for $0.40 an hour" in said
    assert "sophia-prod-manager-1-c2 (0a1b, cpu_4x_general in us-east-1), no name (3c, us" in said
    assert "restore it" in said
    assert "`make orphans STACK=prod`" in said


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "terminating"},
        {"tags": {}},
        {"tags": {"project": "sophia", "stack": "dev"}},
        {"tags": {"project": "other", "stack": "prod"}},
    ],
)
def test_machines_that_end_or_belong_to_others_are_none_of_it(changed):
    assert faults(machine(**changed)) == []


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("lambdalabs:index:InstanceName", True),
        ("lambdalabs:index:Instance", True),
        ("lambdalabs:index:SshKey", False),
        ("pulumi:pulumi:Stack", False),
    ],
)
def test_a_state_knows_machines_by_their_names(kind, known):
    assert settings_lost.knows_machines({"urn:a": {"type": kind, "outputs": {}}}) is known
    assert not settings_lost.knows_machines({})
