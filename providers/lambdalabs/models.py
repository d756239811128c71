"""What the API talks about, as far as this provider needs it. Pure.

Shapes: OpenAPI 1.8.3, schemas SSHKey, Instance, InstanceTypesItem. Regions, instance types and
statuses are open sets: they stay strings, and unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

COMING = frozenset({"booting", "active"})
"""Statuses of a machine that is, or will be, of use."""

GOING = frozenset({"terminating", "terminated"})
"""Statuses of a machine that is given back."""

BROKEN = frozenset({"unhealthy", "preempted"})
"""Statuses of a machine that never comes back but may still be billed."""


class Listed(list[T]):
    """What a list of the API holds."""


@dataclass(frozen=True)
class Key:
    """A registered SSH key."""

    id: str
    name: str
    public_key: str

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Key:
        return cls(_text(data, "id"), _text(data, "name"), _text(data, "public_key"))


@dataclass(frozen=True)
class Machine:
    """An instance. `ip` appears while it boots; `gpus` is what its type has.

    reasons: why the API refuses to restart or terminate it (InstanceActionAvailabilityDetails),
    which is all that the API tells about a machine that failed.
    """

    id: str
    status: str
    name: str = ""
    instance_type: str = ""
    region: str = ""
    gpus: int = 0
    price_cents_per_hour: int | None = None
    ip: str | None = None
    private_ip: str | None = None
    key_names: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Machine:
        kind = data["instance_type"]
        return cls(
            id=_text(data, "id"),
            status=_text(data, "status"),
            name=data.get("name") or "",
            instance_type=_text(kind, "name"),
            region=_text(data["region"], "name"),
            gpus=int(kind["specs"]["gpus"]),
            price_cents_per_hour=_number(kind.get("price_cents_per_hour")),
            ip=data.get("ip") or None,
            private_ip=data.get("private_ip") or None,
            key_names=tuple(data["ssh_key_names"]),
            tags={tag["key"]: tag["value"] for tag in data.get("tags") or ()},
            reasons=_reasons(data.get("actions") or {}),
        )


@dataclass(frozen=True)
class Offer:
    """An instance type, and the regions in which one is free now."""

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

    def body(self) -> dict[str, Any]:
        """The request's JSON. The name is the hostname, too."""
        body: dict[str, Any] = {
            "name": self.name,
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
        return body


def _reasons(actions: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps the API from acting on a machine, each said once."""
    refused = (actions.get(action) or {} for action in ("restart", "cold_reboot", "terminate"))
    said = (one.get("reason_description") or one.get("reason_code") for one in refused)
    return tuple(dict.fromkeys(reason for reason in said if reason))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is {type(value).__name__}, expected a string")
    return value
