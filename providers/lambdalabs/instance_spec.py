"""The inputs of an `Instance`, and what follows from them alone. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from providers.lambdalabs.models import UNRECORDED, Machine, Offer
from providers.runtime.declare import Fault, prop

MARK = "pulumi:instance"
"""Tag with the specification for which a machine was launched, see `mark`."""

LAUNCH = "pulumi:launch"
"""Tag that is the same on all machines that one `create` launched, on purpose or not."""


@dataclass(frozen=True)
class InstanceInputs:
    name: str = prop(
        replace=True,
        doc="Name and hostname: lowercase letters, digits and hyphens, at most 63 characters."
        " Make it unique (a nonce), best with an `InstanceName`: a machine of exactly this name is"
        f" adopted. In Lambda Cloud `{UNRECORDED}` follows it until a state has the machine's id.",
    )
    instance_types: list[str] = prop(
        doc="Types to launch, the preferred one first. A machine of another type is replaced."
    )
    regions: list[str] = prop(
        doc="Regions to launch in, the preferred one first. A machine elsewhere is replaced."
    )
    ssh_key_name: str = prop(doc="Name of a registered key, which the machine boots with.")
    image_family: str = prop(replace=True, default="", doc='"": the region\'s default image.')
    user_data: str = prop(
        secret=True, default="", doc="cloud-init user data. A change waits for the next generation."
    )
    tags: dict[str, str] = prop(
        default_factory=dict, doc="Tags of the machine. A change waits for the next generation."
    )
    generation: str = prop(replace=True, default="", doc="Change it to get a new machine.")
    volumes: list[str] = prop(
        default_factory=list,
        doc="Ids of the volumes on its disk: it is not replaced while it holds one.",
    )
    confirm_data_loss: str = prop(default="", doc="Id of a volume that may be lost anyway.")
    account_key: str = prop(
        default="",
        doc="Id of an SSH key of the account (an `SshKey`'s id). If the account has neither it nor"
        " a machine with these tags, the API key is of another account, and nothing counts as"
        " gone.",
    )
    firewall_rulesets: dict[str, list[str]] = prop(
        default_factory=dict,
        doc="By region, ids of the firewall rulesets that a machine gets there. A change waits for"
        " the next generation.",
    )


@dataclass(frozen=True)
class InstanceOutputs:
    status: str = prop(doc="As last read: booting, active, unhealthy, …")
    instance_type: str = prop(doc="The type that was available.")
    region: str = prop(doc="Its region.")


def faults(inputs: InstanceInputs) -> Iterator[Fault]:
    """The limits of OpenAPI 1.8.3, InstanceLaunchRequest and RequestedTagEntry."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", inputs.name):
        yield Fault(
            "name",
            f"got {inputs.name!r}, expected 1 to 63 lowercase letters, digits or hyphens",
        )
    for path, values in (("instanceTypes", inputs.instance_types), ("regions", inputs.regions)):
        if not values:
            yield Fault(path, "got an empty list, expected at least one")
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield Fault(path, f"{value!r} is listed more than once")
    if not inputs.ssh_key_name:
        yield Fault("sshKeyName", "got an empty string, expected the name of a registered key")
    if (size := len(inputs.user_data.encode())) > 1_000_000:
        yield Fault("userData", f"{size} bytes, expected at most 1,000,000")
    for key, value in inputs.tags.items():
        if not re.fullmatch(r"[a-z][a-z0-9:-]{1,54}", key) or key in (MARK, LAUNCH):
            yield Fault(
                f"tags.{key}",
                "expected a key of 2 to 55 lowercase letters, digits, hyphens or colons that starts"
                f" with a letter and is not {MARK} or {LAUNCH}",
            )
        if len(value) > 128:
            yield Fault(f"tags.{key}", f"{len(value)} characters, expected at most 128")


def mark(inputs: InstanceInputs) -> str:
    """Distinguishes specifications of one name: equal for a retry, different for another image or
    generation, so a replacement under the same name never adopts what it replaces. Pure.

    Without the URN: a resource that is moved or renamed (an alias) keeps its machine.
    """
    return _hash(inputs.name, inputs.image_family, inputs.generation)


def _marks(urn: str, inputs: InstanceInputs) -> Container[str | None]:
    """The marks of a machine for these inputs; the second was used before docs/adr/0010."""
    return mark(inputs), _hash(urn, inputs.image_family, inputs.generation)


def _hash(*spec: str) -> str:
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:32]


def candidates(
    inputs: InstanceInputs, offers: dict[str, Offer]
) -> Iterator[tuple[str, str, str | None]]:
    """Each type in each region, in order, with the reason not to try it, or None. Pure."""
    for kind in inputs.instance_types:
        offer = offers.get(kind)
        for region in inputs.regions:
            if offer is None:
                yield kind, region, f"no such type, expected one of {', '.join(sorted(offers))}"
            elif region not in offer.regions:
                yield kind, region, "no capacity listed"
            else:
                yield kind, region, None


def is_ours(machine: Machine, urn: str, inputs: InstanceInputs) -> bool:
    # Without the tag, the name has to be enough: it ends with a nonce.
    told = machine.tags.get(MARK, mark(inputs))
    return machine.name == inputs.name and told in _marks(urn, inputs)


def is_listed(machine: Machine, inputs: InstanceInputs) -> bool:
    # One that isn't listed is about to be replaced, see `stale`; missing values don't count.
    kind, region = machine.instance_type, machine.region
    return kind in ("", *inputs.instance_types) and region in ("", *inputs.regions)
