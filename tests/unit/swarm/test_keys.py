"""Key pairs and certificates, checked by the programs that will read them."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncssh
import pytest
from cryptography import x509

from providers.runtime import codec
from providers.runtime.declare import ResourceFailure
from providers.runtime.difference import difference
from providers.runtime.private_keys import separate
from providers.swarm.certificate import Certificate, CertificateInputs
from providers.swarm.keypair import KeyPair, KeyPairInputs, public_line
from providers.swarm.provider import Swarm
from tests.support.provider_client import serving, values

AUTHORITY = CertificateInputs(common_name="Our CA", is_ca=True)


async def issue(inputs):
    assert Certificate.check(inputs) == []
    return (await Certificate().create(None, inputs)).outputs


@pytest.fixture
async def authority():
    return await issue(AUTHORITY)


def leaf_inputs(authority, **changes):
    leaf = CertificateInputs(
        common_name="gateway",
        dns_names=["gateway.example.org"],
        ip_addresses=["192.0.2.10"],
        ca_certificate=authority.certificate,
        ca_private_key=authority.private_key,
    )
    return replace(leaf, **changes)


async def test_a_key_pair_opens_with_itself_only():
    first = await KeyPair().create(None, KeyPairInputs())
    second = await KeyPair().create(None, KeyPairInputs())
    assert first.id != second.id
    assert first.outputs.public_key.startswith("ssh-ed25519 ")
    private = asyncssh.import_private_key(first.outputs.private_key)
    public = asyncssh.import_public_key(first.outputs.public_key)
    assert private.convert_to_public().public_data == public.public_data


async def test_a_new_generation_is_another_pair_that_knows_the_former_ones():
    made = (await KeyPair().create(None, KeyPairInputs())).outputs
    pairs = [made]
    for generation in "234567":
        inputs = KeyPairInputs(generation)
        pairs.append(await KeyPair().update(None, "id", KeyPairInputs(), pairs[-1], inputs))
    keys = separate(pairs[-1].private_key)
    assert [public_line(key) for key in keys] == [pair.public_key for pair in pairs[:1:-1]]
    assert keys[1] == separate(pairs[-2].private_key)[0]
    assert len({pair.public_key for pair in pairs}) == 7
    first_of_many = asyncssh.import_private_key(pairs[-1].private_key)
    assert public_line(keys[0]) == first_of_many.export_public_key().decode().strip()


def test_a_rotation_is_no_replacement_and_the_first_versions_pairs_stay():
    recorded = {"publicKey": "ssh-ed25519 AAAA", "privateKey": "PEM"}
    assert not difference(KeyPair, {}, recorded, codec.encode(KeyPairInputs())).any
    found = difference(KeyPair, {}, recorded, codec.encode(KeyPairInputs("2")))
    assert (found.changed, found.replaces) == (["generation"], [])


async def test_openssl_verifies_a_leaf_for_its_names(authority, tmp_path):
    leaf = await issue(leaf_inputs(authority))
    (tmp_path / "ca.pem").write_text(authority.certificate)
    (tmp_path / "leaf.pem").write_text(leaf.certificate)
    assert verifies(tmp_path, "-verify_hostname", "gateway.example.org")
    assert verifies(tmp_path, "-verify_ip", "192.0.2.10")
    assert not verifies(tmp_path, "-verify_hostname", "other.example.org")


def verifies(folder, *name):
    strict = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", *name]
    files = ["-CAfile", folder / "ca.pem", folder / "leaf.pem"]
    return subprocess.run([*strict, *files], check=False, capture_output=True).returncode == 0


async def test_certificate_and_key_belong_together(authority, tmp_path):
    leaf = await issue(leaf_inputs(authority))
    (tmp_path / "both.pem").write_text(leaf.certificate + leaf.private_key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "both.pem")


async def test_a_key_of_another_authority_is_refused_without_showing_it(authority):
    other = await issue(AUTHORITY)
    with pytest.raises(ResourceFailure, match="is not caCertificate's key") as caught:
        await issue(leaf_inputs(authority, ca_private_key=other.private_key))
    assert other.private_key not in str(caught.value)
    with pytest.raises(ResourceFailure, match="must be PEM"):
        await issue(leaf_inputs(authority, ca_private_key="secret text"))


def test_faults_are_reported_all_at_once():
    faults = Certificate.check(
        CertificateInputs(common_name="x", ip_addresses=["gateway"], validity_days=0)
    )
    paths = {fault.path for fault in faults}
    assert paths == {"ipAddresses[0]", "validityDays", "caCertificate"}
    assert [f.path for f in Certificate.check(replace(AUTHORITY, ca_certificate="x"))] == [
        "caCertificate"
    ]


async def test_renewed_in_the_last_third(authority):
    inputs = leaf_inputs(authority, validity_days=90)
    fresh = await issue(inputs)
    assert Certificate.stale(inputs, fresh) is None
    ends = x509.load_pem_x509_certificate(fresh.certificate.encode()).not_valid_after_utc
    assert timedelta(days=89) < ends - datetime.now(UTC) <= timedelta(days=90)
    soon = replace(fresh, not_after=(datetime.now(UTC) + timedelta(days=29)).isoformat())
    assert "gateway" in Certificate.stale(inputs, soon)


async def test_a_ca_is_renewed_in_the_last_hundredth():
    inputs = replace(AUTHORITY, validity_days=3650)
    fresh = await issue(inputs)
    ends = {
        days: replace(fresh, not_after=(datetime.now(UTC) + timedelta(days=days)).isoformat())
        for days in (38, 36)
    }
    assert Certificate.stale(inputs, ends[38]) is None
    assert "Our CA" in Certificate.stale(inputs, ends[36])


async def test_no_provider_configuration_is_needed():
    async with serving(Swarm(), {}) as client:
        answer = await client.create("swarm:index:KeyPair", {})
        made = values(answer.properties)
        assert codec.is_secret(made["privateKey"])
        assert not answer.refresh_before_update
        authority = {"commonName": "Our CA", "isCa": True}
        answer = await client.create("swarm:index:Certificate", authority)
        assert codec.is_secret(values(answer.properties)["privateKey"])
