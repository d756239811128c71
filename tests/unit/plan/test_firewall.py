"""From machines and settings to firewall rules."""

from components.plan.firewall import Sources, from_machine, regions, rulesets
from components.plan.nodes import NodePlan


def machine(name: str, role: str, *where: str) -> NodePlan:
    return NodePlan(name, role, "primary", ("cpu_4x_general",), where, "", "1", {})


MACHINES = [
    machine("manager-1", "manager", "us-east-1", "us-south-1"),
    machine("worker-1", "worker", "us-west-1", "us-east-1"),
]


def ports(rules):
    return sorted((rule["protocol"], *rule["port_range"], rule["source_network"]) for rule in rules)


def test_there_is_a_ruleset_for_each_kind_and_region_that_can_have_one():
    assert regions(MACHINES, "node") == ["us-east-1", "us-west-1"]
    assert regions(MACHINES, "manager") == ["us-east-1"]
    made = rulesets("sophia-dev", MACHINES, Sources(["192.0.2.0/24"], ["0.0.0.0/0"]), 443)
    assert [one.physical_name for one in made] == [
        "sophia-dev-node-us-east-1",
        "sophia-dev-node-us-west-1",
        "sophia-dev-manager-us-east-1",
    ]


def test_the_world_reaches_ssh_and_on_managers_the_gateway():
    sources = Sources(["192.0.2.0/24", "198.51.100.0/24"], ["0.0.0.0/0"])
    node, _, manager = rulesets("sophia-dev", MACHINES, sources, 443)
    ssh = [("tcp", 22, 22, "192.0.2.0/24"), ("tcp", 22, 22, "198.51.100.0/24")]
    assert ports(node.rules) == ssh
    assert ports(manager.rules) == [*ssh, ("tcp", 443, 443, "0.0.0.0/0")]


def test_machines_reach_swarms_ports_on_one_another_and_nothing_else():
    """Docker's documentation: 2377/tcp to managers, 7946/tcp and udp, 4789/udp."""
    assert ports(from_machine("node", "worker-1", ["192.0.2.7"], encrypted=False)) == [
        ("tcp", 7946, 7946, "192.0.2.7"),
        ("udp", 4789, 4789, "192.0.2.7"),
        ("udp", 7946, 7946, "192.0.2.7"),
    ]
    assert ports(from_machine("manager", "worker-1", ["192.0.2.7"], encrypted=False)) == [
        ("tcp", 2377, 2377, "192.0.2.7"),
    ]


def test_encrypted_overlays_take_all_protocols_since_none_is_called_esp():
    assert ports(from_machine("node", "worker-1", ["192.0.2.7"], encrypted=True)) == [
        ("all", 1, 65535, "192.0.2.7"),
    ]
    assert from_machine("manager", "worker-1", ["192.0.2.7"], encrypted=True) == ()


def test_both_addresses_of_a_machine_count_once_each():
    both = from_machine("manager", "worker-1", ["192.0.2.7", "198.51.100.7"], encrypted=False)
    assert [source for *_, source in ports(both)] == ["192.0.2.7", "198.51.100.7"]
    same = from_machine("manager", "worker-1", ["192.0.2.7", "192.0.2.7"], encrypted=False)
    assert len(same) == 1
