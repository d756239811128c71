"""The rules for requests' bodies: one function per request, after the OpenAPI document."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from simulator import offers
from simulator.exceptions import invalid_parameters
from simulator.records import FirewallRule

_TAG_KEY = re.compile(r"[a-z][a-z0-9-:]+")
_HOSTNAME = re.compile(r"[a-z0-9][0-9a-z-]{0,62}")
PROTOCOLS = ("tcp", "udp", "icmp", "all")
_USER_DATA_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Launch:
    """A valid launch request."""

    region: str
    instance_type: str
    ssh_key: str
    name: str | None
    hostname: str | None
    image_id: str | None
    image_family: str | None
    user_data: str
    tags: dict[str, str]
    file_systems: list[str]
    firewall_rulesets: list[str]


def launch(body: dict[str, Any]) -> Launch:
    """Check a launch's body."""
    region = _text(body, "region_name", required=True)
    if region not in offers.REGIONS:
        raise invalid_parameters(f"region_name: {region!r} is not a region.")
    quantity = body.get("quantity", 1)
    if type(quantity) is not int or quantity != 1:
        raise invalid_parameters("quantity: only one instance can be launched at a time.")
    keys = _texts(body, "ssh_key_names", required=True)
    if len(keys) != 1:
        raise invalid_parameters("ssh_key_names: exactly one SSH key must be specified.")
    user_data = _text(body, "user_data") or ""
    if len(user_data.encode()) > _USER_DATA_BYTES:
        raise invalid_parameters("user_data: must not exceed 1MB.")
    hostname = _text(body, "hostname")
    if hostname is not None and not _HOSTNAME.fullmatch(hostname):
        raise invalid_parameters(f"hostname: must match {_HOSTNAME.pattern}.")
    image_id, image_family = _image(body.get("image"))
    mounts = [_text(entry, "file_system_id", required=True) or ""
              for entry in _objects(body, "file_system_mounts")]  # fmt: skip
    return Launch(
        region=region,
        instance_type=_text(body, "instance_type_name", required=True) or "",
        ssh_key=keys[0],
        name=_text(body, "name", longest=64),
        hostname=hostname,
        image_id=image_id,
        image_family=image_family,
        user_data=user_data,
        tags=_tags(body),
        file_systems=_texts(body, "file_system_names") + mounts,
        firewall_rulesets=[
            _text(entry, "id", required=True) or "" for entry in _objects(body, "firewall_rulesets")
        ],
    )


def ssh_key(body: dict[str, Any]) -> tuple[str, str | None]:
    """Check an added key's body: its name, and its public half, if given."""
    name = _text(body, "name", required=True, longest=64) or ""
    public = _text(body, "public_key", longest=4096)
    if not name:
        raise invalid_parameters("name: must not be empty.")
    if public is not None and not re.fullmatch(
        r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/=]+( .*)?\s*", public
    ):
        raise invalid_parameters("public_key: not an OpenSSH public key.")
    return name, public


def instance_ids(body: dict[str, Any]) -> list[str]:
    """Check the body of a restart or a terminate."""
    return _texts(body, "instance_ids", required=True)


def new_name(body: dict[str, Any]) -> str | None:
    """Check an instance modification's body."""
    return _text(body, "name", longest=64)


def new_ruleset(body: dict[str, Any]) -> tuple[str, str, list[FirewallRule]]:
    """Check a new ruleset's body: its name, region and rules."""
    name = _text(body, "name", required=True, longest=64) or ""
    region = _text(body, "region", required=True) or ""
    if region not in offers.REGIONS:
        raise invalid_parameters(f"region: {region!r} is not a region.")
    return name, region, _rules(body, "rules")


def changed_ruleset(body: dict[str, Any]) -> tuple[str | None, list[FirewallRule] | None]:
    """Check the body of a ruleset's change: its name and rules, None if unchanged."""
    rules = None if body.get("rules") is None else _rules(body, "rules")
    return _text(body, "name", longest=64), rules


def all_rules(body: dict[str, Any]) -> list[FirewallRule]:
    """Check the body that replaces the global rules."""
    return _rules(body, "data")


def _rules(body: dict[str, Any], key: str) -> list[FirewallRule]:
    entries = _objects(body, key, required=True)
    return [_rule(f"{key}[{index}]", entry) for index, entry in enumerate(entries)]


def _rule(key: str, entry: dict[str, Any]) -> FirewallRule:
    protocol = _text(entry, "protocol", required=True)
    if protocol not in PROTOCOLS:
        raise invalid_parameters(f"{key}.protocol: must be one of {', '.join(PROTOCOLS)}.")
    ports = entry.get("port_range")
    if (ports is None) != (protocol == "icmp"):
        raise invalid_parameters(f"{key}.port_range: not allowed for icmp, required for others.")
    if ports is not None and not (
        isinstance(ports, list)
        and len(ports) == 2
        and all(type(port) is int and 1 <= port <= 65535 for port in ports)
        and ports[0] <= ports[1]
    ):
        raise invalid_parameters(f"{key}.port_range: must be [min, max] within 1 to 65535.")
    source = _text(entry, "source_network", required=True) or ""
    try:
        ipaddress.IPv4Network(source)
    except ValueError as error:
        raise invalid_parameters(f"{key}.source_network: {error}.") from None
    description = _text(entry, "description", required=True, longest=128) or ""
    return FirewallRule(protocol, source, description, ports)


def _image(image: Any) -> tuple[str | None, str | None]:
    if image is None:
        return None, None
    if not isinstance(image, dict) or not {"id", "family"} & image.keys():
        raise invalid_parameters("image: must have an id or a family.")
    return _text(image, "id"), _text(image, "family")


def _tags(body: dict[str, Any]) -> dict[str, str]:
    tags = {}
    for entry in _objects(body, "tags"):
        if not {"key", "value"} <= entry.keys():
            raise invalid_parameters("tags: each must have a key and a value.")
        key = _text(entry, "key", required=True, longest=55) or ""
        if not _TAG_KEY.fullmatch(key):
            raise invalid_parameters(f"tags: key {key!r} must match {_TAG_KEY.pattern}.")
        tags[key] = _text(entry, "value", required=True, longest=128) or ""
    return tags


def _text(
    body: dict[str, Any], key: str, *, required: bool = False, longest: int | None = None
) -> str | None:
    value = body.get(key)
    if value is None:
        if required:
            raise invalid_parameters(f"{key}: field required.")
        return None
    if not isinstance(value, str):
        raise invalid_parameters(f"{key}: must be a string.")
    if longest is not None and len(value) > longest:
        raise invalid_parameters(f"{key}: must be {longest} characters or fewer.")
    return value


def _texts(body: dict[str, Any], key: str, *, required: bool = False) -> list[str]:
    value = body.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid_parameters(f"{key}: must be a list of strings.")
    return value


def _objects(body: dict[str, Any], key: str, *, required: bool = False) -> list[dict[str, Any]]:
    value = body.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid_parameters(f"{key}: must be a list of objects.")
    return value
