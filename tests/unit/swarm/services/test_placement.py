"""Placement constraints as swarmkit reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.swarm.services import placement


def node(name: str = "a", state: str = "ready", **changes: Any) -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Spec": {
            "Role": changes.get("role", "worker"),
            "Availability": changes.get("availability", "active"),
            "Labels": changes.get("labels", {"tier": "Primary"}),
        },
        "Description": {
            "Hostname": name,
            "Platform": {"OS": "linux", "Architecture": "x86_64"},
            "Engine": {"Labels": {"gpu": "h100"}},
        },
        "Status": {"State": state, "Addr": "192.0.2.7"},
    }


@pytest.mark.parametrize(
    ("constraint", "fulfilled"),
    [
        ("node.labels.tier == primary", True),
        ("node.labels.tier==PRIMARY", True),
        ("node.labels.tier != primary", False),
        ("node.labels.absent == x", False),
        ("node.labels.absent != x", True),
        ("engine.labels.gpu == h100", True),
        ("node.id == id-a", True),
        ("node.hostname == b", False),
        ("node.role == worker", True),
        ("node.role != worker", False),
        ("node.platform.os == linux", True),
        ("node.platform.arch == x86_64", True),
        ("node.ip == 192.0.2.7", True),
        ("node.ip == 192.0.2.0/28", True),
        ("node.ip == 192.0.2.9/28", True),
        ("node.ip != 198.51.100.0/24", True),
        ("nonsense", False),
    ],
)
def test_constraints(constraint: str, fulfilled: bool) -> None:
    assert placement.allows(constraint, node()) is fulfilled


@given(
    st.sampled_from(["node.role", "node.labels.tier", "node.hostname"]), st.text("abAB", min_size=1)
)
def test_equal_and_unequal_are_opposites(key: str, value: str) -> None:
    equal = placement.allows(f"{key} == {value}", node())
    assert equal != placement.allows(f"{key} != {value}", node())


@pytest.mark.parametrize(
    ("state", "availability", "counts"),
    [
        ("ready", "active", True),
        ("down", "active", False),
        ("unknown", "active", False),
        ("ready", "drain", False),
        ("ready", "pause", False),
    ],
)
def test_only_ready_and_active_nodes_count(state: str, availability: str, counts: bool) -> None:
    nodes = [node("a", state, availability=availability)]
    assert bool(placement.eligible(nodes, [])) is counts


def test_the_unmet_constraint_is_named_with_what_the_nodes_have() -> None:
    nodes = [
        node("a", labels={"tier": "secondary"}),
        node("b", labels={}),
        node("c", "down", labels={"tier": "gold"}),
    ]
    told = placement.unmet(nodes, ["node.role == worker", "node.labels.tier == gold"])
    assert told == (
        "no ready node fulfils node.labels.tier == gold "
        "(a has secondary, b has none; fulfilled by c, not ready or not active)"
    )


def test_constraints_that_are_met_one_by_one_but_not_together() -> None:
    nodes = [node("a", labels={"x": "1"}), node("b", labels={"y": "1"})]
    both = ["node.labels.x == 1", "node.labels.y == 1"]
    assert placement.unmet(nodes, both) == (
        "no ready node fulfils all of: node.labels.x == 1, node.labels.y == 1"
    )
    assert placement.unmet(nodes, both[:1]) == ""


def sized(name: str, cpus: int, mib: int, gpus: int) -> dict[str, Any]:
    made = node(name)
    made["Description"]["Resources"] = {
        "NanoCPUs": cpus * 10**9,
        "MemoryBytes": mib * 2**20,
        "GenericResources": [
            {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": f"GPU-{n}"}} for n in range(gpus)
        ],
    }
    return made


@pytest.mark.parametrize(
    ("cpus", "gpus", "told"),
    [
        (1, 2, ""),
        (16, 0, ""),
        (1, 3, "it reserves 3 GPUs, 1 CPUs and 64 MiB, the largest node has 2 GPUs, 4 CPUs and"),
        (16, 1, "it reserves 1 GPUs, 16 CPUs and 64 MiB, the largest node has 2 GPUs, 4 CPUs and"),
        (17, 0, "it reserves 17 CPUs and 64 MiB, the largest node has 4 CPUs and 1024 MiB"),
    ],
)
def test_what_no_node_could_hold_is_told_gpus_too(cpus: int, gpus: int, told: str) -> None:
    nodes = [sized("a", 16, 512, 0), sized("b", 4, 1024, 2)]
    reserved: dict[str, Any] = {"NanoCPUs": cpus * 10**9, "MemoryBytes": 64 * 2**20}
    wanted = {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": gpus}}
    found = placement.too_large(nodes, [], reserved | {"GenericResources": [wanted] * bool(gpus)})
    assert found.startswith(told)
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("node.labels.tier = primary", "expected <key> == <value>"),
        ("node.labels.tier ==", "expected <key> == <value>"),
        ("node.label.tier == x", "unknown key"),
        ("tier == x", "unknown key"),
    ],
)
def test_wrong_wordings_are_faults(text: str, part: str) -> None:
    assert part in (placement.fault(text) or "")
    assert placement.fault("node.labels.sophia.database==true") is None
