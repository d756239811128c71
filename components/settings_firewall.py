"""The setting `firewall`: who may connect from outside, and regions without a firewall."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from components.plan.firewall import LONGEST_NAME, MANAGER, WITHOUT_FIREWALL, WORLD
from components.plan.nodes import NodeGroup
from components.reading import Fault, Reader, listed
from components.settings_model import Firewall


def read(top: Reader, groups: Iterable[NodeGroup]) -> Firewall:
    """Sources of ssh and of the gateway, which default to everybody."""
    reader = top.inner("firewall")
    firewall = Firewall(
        ssh_sources=_networks(reader, "sshSources"),
        gateway_sources=_networks(reader, "gatewaySources"),
        unprotected_regions=reader.texts("unprotectedRegions", ()),
    )
    reader.finish()
    for index, region in enumerate(firewall.unprotected_regions):
        if region not in WITHOUT_FIREWALL:
            expected = f"{listed(sorted(WITHOUT_FIREWALL))}: all others have a firewall"
            reader.fault(f"unprotectedRegions[{index}]", region, expected)
    for number, group in enumerate(groups):
        for index, region in enumerate(group.regions):
            if region in WITHOUT_FIREWALL - set(firewall.unprotected_regions):
                top.faults.append(
                    Fault(
                        top.key(f"nodeGroups[{number}].regions[{index}]"),
                        repr(region),
                        "a region with a firewall: here every port is open to everybody",
                        f"remove it, or accept it by {reader.key('unprotectedRegions')}",
                    )
                )
    return firewall


def long_names(key: str, prefix: str, groups: Iterable[NodeGroup]) -> list[Fault]:
    """Rulesets whose names would be too long."""
    regions = {region for group in groups for region in group.regions} - WITHOUT_FIREWALL
    name = f"{prefix}-{MANAGER}-{max(regions, key=len, default='')}"
    if len(name) < LONGEST_NAME:
        return []
    got = f"{name!r}, {len(name)} characters"
    return [Fault(key, got, f"{LONGEST_NAME - 1} characters at most", "shorten the stack's name")]


def _networks(reader: Reader, key: str) -> tuple[str, ...]:
    texts = reader.texts(key, (WORLD,))
    for index, text in enumerate(texts):
        try:
            ipaddress.IPv4Network(text)
        except ValueError as error:
            expected = "an IPv4 network such as 192.0.2.0/24"
            reader.fault(f"{key}[{index}]", text, expected, str(error))
    return texts
