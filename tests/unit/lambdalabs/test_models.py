from __future__ import annotations

import pytest

from providers.lambdalabs.models import Machine, Offer, listed

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


ODD = [None, 7, "text", ["text"], {"name": None}, {"specs": {}}]


@pytest.mark.parametrize("key", [*sorted(set(MACHINE) - {"id"}), "tags", "ip", "name"])
@pytest.mark.parametrize("odd", ODD)
def test_a_machine_with_an_odd_field_is_still_there(key, odd):
    machine = Machine.parse(MACHINE | {key: odd})
    assert machine.id == "i-1"
    assert Machine.parse({"id": "i-1"}) == Machine("i-1", "")


def test_how_many_gpus_is_unknown_where_it_is_not_told():
    kind = {"name": "gpu_9x_new", "specs": {}}
    assert Machine.parse(MACHINE | {"instance_type": kind}).gpus is None


@pytest.mark.parametrize("odd", [*ODD, {"id": 7}])
def test_an_entry_without_an_id_is_left_out_and_told(odd):
    machines = listed(Machine.parse, [MACHINE, odd])
    assert [machine.id for machine in machines] == ["i-1"]
    assert len(machines.left_out) == 1
    assert machines.left_out[0].startswith("entry 2 of 2")


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
