"""The operator's certificate: each possible mistake is reported before anything is created."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.plan import own_certificate
from tests.support.certificates import DAY, issue

NAME = "mcp.example.com"
HOSTS = [NAME]
NOW = datetime.now(UTC)

ROOT = issue("Root")
MIDDLE = issue("Middle", ROOT)
GOOD = issue(NAME, MIDDLE, dns=(NAME,), told_issuer=True)
OTHER = issue("other", MIDDLE, dns=(NAME,))
PAST = issue(NAME, MIDDLE, dns=(NAME,), starts=NOW - 9 * DAY, ends=NOW - DAY)
FUTURE = issue(NAME, MIDDLE, dns=(NAME,), starts=NOW + DAY)
CLIENT = issue(NAME, MIDDLE, dns=(NAME,), use=ExtendedKeyUsageOID.CLIENT_AUTH)
ED25519 = issue(NAME, MIDDLE, dns=(NAME,), key=ed25519.Ed25519PrivateKey.generate())
RSA = issue(NAME, MIDDLE, dns=(NAME,), key=rsa.generate_private_key(65537, 2048))
SHORT = issue(NAME, MIDDLE, dns=(NAME,), key=rsa.generate_private_key(65537, 1024))


def faults(pem, key, hosts=HOSTS):
    found = own_certificate.faults("sophia:gateway", pem, key, hosts, NOW)
    lines = [str(fault) for fault in found]
    for line in lines:
        assert not any(part in line for part in key.splitlines() if part), "the key is shown"
    return lines


@pytest.mark.parametrize(
    ("pem", "key", "hosts"),
    [
        (GOOD.chain, GOOD.key_pem, HOSTS),
        (GOOD.chain + ROOT.pem, GOOD.key_pem, HOSTS),
        (GOOD.chain.replace("\n", "\r\n"), GOOD.key_pem, HOSTS),
        (f"subject=CN = {NAME}\n{GOOD.chain}", GOOD.key_pem, HOSTS),
        (RSA.chain, RSA.key_pem, HOSTS),
        # A private CA may sign without an intermediate, and be known to all clients.
        ((direct := issue(NAME, ROOT, dns=(NAME,))).pem, direct.key_pem, HOSTS),
        ((alone := issue(NAME, dns=(NAME,))).pem, alone.key_pem, HOSTS),
        (
            (star := issue("star", MIDDLE, dns=("*.Example.com", "example.com"))).chain,
            star.key_pem,
            [NAME, "example.com"],
        ),
    ],
)
def test_what_clients_accept_has_no_faults(pem, key, hosts):
    assert faults(pem, key, hosts) == []


@pytest.mark.parametrize(
    ("pem", "key", "hosts", "expected"),
    [
        ("", GOOD.key_pem, HOSTS, "certificate: got nothing, expected a certificate chain in PEM"),
        ("text", GOOD.key_pem, HOSTS, "certificate: got no certificate in PEM, expected a"),
        (GOOD.chain, "", HOSTS, "privateKey: got nothing, expected its private key in PEM"),
        (GOOD.chain, "text", HOSTS, "privateKey: got no private key in PEM (not shown)"),
        (
            GOOD.chain,
            GOOD.key_in(BestAvailableEncryption(b"pw")),
            HOSTS,
            "privateKey: got a key with a passphrase (not shown)",
        ),
        (ED25519.chain, ED25519.key_pem, HOSTS, "privateKey: got a key of another kind"),
        (SHORT.chain, SHORT.key_pem, HOSTS, "privateKey: got an RSA key of 1024 bits (not shown)"),
        (
            GOOD.chain,
            OTHER.key_pem,
            HOSTS,
            "privateKey: got another key (not shown), expected the key of the first certificate,"
            f" CN={NAME}",
        ),
        (
            GOOD.key_pem + GOOD.chain,
            GOOD.key_pem,
            HOSTS,
            "certificate: got a private key (not shown), expected certificates only; a key that was"
            " stored unencrypted counts as leaked",
        ),
        (
            GOOD.pem,
            GOOD.key_pem,
            HOSTS,
            f"certificate: got CN={NAME} alone, expected its issuer's certificate after it; append"
            " the one of CN=Middle: take `fullchain.pem`",
        ),
        (
            GOOD.pem + ROOT.pem,
            GOOD.key_pem,
            HOSTS,
            f"certificate: got CN=Root after CN={NAME}, expected its issuer, CN=Middle",
        ),
        (CLIENT.chain, CLIENT.key_pem, HOSTS, f"certificate: got CN={NAME}, for other uses"),
        (PAST.chain, PAST.key_pem, HOSTS, f"certificate: got CN={NAME}, valid from"),
        (FUTURE.chain, FUTURE.key_pem, HOSTS, f"certificate: got CN={NAME}, valid from"),
        (GOOD.chain, GOOD.key_pem, [], "hosts: got nothing, expected names that the certificate"),
        (
            GOOD.chain,
            GOOD.key_pem,
            [NAME, "b.example.com"],
            f"certificate: got a certificate for {NAME}, expected one for every name in hosts,"
            " b.example.com too",
        ),
        (star.chain, star.key_pem, ["a.b.example.com"], "certificate: got a certificate for *.exa"),
        (
            (ca := issue(NAME, MIDDLE)).chain,
            ca.key_pem,
            HOSTS,
            "certificate: got a certificate for no DNS name",
        ),
    ],
)
def test_what_they_would_refuse_is_one_clear_fault(pem, key, hosts, expected):
    [line] = faults(pem, key, hosts)
    assert line.startswith(f"sophia:gateway.{expected}"), line


def test_a_chain_in_the_wrong_order_is_told_as_that():
    found = faults(MIDDLE.pem + GOOD.pem, GOOD.key_pem)
    assert any("privateKey: got the key of certificate 2 of the chain" in line for line in found)
    assert any("put the gateway's own certificate first" in line for line in found)


def test_all_faults_are_told_at_once():
    old = issue("b.example", MIDDLE, dns=("b.example",), starts=NOW - 9 * DAY, ends=NOW - DAY)
    found = faults(old.pem + ROOT.pem, OTHER.key_pem)
    assert [line.split(":")[1].split(".")[1] for line in found] == [
        *("privateKey", "certificate", "certificate", "certificate"),
    ]


def test_a_chain_ends_with_the_first_of_its_certificates():
    soon = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)
    middle = issue("Middle", ROOT, ends=soon)
    leaf = issue(NAME, middle, dns=(NAME,), ends=soon + timedelta(days=9))
    assert own_certificate.ends(leaf.chain) == soon
