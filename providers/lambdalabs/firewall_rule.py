"""A firewall rule as programs declare it, its checks, and whose rule it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from providers.lambdalabs.models import Rule
from providers.runtime.declare import Fault, prop

PROTOCOLS = ("tcp", "udp", "icmp", "all")
LONGEST_DESCRIPTION = 128
_MARK = re.compile(r" \[[0-9a-f]{8}\]$")


@dataclass(frozen=True)
class FirewallRule:
    """OpenAPI 1.8.3, FirewallRule."""

    protocol: str = prop(doc="tcp, udp, icmp or all.")
    source_network: str = prop(
        doc="Who is let in: an IPv4 network such as 192.0.2.0/24, or an address. 0.0.0.0/0 means"
        " everybody."
    )
    port_range: list[int] = prop(
        default_factory=list, doc="First and last port, both included. Empty for icmp."
    )
    description: str = prop(default="", doc="At most 128 characters.")


def faults(path: str, rules: Sequence[FirewallRule], room: int = 0) -> Iterator[Fault]:
    """All faults of rules. room: characters that are added to each description."""
    for index, rule in enumerate(rules):
        at = f"{path}[{index}]"
        if rule.protocol not in PROTOCOLS:
            yield Fault(
                f"{at}.protocol", f"got {rule.protocol!r}, expected one of {', '.join(PROTOCOLS)}"
            )
        if rule.protocol == "icmp" and rule.port_range:
            yield Fault(
                f"{at}.portRange", f"got {rule.port_range}, expected none: icmp has no ports"
            )
        if rule.protocol != "icmp" and not _is_range(rule.port_range):
            expected = "[first, last] within 1 to 65535"
            yield Fault(f"{at}.portRange", f"got {rule.port_range}, expected {expected}")
        try:
            IPv4Network(rule.source_network)
        except ValueError as error:
            yield Fault(
                f"{at}.sourceNetwork",
                f"got {rule.source_network!r} ({error}), expected an IPv4 network such as"
                " 192.0.2.0/24",
            )
        if (length := len(rule.description)) > LONGEST_DESCRIPTION - room:
            most = LONGEST_DESCRIPTION - room
            yield Fault(f"{at}.description", f"{length} characters, expected at most {most}")


def parsed(rules: Sequence[FirewallRule], mark: str = "") -> tuple[Rule, ...]:
    """Valid rules in the API's form, with a resource's mark."""
    return tuple(
        Rule(
            rule.protocol,
            (rule.port_range[0], rule.port_range[1]) if rule.port_range else None,
            IPv4Network(rule.source_network),
            rule.description + mark,
        )
        for rule in rules
    )


def shown(rule: Rule) -> FirewallRule:
    """A live rule in the form in which a program declares it."""
    ports = [] if rule.ports is None else list(rule.ports)
    return FirewallRule(rule.protocol, str(rule.source), ports, rule.description)


def marking(token: str) -> str:
    """The end of a description that says which `FirewallRules` a rule belongs to."""
    return f" [{token}]"


MARK_LENGTH = len(marking("0" * 8))


def is_owned(rule: Rule) -> bool:
    """Whether some `FirewallRules` has added the rule."""
    return bool(_MARK.search(rule.description))


def _is_range(ports: Sequence[int]) -> bool:
    return len(ports) == 2 and 1 <= ports[0] <= ports[1] <= 65535
