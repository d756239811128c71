"""The account's data, as it is saved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class SshKey:
    id: str
    name: str
    public_key: str


@dataclass
class FirewallRule:
    """Lets traffic in. port_range: first and last port, both included; None for icmp."""

    protocol: str
    source_network: str
    description: str
    port_range: list[int] | None = None


@dataclass
class FirewallRuleset:
    id: str
    name: str
    region: str
    rules: list[FirewallRule]
    created: str

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FirewallRuleset:
        return cls(**{**value, "rules": [FirewallRule(**rule) for rule in value["rules"]]})


WORLD = "0.0.0.0/0"


def usual_rules() -> list[FirewallRule]:
    """The rules of an account that never changed them, as seen on the real service."""
    return [
        FirewallRule("tcp", WORLD, "Allow SSH from anywhere", [22, 22]),
        FirewallRule("icmp", WORLD, "Allow ICMP from anywhere"),
    ]


@dataclass
class Instance:
    """A rented machine. `phase` is what was requested; `fault` what a test or an accident
    caused."""

    id: str
    name: str | None
    hostname: str
    title: str
    """its machine's name: the host name made unique, since names may repeat"""
    region: str
    instance_type: str
    image: str
    ssh_key_names: list[str]
    public_keys: list[str]
    tags: dict[str, str]
    user_data: str
    ip: str
    launched: float
    phase: str = "running"
    """running, terminating or terminated"""
    machine: str = "wanted"
    """wanted: to be made; off: to be switched on and protected; made: done; none: it could not be
    made"""
    failure: str = ""
    """why its machine could not be made, or a test's reason"""
    fault: str | None = None
    """unhealthy or preempted"""
    powered_off: bool = False
    firewall_rulesets: list[str] = field(default_factory=list)
    private_ip: str = ""
    """within its region; "" for machines of older simulators, which had neither this address nor
    a firewall"""
    ended: float | None = None


@dataclass
class State:
    """Everything that is saved."""

    keys: list[SshKey] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    rulesets: list[FirewallRuleset] = field(default_factory=list)
    global_rules: list[FirewallRule] = field(default_factory=usual_rules)
    last_host: int = 0
    """the last part of the most recently assigned address"""
    power: str = ""
    """the power id under which the machines last ran"""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> State:
        # Older states have no firewall.
        value = {"rulesets": [], "global_rules": asdict(cls())["global_rules"], **value}
        return cls(
            keys=[SshKey(**key) for key in value["keys"]],
            instances=[Instance(**instance) for instance in value["instances"]],
            rulesets=[FirewallRuleset.from_json(one) for one in value["rulesets"]],
            global_rules=[FirewallRule(**rule) for rule in value["global_rules"]],
            last_host=value["last_host"],
            power=value["power"],
        )
