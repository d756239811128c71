"""The gateway's parts: what is secret, what depends on the managers' addresses, its outputs."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pulumi
import pytest

from components.gateway import Gateway, GatewayArgs
from components.handles import (
    ClusterHandle,
    Ground,
    NetworkHandle,
    NodeHandle,
    RegistryHandle,
    ServiceHandle,
)
from components.plan import gateway as plan
from providers.swarm import resources as swarm
from tests.components.ground import DIGEST
from tests.support.certificates import issue


def gateway(made=None, port=8443, **changes):
    provider = swarm.Provider("services")
    server = swarm.KeyPair("server")
    managers = tuple(
        NodeHandle(
            name=f"manager-{number}",
            physical_name=f"sophia-dev-manager-{number}",
            role="manager",
            tier="primary",
            instance_id=pulumi.Output.from_input(f"i-{number}"),
            address=pulumi.Output.from_input(f"192.0.2.{number}"),
            private_address=pulumi.Output.from_input(f"192.0.2.{number}"),
            host_key=pulumi.Output.from_input("key"),
            ready=server,
        )
        for number in (1, 2)
    )
    dns_name = server.id.apply(lambda _: "tasks.sophia-dev-github")
    backends = server.id.apply(lambda _: "tasks.sophia-dev-backend")
    workload = plan.workload("gateway", "sophia-dev", port, ["github"])
    built = Gateway(
        "gateway",
        GatewayArgs(
            workload=workload,
            publisher=plan.publisher(workload),
            ground=Ground(
                "sophia-dev",
                ClusterHandle(provider, pulumi.Output.from_input("c"), (), managers),
                {"services": NetworkHandle("services", pulumi.Output.from_input("network-1"))},
                RegistryHandle("registry.example", "", "u", pulumi.Output.secret("pw")),
            ),
            image=f"registry.example/gateway@{DIGEST}",
            servers=[ServiceHandle("github", "sophia-dev-github", dns_name, 9005, server)],
            backend=ServiceHandle("backend", "sophia-dev-backend", backends, 8000, server),
            **{
                "hosts": ["mcp.example"],
                "callers": [plan.Caller("alice", ("github",))],
                **changes,
            },
        ),
    )
    if made is not None:
        made.append(built)


def test_its_parts_are_its_children_on_the_clusters_provider(registered):
    seen = registered(gateway)
    parts = {item.name for item in seen.values() if item.parent == "gateway"}
    assert parts == {
        *("gateway-token", "gateway-token-alice", "gateway-ca", "gateway-certificate"),
        *("gateway-tls", "gateway-config-haproxy", "gateway-config-service", "gateway-service"),
    }
    for name in parts - {"gateway-token", "gateway-token-alice"}:
        assert seen[name].provider == "services", name


def test_token_and_key_are_secret_and_the_configuration_holds_neither(registered, preview):
    seen = registered(gateway)
    if preview:
        return
    assert "data" in seen["gateway-tls"].secrets
    assert seen["gateway-tls"].inputs["data"] == (
        "certificate-of-gateway-certificateprivate gateway-certificate"
    )
    config = seen["gateway-config-haproxy"].inputs["data"]
    assert "random-gateway-token" not in config
    for caller, token in (("default", "gateway-token"), ("alice", "gateway-token-alice")):
        assert (
            f"str({caller}) if {{ var(txn.digest) -m str {plan.digest(f'random-{token}')} }}"
            in config
        )
    assert "-m str alice/github" in config
    assert "data" not in seen["gateway-config-haproxy"].secrets


def with_own_certificate(**changes):
    own = issue("mcp.example", issue("Root"), dns=("mcp.example",), **changes)
    return {"certificate": own.chain, "private_key": pulumi.Output.secret(own.key_pem)}, own


def test_a_certificate_of_ones_own_stands_in_the_place_of_the_platforms(registered, preview):
    given, own = with_own_certificate()
    seen = registered(lambda: gateway(**given))
    assert not {"gateway-ca", "gateway-certificate"} & {*seen}
    assert "data" in seen["gateway-tls"].secrets
    assert seen["gateway-tls"].inputs["data"] == own.chain + own.key_pem
    for name, resource in seen.items():
        shown = str({k: v for k, v in resource.inputs.items() if k not in resource.secrets})
        assert own.key_pem.splitlines()[1] not in shown, name


def test_who_renews_a_certificate_and_from_when_on_is_told(registered, preview):
    given, own = with_own_certificate()
    ends = own.certificate.not_valid_after_utc
    assert handed_out(registered, **given)["certificate"] == {
        "ends": ends.isoformat(),
        "renew_from": (ends - timedelta(days=30)).isoformat(),
        "renewed_by": "you",
    }
    values = handed_out(registered)
    if not preview:
        assert values["certificate"] == {
            "ends": "2031-01-31T12:00:00+00:00",
            "renew_from": "2030-10-01T20:00:00+00:00",
            "renewed_by": "pulumi up",
        }


@pytest.mark.parametrize(("days", "warned"), [(29, True), (31, False)])
def test_one_is_reminded_of_a_certificate_that_ends_soon(registered, monkeypatch, days, warned):
    said = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, resource: said.append(text))
    given, _ = with_own_certificate(ends=datetime.now(UTC) + timedelta(days=days))
    registered(lambda: gateway(**given))
    assert bool(said) == warned
    assert all("set a new one" in text for text in said)


def test_certificate_and_hosts_are_the_managers_addresses(registered, preview):
    seen = registered(gateway)
    inputs = seen["gateway-certificate"].inputs
    assert inputs["dnsNames"] == ["mcp.example"]
    assert inputs["ipAddresses"] == ["192.0.2.1", "192.0.2.2"]
    if not preview:
        config = seen["gateway-config-haproxy"].inputs["data"]
        for host in ("192.0.2.1", "192.0.2.2", "mcp.example"):
            assert f"lower -m str {host} {host}.\n" in config
        assert "Host tasks.sophia-dev-github:9005" in config


def test_it_starts_after_the_servers_it_leads_to(registered):
    seen = registered(gateway)
    assert "server" in seen["gateway-config-haproxy"].dependencies
    assert "gateway-config-haproxy" in seen["gateway-config-service"].dependencies
    assert "gateway-config-service" in seen["gateway-service"].dependencies


def test_another_caller_leaves_the_gateways_alone(registered, preview):
    before, after = (
        registered(lambda callers=callers: gateway(callers=callers))
        for callers in ((), [plan.Caller("bob")])
    )
    assert before["gateway-service"].inputs == after["gateway-service"].inputs
    if not preview:
        assert before["gateway-config-haproxy"].inputs != after["gateway-config-haproxy"].inputs


def test_the_files_are_for_the_user_of_the_process_alone(registered, preview):
    seen = registered(gateway)
    if not preview:
        secrets = seen["gateway-service"].inputs["secrets"]
        files = [*secrets, *seen["gateway-config-service"].inputs["configs"]]
        assert {(file["uid"], file["gid"]) for file in files} == {(10003, 10003)}
        assert {file["target"] for file in files} == {
            *("gateway_tls.pem", "/etc/haproxy/haproxy.cfg"),
        }


def handed_out(registered, **changes):
    """The gateway's outputs, as far as they are known."""
    made, values = [], {}

    def program():
        gateway(made, **changes)
        for name in (
            "tokens",
            "former_tokens",
            "url",
            "urls",
            "endpoints",
            "ca_certificate",
            "certificate",
        ):
            getattr(made[0], name).apply(lambda value, name=name: values.update({name: value}))
        for name in ("token", "tokens"):
            pulumi.Output.from_input(getattr(made[0], name).is_secret()).apply(
                lambda secret, name=name: values.update({f"{name} secret": secret})
            )

    registered(program)
    return values


