"""The gateway's certificate: the operator's, or one of the platform's own CA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pulumi

from components.plan import own_certificate
from providers.swarm import resources as swarm
from providers.swarm.certificate import RENEWAL, separate

CA_DAYS, CERTIFICATE_DAYS = 3650, 365


@dataclass(frozen=True)
class OwnCa:
    """generation: another text makes another CA. keep_former: whether the former one still signs,
    and clients are given both. handed_out: PEM that clients were given by the last `up`.
    """

    generation: str = ""
    keep_former: bool = False
    handed_out: str = ""

    def used(self, certificates: str) -> int:
        """How many of the newest CA and the former one are used. One that clients are no longer
        given may have leaked: keeping the former one later doesn't bring it back."""
        both = separate(certificates)
        return len(both) if self.keep_former and both[-1].strip() in self.handed_out else 1


@dataclass(frozen=True)
class Shown:
    """What clients are shown. pem: chain and key; authority: PEM of the platform's CA, "" if
    another signed it.

    ends: ISO 8601, UTC; renew: how long before that; renewed_by: who does it.
    """

    pem: pulumi.Output[str]
    authority: pulumi.Output[str]
    ends: pulumi.Output[str]
    renew: timedelta
    renewed_by: str


def given(certificate: str, private_key: pulumi.Input[str], gateway: pulumi.Resource) -> Shown:
    """The operator's certificate. Only the operator can renew it."""
    ends = own_certificate.ends(certificate)
    if datetime.now(UTC) > ends - own_certificate.NOTICE:
        when = f"{ends:%Y-%m-%d %H:%M} UTC"
        pulumi.log.warn(f"the gateway's certificate ends on {when}: set a new one", gateway)
    return Shown(
        pem=pulumi.Output.secret(pulumi.Output.concat(certificate.rstrip(), "\n", private_key)),
        authority=pulumi.Output.from_input(""),
        ends=pulumi.Output.from_input(ends.isoformat()),
        renew=own_certificate.NOTICE,
        renewed_by="you",
    )


def made(
    name: str,
    common_name: str,
    hosts: Sequence[str],
    addresses: pulumi.Input[Sequence[str]],
    own: OwnCa,
    opts: pulumi.ResourceOptions,
) -> Shown:
    """A certificate for all names and addresses, signed by the platform's own CA."""
    authority = swarm.Certificate(
        f"{name}-ca",
        common_name=f"{common_name} CA",
        is_ca=True,
        validity_days=CA_DAYS,
        generation=own.generation or None,
        opts=opts,
    )

    def signing(certificates: str, text: str) -> str:
        """The part of a text that is the CA's that signs."""
        return separate(text)[own.used(certificates) - 1]

    leaf = swarm.Certificate(
        f"{name}-certificate",
        common_name=common_name,
        dns_names=list(hosts),
        ip_addresses=addresses,
        ca_certificate=authority.certificate.apply(lambda both: signing(both, both)),
        ca_private_key=pulumi.Output.all(authority.certificate, authority.private_key).apply(
            lambda known: signing(*known)
        ),
        validity_days=CERTIFICATE_DAYS,
        opts=opts,
    )
    return Shown(
        pem=pulumi.Output.concat(leaf.certificate, leaf.private_key),
        authority=authority.certificate.apply(
            lambda both: "".join(separate(both)[: own.used(both)])
        ),
        ends=leaf.not_after,
        renew=timedelta(days=CERTIFICATE_DAYS) * RENEWAL,
        renewed_by="pulumi up",
    )
