"""The operator's certificate: when it ends, and why the gateway couldn't use it. Pure.

No message ever holds a part of the key. Whether clients trust the root is not checked: a company's
CA is as good as a public one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from components.reading import Fault

NOTICE = timedelta(days=30)
"""How long before its end the operator is reminded."""

LEAST_RSA = 2048
"""Bits. OpenSSL's security level 2, Debian's default, loads no shorter key."""

_CHAIN = "a certificate chain in PEM: the gateway's own first, then each one's issuer"
_KEY = "its private key in PEM, without a passphrase (EC, or RSA of 2048 bits or more)"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ends(pem: str) -> datetime:
    """The time (UTC) from which clients refuse a chain that is otherwise valid."""
    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(pem.encode()))


def faults(
    where: str, pem: str, key_pem: str, hosts: Sequence[str], now: datetime
) -> Iterator[Fault]:
    """Everything that is wrong with chain and key together.

    where: prefix of the faults' keys, `sophia:gateway`. hosts: names that it must be valid for.
    """
    at_certificate, at_key = f"{where}.certificate", f"{where}.privateKey"
    chain, key = _chain(pem), _key(key_pem)
    if "PRIVATE KEY" in pem:
        advice = "a key that was stored unencrypted counts as leaked: have it replaced"
        yield Fault(at_certificate, "a private key (not shown)", "certificates only", advice)
    elif not chain:
        yield Fault(at_certificate, "no certificate in PEM" if pem else "nothing", _CHAIN)
    if isinstance(key, str):
        yield Fault(at_key, key, _KEY)
    if not chain:
        return
    if not isinstance(key, str):
        yield from _strangers(at_key, chain, key)
    yield from _times(at_certificate, chain, now)
    yield from _order(at_certificate, chain)
    yield from _whole(at_certificate, chain)
    yield from _purpose(at_certificate, chain[0])
    yield from _names(where, chain[0], hosts)


def _chain(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []


def _key(pem: str) -> PrivateKey | str:
    """The key, or what was found instead."""
    if not pem:
        return "nothing"
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        return "a key with a passphrase (not shown)"
    except (ValueError, UnsupportedAlgorithm):
        return "no private key in PEM (not shown)"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA:
        return f"an RSA key of {key.key_size} bits (not shown)"
    return key if isinstance(key, PrivateKey) else "a key of another kind (not shown)"


def _strangers(where: str, chain: Sequence[x509.Certificate], key: PrivateKey) -> Iterator[Fault]:
    """A key that belongs to another certificate."""
    public = key.public_key()
    if chain[0].public_key() == public:
        return
    owned = [place for place, one in enumerate(chain, 1) if one.public_key() == public]
    got = f"the key of certificate {owned[0]} of the chain" if owned else "another key (not shown)"
    advice = "put the gateway's own certificate first" if owned else ""
    yield Fault(where, got, f"the key of the first certificate, {_called(chain[0])}", advice)


def _times(where: str, chain: Sequence[x509.Certificate], now: datetime) -> Iterator[Fault]:
    for one in chain:
        first, last = one.not_valid_before_utc, one.not_valid_after_utc
        if not first <= now < last:
            got = f"{_called(one)}, valid from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
            yield Fault(where, got, f"one that is valid now ({now.astimezone(UTC):%Y-%m-%d})")


def _order(where: str, chain: Sequence[x509.Certificate]) -> Iterator[Fault]:
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            expected = f"its issuer, {one.issuer.rfc4514_string()}"
            yield Fault(where, f"{_called(issuer)} after {_called(one)}", expected)


def _whole(where: str, chain: Sequence[x509.Certificate]) -> Iterator[Fault]:
    """A single certificate that says where its issuer's is: clients know neither."""
    leaf = chain[0]
    if len(chain) > 1 or leaf.issuer == leaf.subject:
        return
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access):
        advice = f"append the one of {leaf.issuer.rfc4514_string()}: take `fullchain.pem`"
        yield Fault(where, f"{_called(leaf)} alone", "its issuer's certificate after it", advice)


def _purpose(where: str, leaf: x509.Certificate) -> Iterator[Fault]:
    """A certificate for something other than a server (RFC 5280, "Extended Key Usage")."""
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {*uses}:
        yield Fault(where, f"{_called(leaf)}, for other uses", "one for TLS servers (serverAuth)")


def _names(where: str, leaf: x509.Certificate, hosts: Sequence[str]) -> Iterator[Fault]:
    names = _dns_names(leaf)
    listed = ", ".join(names) or "no DNS name"
    if not hosts:
        expected = f"names that the certificate is valid for ({listed})"
        yield Fault(f"{where}.hosts", "nothing", expected)
    if missing := [host for host in hosts if not any(_covers(name, host) for name in names)]:
        expected = f"one for every name in hosts, {', '.join(missing)} too"
        yield Fault(f"{where}.certificate", f"a certificate for {listed}", expected)


def _dns_names(leaf: x509.Certificate) -> list[str]:
    """The names that clients compare; they no longer read the common name (RFC 9525)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _covers(name: str, host: str) -> bool:
    """`*` stands for one whole label, the first (RFC 9525, 6.3)."""
    star, _, rest = name.partition(".")
    return name == host or (star == "*" and rest == host.partition(".")[2] != "")


def _called(one: x509.Certificate) -> str:
    return one.subject.rfc4514_string() or f"serial number {one.serial_number:x}"
