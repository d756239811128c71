from __future__ import annotations

import pytest

from providers.lambdalabs.models import Machine, Offer

MACHINE = {
    "id": "i-1",
    "status": "booting",
    "ssh_key_names": ["key"],
    "file_system_names": [],
    "region": {"name": "us-new-7", "description": "Somewhere"},
    "instance_type": {"name": "gpu_9x_new", "specs": {"gpus": 9}},
    "actions": {},
    "a_new_field": 1,
}


def test_a_machine_needs_only_the_required_fields():
    machine = Machine.parse(MACHINE)
    assert (machine.id, machine.status, machine.name, machine.ip) == ("i-1", "booting", "", None)
    assert (machine.instance_type, machine.region, machine.gpus) == ("gpu_9x_new", "us-new-7", 9)
    assert machine.tags == {}


def test_tags_and_addresses_are_read():
    more = {
        "ip": "192.0.2.7",
        "private_ip": "198.51.100.7",
        "name": "node-1",
        "tags": [{"key": "stack", "value": "dev"}],
    }
    machine = Machine.parse(MACHINE | more)
    assert (machine.ip, machine.private_ip, machine.name) == ("192.0.2.7", "198.51.100.7", "node-1")
    assert machine.tags == {"stack": "dev"}


def test_what_the_api_tells_of_a_broken_machine_is_read_once():
    refused = {
        "available": False,
        "reason_code": "vm-has-not-launched",
        "reason_description": "no space left on device",
    }
    actions = {
        "migrate": {"available": False, "reason_code": "vm-is-too-old", "reason_description": "-"},
        "restart": refused,
        "cold_reboot": refused,
        "terminate": {"available": True},
    }
    assert Machine.parse(MACHINE | {"actions": actions}).reasons == ("no space left on device",)


@pytest.mark.parametrize("missing", ["id", "status", "region", "instance_type", "ssh_key_names"])
def test_a_machine_without_a_required_field_is_refused(missing):
    with pytest.raises(KeyError):
        Machine.parse({key: value for key, value in MACHINE.items() if key != missing})


def test_an_offer_lists_the_regions_with_capacity():
    offer = Offer.parse(
        {
            "instance_type": {
                "name": "gpu_1x_a10",
                "description": "1x A10",
                "price_cents_per_hour": 75,
                "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
            },
            "regions_with_capacity_available": [{"name": "us-east-1", "description": "Virginia"}],
        }
    )
    assert (offer.name, offer.gpus, offer.regions) == ("gpu_1x_a10", 1, ("us-east-1",))
