"""What machines let in, as firewall rules: from the world, and from one another.

A ruleset belongs to a region and is given to a machine at its launch, when no address is known yet.
So the rulesets say what the world may reach; rules between machines are added when they have
addresses, and deleted when they have left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.plan import names
from components.plan.nodes import NodePlan

NODE, MANAGER = "node", "manager"
"""Kinds of rulesets: every machine has the first, managers have the second, too."""

WITHOUT_FIREWALL = frozenset({"us-south-1"})
"""Regions where no rule applies (Lambda Cloud's OpenAPI 1.8.3, /firewall-rules)."""

WORLD = "0.0.0.0/0"
SSH_PORT = 22
LONGEST_NAME = 64
"""Characters of a ruleset's name (OpenAPI 1.8.3, FirewallRulesetCreateRequest)."""

Rule = Mapping[str, Any]
"""As the provider's `FirewallRule` takes it."""


@dataclass(frozen=True)
class RulesetPlan:
    """A planned ruleset. rules: what the world may reach."""

    kind: str
    region: str
    physical_name: str
    rules: tuple[Rule, ...]

    @property
    def name(self) -> str:
        """Its plain name."""
        return f"{self.kind}-{self.region}"


@dataclass(frozen=True)
class Sources:
    """Who may connect from outside, as IPv4 networks."""

    ssh: Sequence[str]
    gateway: Sequence[str]


def kinds(role: str) -> tuple[str, ...]:
    """The rulesets that a machine of a role gets."""
    return (NODE, MANAGER) if role == "manager" else (NODE,)


def regions(machines: Iterable[NodePlan], kind: str) -> list[str]:
    """Where machines with that kind of ruleset may be launched, in the order they are tried."""
    found = [region for one in machines if kind in kinds(one.role) for region in one.regions]
    return [region for region in dict.fromkeys(found) if region not in WITHOUT_FIREWALL]


def rulesets(
    prefix: str, machines: Sequence[NodePlan], sources: Sources, gateway_port: int
) -> tuple[RulesetPlan, ...]:
    """One for each kind and region: ssh on every machine, the gateway on managers.

        Each says everything that the world may reach; what the account's global rules open beyond
    that is reported.
    """
    ssh = [_rule("tcp", SSH_PORT, source, "ssh") for source in sources.ssh]
    gateway = [_rule("tcp", gateway_port, source, "gateway") for source in sources.gateway]
    world = {NODE: ssh, MANAGER: [*ssh, *gateway]}
    return tuple(
        RulesetPlan(kind, region, names.physical(prefix, f"{kind}-{region}"), tuple(rules))
        for kind, rules in world.items()
        for region in regions(machines, kind)
    )


def from_machine(
    kind: str, name: str, addresses: Iterable[str], encrypted: bool
) -> tuple[Rule, ...]:
    """What a machine may reach on machines with that kind of ruleset (Docker's documentation, "Open
    protocols and ports between the hosts"). Empty where another kind's rules are enough.

    encrypted: whether overlays are, which needs ESP. Lambda's rules have it only as part of `all`.
    """
    if encrypted:
        open = [("all", 1, 65535)] if kind == NODE else []
    elif kind == NODE:
        open = [("tcp", 7946, 7946), ("udp", 7946, 7946), ("udp", 4789, 4789)]
    else:
        open = [("tcp", 2377, 2377)]
    return tuple(
        _rule(protocol, first, address, f"Swarm, {name}", last)
        for address in dict.fromkeys(addresses)
        for protocol, first, last in open
    )


def _rule(protocol: str, first: int, source: str, description: str, last: int = 0) -> Rule:
    return {
        "protocol": protocol,
        "port_range": [first, last or first],
        "source_network": source,
        "description": description,
    }
