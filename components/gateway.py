"""The one way in: HAProxy on every manager, with one certificate and a token a caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pulumi
import pulumi_random as random

from components.handles import Ground, ServiceHandle
from components.plan import gateway as plan
from components.plan import own_certificate
from components.plan.workload import Workload
from components.workload import Given, deploy
from providers.swarm import resources as swarm
from providers.swarm.certificate import RENEWAL

CA_DAYS, CERTIFICATE_DAYS = 3650, 365


@dataclass(frozen=True)
class GatewayArgs:
    """publisher: the service that serves the configuration. image: with its digest, for both.
    servers, backend: where it routes to.

    hosts: DNS names, besides the managers' addresses, by which clients may call it.
    origins: websites whose scripts may call it. callers: in addition to the default one, which
    may be listed, too.
    certificate, private_key: the operator's, PEM, valid for all hosts; without them, the platform's
    own CA signs one for hosts and addresses.
    """

    workload: Workload
    publisher: Workload
    ground: Ground
    image: pulumi.Input[str]
    servers: Sequence[ServiceHandle]
    backend: ServiceHandle
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    callers: Sequence[plan.Caller] = ()
    certificate: str = ""
    private_key: pulumi.Input[str] = ""


@dataclass(frozen=True)
class _Shown:
    """What clients are shown. pem: chain and key; authority: PEM of the platform's CA, "" if
    another signed it.

    ends: ISO 8601, UTC; renew: how long before that; renewed_by: who does it.
    """

    pem: pulumi.Output[str]
    authority: pulumi.Output[str]
    ends: pulumi.Output[str]
    renew: timedelta
    renewed_by: str


class Gateway(pulumi.ComponentResource):
    """Done when it is healthy on all managers.

    handle: the service.
    tokens: what clients send as `Authorization: Bearer <token>`, by the caller's name, secret;
    token: the default caller's.
    ca_certificate: PEM that clients trust; "" with the operator's certificate.
    certificate: when it `ends`, from when to renew it (`renew_from`), and by whom (`renewed_by`).
    urls: its addresses, by each DNS name, then at each manager; url: the first of them.
    endpoints: the address of every server at `url`, by the server's name.
    """

    handle: ServiceHandle
    token: pulumi.Output[str]
    tokens: pulumi.Output[dict[str, str]]
    ca_certificate: pulumi.Output[str]
    certificate: pulumi.Output[dict[str, str]]
    url: pulumi.Output[str]
    urls: pulumi.Output[list[str]]
    endpoints: pulumi.Output[dict[str, str]]

    def __init__(
        self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Gateway", name, None, opts)
        addresses = pulumi.Output.all(
            *(manager.address for manager in args.ground.cluster.managers)
        )
        default = plan.Caller(plan.DEFAULT_CALLER)
        callers = {caller.name: caller for caller in (default, *args.callers)}
        tokens = {caller.name: self._token(name, caller) for caller in callers.values()}
        shown = self._given(args) if args.certificate else self._made(name, args, addresses)
        known = pulumi.Output.all(*(token.apply(plan.digest) for token in tokens.values()))
        digests = pulumi.Output.unsecret(known).apply(
            lambda made: dict(zip(made, callers.values(), strict=True))
        )
        config = {plan.CONFIG_FILE: self._config(args, addresses, digests)}
        given = Given(args.image, config, needed=[*args.servers, args.backend])
        publisher = deploy(args.publisher, args.ground, given, self)
        given = Given(args.image, {plan.CERTIFICATE_SECRET: shown.pem}, needed=[publisher])
        self.handle = deploy(args.workload, args.ground, given, self)

        self.token = tokens[plan.DEFAULT_CALLER]
        self.tokens = pulumi.Output.secret(pulumi.Output.all(**tokens))
        self.ca_certificate = shown.authority
        self.certificate = shown.ends.apply(
            lambda ends: {
                "ends": ends,
                "renew_from": (datetime.fromisoformat(ends) - shown.renew).isoformat(),
                "renewed_by": shown.renewed_by,
            }
        )
        # The addresses become outputs once something answers there.
        port = args.workload.ports[0].published
        up = (publisher.dns_name, self.handle.dns_name)
        self.urls = pulumi.Output.all(addresses, *up).apply(
            lambda known: [plan.url(host, port) for host in (*args.hosts, *known[0])]
        )
        self.url = self.urls.apply(lambda urls: urls[0])
        self.endpoints = self.url.apply(
            lambda url: {server.name: f"{url}/mcp/{server.name}" for server in args.servers}
        )
        self.register_outputs(
            {"url": self.url, "tokens": self.tokens, "ca_certificate": self.ca_certificate}
        )

    def _token(self, name: str, caller: plan.Caller) -> pulumi.Output[str]:
        made = random.RandomPassword(
            f"{name}-token"
            if caller.name == plan.DEFAULT_CALLER
            else f"{name}-token-{caller.name}",
            length=43,
            special=False,
            keepers={"rotate": caller.rotate} if caller.rotate else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.secret(made.result)

    def _given(self, args: GatewayArgs) -> _Shown:
        """The operator's certificate. Only the operator can renew it."""
        ends = own_certificate.ends(args.certificate)
        if datetime.now(UTC) > ends - own_certificate.NOTICE:
            when = f"{ends:%Y-%m-%d %H:%M} UTC"
            pulumi.log.warn(f"the gateway's certificate ends on {when}: set a new one", self)
        return _Shown(
            pem=pulumi.Output.secret(
                pulumi.Output.concat(args.certificate.rstrip(), "\n", args.private_key)
            ),
            authority=pulumi.Output.from_input(""),
            ends=pulumi.Output.from_input(ends.isoformat()),
            renew=own_certificate.NOTICE,
            renewed_by="you",
        )

    def _made(self, name: str, args: GatewayArgs, addresses: pulumi.Output[list[str]]) -> _Shown:
        """A certificate for all names and addresses, signed by the platform's own CA."""
        child = pulumi.ResourceOptions(parent=self, provider=args.ground.cluster.provider)
        authority = swarm.Certificate(
            f"{name}-ca",
            common_name=f"{args.ground.prefix} gateway CA",
            is_ca=True,
            validity_days=CA_DAYS,
            opts=child,
        )
        leaf = swarm.Certificate(
            f"{name}-certificate",
            common_name=f"{args.ground.prefix} gateway",
            dns_names=list(args.hosts),
            ip_addresses=addresses,
            ca_certificate=authority.certificate,
            ca_private_key=authority.private_key,
            validity_days=CERTIFICATE_DAYS,
            opts=child,
        )
        return _Shown(
            pem=pulumi.Output.concat(leaf.certificate, leaf.private_key),
            authority=authority.certificate,
            ends=leaf.not_after,
            renew=timedelta(days=CERTIFICATE_DAYS) * RENEWAL,
            renewed_by="pulumi up",
        )

    def _config(
        self,
        args: GatewayArgs,
        addresses: pulumi.Output[list[str]],
        callers: pulumi.Output[dict[str, plan.Caller]],
    ) -> pulumi.Output[str]:
        routes = pulumi.Output.all(*map(_route, args.servers))
        return pulumi.Output.all(addresses, routes, callers, _route(args.backend)).apply(
            lambda known: plan.config(
                known[1], known[3], [*known[0], *args.hosts], known[2], args.origins
            )
        )


def _route(leads_to: ServiceHandle) -> pulumi.Output[plan.Route]:
    return leads_to.dns_name.apply(lambda host: plan.Route(leads_to.name, host, leads_to.port))
