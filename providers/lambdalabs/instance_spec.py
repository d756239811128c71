"""What an `Instance` is declared with, and what follows from that alone. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from providers.lambdalabs.models import UNRECORDED, Machine, Offer
from providers.runtime.declare import Fault, prop

MARK = "pulumi:instance"
"""Tag that tells which specification a machine was launched for, see `mark`."""

LAUNCH = "pulumi:launch"
"""Tag that all machines have in common that one `create` launched, on purpose or not."""


@dataclass(frozen=True)
class InstanceInputs:
    name: str = prop(
        replace=True,
        doc="Name and hostname: lowercase letters, digits and hyphens, at most 63 characters."
        " Make it unique (a nonce), best by an `InstanceName`: a machine of exactly this name is"
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
        secret=True, default="", doc="cloud-init user data. A change awaits the next generation."
    )
    tags: dict[str, str] = prop(
        default_factory=dict, doc="Tags of the machine. A change awaits the next generation."
    )
    generation: str = prop(replace=True, default="", doc="Change it to get a new machine.")
    volumes: list[str] = prop(
        default_factory=list,
        doc="Ids of the volumes on its disk: it is not replaced while it holds one.",
    )
    confirm_data_loss: str = prop(default="", doc="Id of a volume that may be lost anyway.")
    account_key: str = prop(
        default="",
        doc="Id of an SSH key of the account (an `SshKey`'s id). Where the account has neither"
        " it nor a machine with these tags, the API key is another account's: nothing is believed"
        " to be gone.",
    )
    firewall_rulesets: dict[str, list[str]] = prop(
        default_factory=dict,
        doc="By region, ids of the firewall rulesets that a machine gets there. A change awaits the"
        " next generation.",
    )


@dataclass(frozen=True)
class InstanceOutputs:
    status: str = prop(doc="As last read: booting, active, unhealthy, …")
    instance_type: str = prop(doc="The type that was free.")
    region: str = prop(doc="The region it is in.")


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
    """Tells specifications of one name apart: equal for a repeated try, different for another image
    or generation, so that a replacement under the same name never adopts what it replaces. Pure.

    Without the urn: a resource that is moved or renamed (an alias) has the same machine.
    """
    return _hash(inputs.name, inputs.image_family, inputs.generation)


def _marks(urn: str, inputs: InstanceInputs) -> Container[str | None]:
    """The marks of a machine for these inputs; the second was given before docs/adr/0010."""
    return mark(inputs), _hash(urn, inputs.image_family, inputs.generation)


def _hash(*spec: str) -> str:
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:32]


def candidates(
    inputs: InstanceInputs, offers: dict[str, Offer]
) -> Iterator[tuple[str, str, str | None]]:
    """Each type in order in each region in order, with why it need not be tried, or None. Pure."""
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
    # Without the tag the name, which ends with a nonce, has to do.
    told = machine.tags.get(MARK, mark(inputs))
    return machine.name == inputs.name and told in _marks(urn, inputs)


def is_listed(machine: Machine, inputs: InstanceInputs) -> bool:
    # One that isn't is about to be replaced, see `stale`; what is not told is not held against it.
    kind, region = machine.instance_type, machine.region
    return kind in ("", *inputs.instance_types) and region in ("", *inputs.regions)
