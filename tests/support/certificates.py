"""Certificates as an operator may bring them, good and bad ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
OTHER_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
              "key_agreement", "encipher_only", "decipher_only")  # fmt: skip
SIGNS = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(OTHER_USES, False))


def p256() -> Any:
    """A private key of the usual kind."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A certificate and its key. chain: PEM from this one up to, but without, the root."""

    certificate: x509.Certificate
    key: Any = field(repr=False)
    issuer: Issued | None = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def chain(self) -> str:
        return self.pem + self.issuer.chain if self.issuer is not None else ""

    @property
    def key_pem(self) -> str:
        return self.key_in()

    def key_in(self, encryption: Any = None) -> str:
        """The key in PEM, as `openssl genpkey` writes it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            encryption or serialization.NoEncryption(),
        ).decode()


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    dns: tuple[str, ...] = (),
    addresses: tuple[IPv4Address, ...] = (),
    starts: datetime | None = None,
    ends: datetime | None = None,
    use: Any = ExtendedKeyUsageOID.SERVER_AUTH,
    told_issuer: bool = False,
    key: Any = None,
) -> Issued:
    """One that `issuer` has signed, or itself. With `dns` or `addresses` it is a server's, without
    them a CA's.

    told_issuer: it says where the issuer's certificate is, as public CAs' do.
    """
    key, now = key or p256(), datetime.now(UTC)
    named = [*map(x509.DNSName, dns), *map(x509.IPAddress, addresses)]
    signer = issuer.key if issuer else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts or now - DAY)
        .not_valid_after(ends or now + 90 * DAY)
        .add_extension(x509.BasicConstraints(ca=not named, path_length=None), critical=True)
        # Python 3.13 and later demand these three (`ssl.VERIFY_X509_STRICT`), as every CA has them.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not named:
        builder = builder.add_extension(SIGNS, critical=True)
    else:
        names = x509.SubjectAlternativeName(named)
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if told_issuer:
        place = x509.UniformResourceIdentifier("http://ca.example/issuer.der")
        there = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([there]), critical=False)
    signed = builder.sign(signer, hashes.SHA256())
    return Issued(signed, key, issuer)
