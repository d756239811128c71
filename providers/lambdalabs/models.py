"""The API's objects, as far as this provider needs them. Pure.

Shapes: OpenAPI 1.8.3, schemas SSHKey, Instance, InstanceTypesItem, FirewallRuleset. Regions,
instance types and statuses are open sets: they stay strings, and unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, TypeVar

T = TypeVar("T")

COMING = frozenset({"booting", "active"})
"""Statuses of a machine that is, or will be, usable."""

GOING = frozenset({"terminating", "terminated"})
"""Statuses of a machine that is terminating or gone."""

BROKEN = frozenset({"unhealthy", "preempted"})
"""Statuses of a machine that never comes back but may still be billed."""


UNRECORDED = "+"
"""Suffix of a machine's name in the account until a state has its id: tags can't be changed, a
name can (OpenAPI 1.8.3, postInstance)."""


class Listed(list[T]):
    """The entries of one of the API's lists. left_out: what is wrong with each unreadable entry."""

    left_out: tuple[str, ...] = ()


def listed(parse: Callable[[Mapping[str, Any]], T], data: object) -> Listed[T]:
    """The readable entries: one that can't be read doesn't hide the others. Raises TypeError if
    `data` is not a list."""
    if not isinstance(data, list):
        raise TypeError(f"got {type(data).__name__}, expected a list")
    found, odd = Listed[T](), []
    for number, item in enumerate(data):
        try:
            found.append(parse(item))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            odd.append(f"entry {number + 1} of {len(data)} ({type(error).__name__}: {error})")
    found.left_out = tuple(odd)
    return found


@dataclass(frozen=True)
class Key:
    """A registered SSH key. Without a readable id it is refused; other unreadable fields are
    empty."""

    id: str
    name: str
    public_key: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Key:
        return cls(_text(data, "id"), _any(data.get("name")), _any(data.get("public_key")))


@dataclass(frozen=True)
class Machine:
    """An instance. `ip` appears while it boots; `gpus` comes from its type, None if not reported.

    Without a readable id it is refused. Other unreadable fields are empty, so that the machine
    still counts as existing.

    recorded: whether its id is, or was, in a state, see `UNRECORDED`. Always true for machines of
    the first version.
    reasons: why the API refuses to restart or terminate it (InstanceActionAvailabilityDetails);
    the API says nothing else about a machine that failed.
    """

    id: str
    status: str
    name: str = ""
    recorded: bool = True
    instance_type: str = ""
    region: str = ""
    gpus: int | None = None
    price_cents_per_hour: int | None = None
    ip: str | None = None
    private_ip: str | None = None
    key_names: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Machine:
        kind = _inner(data, "instance_type")
        return cls(
            id=_text(data, "id"),
            status=_any(data.get("status")),
            name=_any(data.get("name")).removesuffix(UNRECORDED),
            recorded=not _any(data.get("name")).endswith(UNRECORDED),
            instance_type=_any(kind.get("name")),
            region=_any(_inner(data, "region").get("name")),
            gpus=_number(_inner(kind, "specs").get("gpus")),
            price_cents_per_hour=_number(kind.get("price_cents_per_hour")),
            ip=_any(data.get("ip")) or None,
            private_ip=_any(data.get("private_ip")) or None,
            key_names=tuple(name for name in _items(data, "ssh_key_names") if _any(name)),
            tags={
                _any(tag.get("key")): _any(tag.get("value"))
                for tag in _items(data, "tags")
                if isinstance(tag, Mapping)
            },
            reasons=_reasons(_inner(data, "actions")),
        )


@dataclass(frozen=True)
class Offer:
    """An instance type, and the regions in which one is available now."""

    name: str
    description: str
    price_cents_per_hour: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    gpus: int
    regions: tuple[str, ...]

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Offer:
        kind, specs = data["instance_type"], data["instance_type"]["specs"]
        return cls(
            name=_text(kind, "name"),
            description=_text(kind, "description"),
            price_cents_per_hour=int(kind["price_cents_per_hour"]),
            vcpus=int(specs["vcpus"]),
            memory_gib=int(specs["memory_gib"]),
            storage_gib=int(specs["storage_gib"]),
            gpus=int(specs["gpus"]),
            regions=tuple(_text(r, "name") for r in data["regions_with_capacity_available"]),
        )


@dataclass(frozen=True)
class Launch:
    """One launch request for one type in one region."""

    name: str
    instance_type: str
    region: str
    key_name: str
    image_family: str
    user_data: str = field(repr=False)
    tags: Mapping[str, str]
    firewall_rulesets: Sequence[str] = ()

    def body(self) -> dict[str, Any]:
        """The request's JSON. The name is the hostname, too; in the account it is marked as not yet
        recorded."""
        body: dict[str, Any] = {
            "name": self.name + UNRECORDED,
            "hostname": self.name,
            "instance_type_name": self.instance_type,
            "region_name": self.region,
            "ssh_key_names": [self.key_name],
            "tags": [{"key": key, "value": value} for key, value in sorted(self.tags.items())],
        }
        if self.image_family:
            body["image"] = {"family": self.image_family}
        if self.user_data:
            body["user_data"] = self.user_data
        if self.firewall_rulesets:
            body["firewall_rulesets"] = [{"id": id} for id in self.firewall_rulesets]
        return body


@dataclass(frozen=True)
class Rule:
    """Allows inbound traffic. Two rules with the same meaning are equal.

    ports: first and last port, both included; None for icmp. source: an IPv4 network.
    """

    protocol: str
    ports: tuple[int, int] | None
    source: IPv4Network
    description: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Rule:
        ports = data.get("port_range")
        return cls(
            protocol=_text(data, "protocol"),
            ports=(int(ports[0]), int(ports[1])) if ports else None,
            source=IPv4Network(_text(data, "source_network"), strict=False),
            description=_text(data, "description"),
        )

    def body(self) -> dict[str, Any]:
        """The rule's JSON."""
        ports = {} if self.ports is None else {"port_range": list(self.ports)}
        return {
            "protocol": self.protocol,
            **ports,
            "source_network": str(self.source),
            "description": self.description,
        }


@dataclass(frozen=True)
class Ruleset:
    """A firewall ruleset. users: ids of the machines that have it."""

    id: str
    name: str
    region: str
    rules: tuple[Rule, ...]
    users: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Ruleset:
        # The global one has no region and no list of machines.
        return cls(
            id=_text(data, "id"),
            name=_text(data, "name"),
            region=_text(data["region"], "name") if "region" in data else "",
            rules=tuple(Rule.parse(rule) for rule in data["rules"]),
            users=tuple(data.get("instance_ids") or ()),
        )


def _reasons(actions: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the API can't act on a machine, each reason once."""
    refused = (_inner(actions, action) for action in ("restart", "cold_reboot", "terminate"))
    said = (_any(one.get("reason_description")) or _any(one.get("reason_code")) for one in refused)
    return tuple(dict.fromkeys(reason for reason in said if reason))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _any(value: object) -> str:
    return value if isinstance(value, str) else ""


def _inner(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _items(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {type(value).__name__}, expected a string")
    return value