def test_what_is_handed_out(registered, preview):
    values = handed_out(registered, hosts=[])
    assert values["token secret"] is True
    assert values["tokens secret"] is True
    if not preview:
        assert values["tokens"] == {
            "default": "random-gateway-token",
            "alice": "random-gateway-token-alice",
        }
        assert values["url"] == "https://192.0.2.1:8443"
        assert values["urls"] == ["https://192.0.2.1:8443", "https://192.0.2.2:8443"]
        assert values["endpoints"] == {"github": "https://192.0.2.1:8443/mcp/github"}
        assert values["ca_certificate"] == "certificate-of-gateway-ca"


def test_a_caller_gets_another_token_when_that_is_asked_for(registered, preview):
    callers = [plan.Caller("alice", rotate="2"), plan.Caller("default", ("github",))]
    seen = registered(lambda: gateway(callers=callers))
    assert seen["gateway-token-alice"].inputs["keepers"] == {"rotate": "2"}
    assert "keepers" not in seen["gateway-token"].inputs, "or every platform would get another one"
    if not preview:
        assert "acl permitted var(txn.wish) -m str default/github" in str(
            seen["gateway-config-haproxy"].inputs["data"]
        )


def test_a_name_stands_before_the_managers_addresses(registered, preview):
    values = handed_out(registered, hosts=["mcp.example", "b.example"], port=443)
    if not preview:
        addresses = ["https://192.0.2.1", "https://192.0.2.2"]
        assert values["urls"] == ["https://mcp.example", "https://b.example", *addresses]
        assert values["endpoints"] == {"github": "https://mcp.example/mcp/github"}


def known_digests(seen):
    config = seen["gateway-config-haproxy"].inputs["data"]
    return set(re.findall(r"str\(alice\) if { var\(txn.digest\) -m str (\w+) }", config))


ALICE, NOW = plan.Caller("alice", ("github",), "2", keep_former=True), "random-gateway-token-alice"


@pytest.mark.parametrize(
    ("caller", "last", "before", "good"),
    [
        # The run that rotates; one after it; one that another rotation follows.
        (ALICE, "first", "", {NOW, "first"}),
        (ALICE, NOW, "first", {NOW, "first"}),
        (ALICE, "second", "first", {NOW, "second"}),
        (ALICE, NOW, "", {NOW}),
        (replace(ALICE, keep_former=False), "first", "zeroth", {NOW}),
    ],
)
def test_a_callers_former_token_is_good_as_long_as_it_is_kept(
    registered, preview, caller, last, before, good
):
    given = {
        "last_tokens": {"alice": pulumi.Output.secret(last)},
        "former_tokens": {"alice": pulumi.Output.secret(before)} if before else {},
        "callers": [caller],
    }
    if preview:
        return
    assert known_digests(registered(lambda: gateway(**given))) == set(map(plan.digest, good))
    values = handed_out(registered, **given)
    assert values["tokens"]["alice"] == NOW
    assert set(values["former_tokens"].values()) == good - {NOW}
