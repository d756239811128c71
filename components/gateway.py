"""The one way in: HAProxy on every manager, with one certificate and a token a caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pulumi
import pulumi_random as random

from components.gateway_certificate import OwnCa, given, made
from components.handles import Ground, ServiceHandle
from components.plan import gateway as plan
from components.plan.workload import Workload
from components.workload import Given, deploy


@dataclass(frozen=True)
class GatewayArgs:
    """publisher: the service that serves the configuration. image: with its digest, for both.
    servers, backend: where it routes to.

    hosts: DNS names, besides the managers' addresses, by which clients may call it.
    origins: websites whose scripts may call it. callers: in addition to the default one, which
    may be listed, too.
    last_tokens, former_tokens: what callers had after the last `up`, and before it; by name.
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
    last_tokens: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    former_tokens: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    certificate: str = ""
    private_key: pulumi.Input[str] = ""
    own_ca: OwnCa = OwnCa()


class Gateway(pulumi.ComponentResource):
    """Done when it is healthy on all managers.

    handle: the service.
    tokens: what clients send as `Authorization: Bearer <token>`, by the caller's name, secret;
    token: the default caller's. former_tokens: those before them that are still good, secret.
    ca_certificate: PEM that clients trust; "" with the operator's certificate.
    certificate: when it `ends`, from when to renew it (`renew_from`), and by whom (`renewed_by`).
    urls: its addresses, by each DNS name, then at each manager; url: the first of them.
    endpoints: the address of every server at `url`, by the server's name.
    """

    handle: ServiceHandle
    token: pulumi.Output[str]
    tokens: pulumi.Output[dict[str, str]]
    former_tokens: pulumi.Output[dict[str, str]]
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
        self.former_tokens = self._former(args, callers, tokens)
        if args.certificate:
            shown = given(args.certificate, args.private_key, self)
        else:
            opts = pulumi.ResourceOptions(parent=self, provider=args.ground.cluster.provider)
            common_name = f"{args.ground.prefix} gateway"
            shown = made(name, common_name, args.hosts, addresses, args.own_ca, opts)
        known = pulumi.Output.all(pulumi.Output.all(**tokens), self.former_tokens)
        # Hashes of tokens tell nothing.
        digests = pulumi.Output.unsecret(
            known.apply(
                lambda both: {
                    plan.digest(token): callers[name]
                    for some in both
                    for name, token in some.items()
                }
            )
        )
        config = {plan.CONFIG_FILE: self._config(args, addresses, digests)}
        needed = [*args.servers, args.backend]
        publisher = deploy(
            args.publisher, args.ground, Given(args.image, config, needed=needed), self
        )
        tls = Given(args.image, {plan.CERTIFICATE_SECRET: shown.pem}, needed=[publisher])
        self.handle = deploy(args.workload, args.ground, tls, self)

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

    @staticmethod
    def _former(
        args: GatewayArgs,
        callers: Mapping[str, plan.Caller],
        tokens: Mapping[str, pulumi.Output[str]],
    ) -> pulumi.Output[dict[str, str]]:
        """Of the callers that keep it, by name."""
        none = pulumi.Output.from_input("")
        keeping = [name for name, caller in callers.items() if caller.keep_former]
        found = [
            pulumi.Output.all(
                tokens[name], args.last_tokens.get(name, none), args.former_tokens.get(name, none)
            ).apply(lambda known: plan.former(*known))
            for name in keeping
        ]
        return pulumi.Output.secret(
            pulumi.Output.all(*found).apply(
                lambda known: {
                    name: token for name, token in zip(keeping, known, strict=True) if token
                }
            )
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
