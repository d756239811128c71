"""X.509 certificates with their keys: a private CA, and leaves that it signs."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from providers.runtime.declare import Context, Created, Fault, Lifecycle, ResourceFailure, prop

RENEWAL = 1 / 3
"""A leaf is renewed by the first `up` in the last third of its validity."""
CA_RENEWAL = 1 / 100
"""A CA only when it hardly helps anyone: whoever trusts it must be given the next one first, which
a person does by another `generation`."""
_CLOCK_SKEW = timedelta(minutes=5)

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class CertificateInputs:
    common_name: str = prop(replace=True, doc="Subject of the certificate.")
    dns_names: list[str] = prop(default_factory=list, replace=True, doc="Names it is valid for.")
    ip_addresses: list[str] = prop(
        default_factory=list, replace=True, doc="Addresses it is valid for."
    )
    ca_certificate: str = prop(default="", replace=True, doc="PEM of the CA that signs a leaf.")
    ca_private_key: str = prop(default="", replace=True, secret=True, doc="PEM, unencrypted.")
    is_ca: bool = prop(default=False, replace=True, doc="A self-signed CA instead of a leaf.")
    validity_days: int = prop(default=365, replace=True, doc="Days from now.")
    generation: str = prop(
        default="", doc="Of a CA: another text makes another one, which keeps the former one."
    )
    mutual: bool = prop(
        default=False, replace=True, doc="A leaf that its holder also shows as a client."
    )


@dataclass(frozen=True)
class CertificateOutputs:
    certificate: str = prop(
        volatile=True, doc="PEM, without the CA's; of a CA, followed by the former one's."
    )
    private_key: str = prop(
        secret=True,
        volatile=True,
        doc="PEM (PKCS 8, P-256), unencrypted; of a CA, followed by the former one's.",
    )
    not_after: str = prop(volatile=True, doc="End of validity, ISO 8601, UTC.")


class Certificate(Lifecycle[CertificateInputs, CertificateOutputs]):
    """Needs no provider configuration."""

    token = "swarm:index:Certificate"
    Inputs, Outputs = CertificateInputs, CertificateOutputs
    refresh = False

    def __init__(self, client: object = None) -> None:
        del client

    @staticmethod
    def check(inputs: CertificateInputs) -> list[Fault]:
        faults = []
        for index, address in enumerate(inputs.ip_addresses):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                faults.append(
                    Fault(f"ipAddresses[{index}]", f"got {address!r}, expected an IP address")
                )
        if inputs.validity_days < 1:
            faults.append(
                Fault("validityDays", f"got {inputs.validity_days}, expected 1 day or more")
            )
        if inputs.generation and not inputs.is_ca:
            faults.append(Fault("generation", "a leaf has none: it follows its CA"))
        signed = bool(inputs.ca_certificate and inputs.ca_private_key)
        if inputs.is_ca and (inputs.ca_certificate or inputs.ca_private_key):
            faults.append(Fault("caCertificate", "a CA signs itself: leave out caCertificate"))
        if not inputs.is_ca and not signed:
            faults.append(
                Fault("caCertificate", "a leaf needs caCertificate and caPrivateKey to be signed")
            )
        if not inputs.is_ca and not inputs.dns_names and not inputs.ip_addresses:
            faults.append(
                Fault("dnsNames", "a leaf needs dnsNames or ipAddresses: clients read only those")
            )
        return faults

    @staticmethod
    def stale(inputs: CertificateInputs, outputs: CertificateOutputs) -> str | None:
        if not outputs.not_after:  # a preview's placeholder
            return None
        ends = datetime.fromisoformat(outputs.not_after)
        part = CA_RENEWAL if inputs.is_ca else RENEWAL
        if ends - datetime.now(UTC) > timedelta(days=inputs.validity_days) * part:
            return None
        return f"the certificate of {inputs.common_name} ends on {ends:%Y-%m-%d}"

    async def create(
        self, context: Context, inputs: CertificateInputs
    ) -> Created[CertificateOutputs]:
        serial, made = _made(inputs)
        return Created(f"{serial:x}", made)

    async def update(
        self,
        context: Context,
        id: str,
        old: CertificateInputs,
        outputs: CertificateOutputs,
        new: CertificateInputs,
    ) -> CertificateOutputs:
        """Another CA. The id of the first one stays."""
        _, made = _made(new)
        return CertificateOutputs(
            made.certificate + separate(outputs.certificate)[0],
            made.private_key + separate(outputs.private_key)[0],
            made.not_after,
        )

    async def delete(
        self, context: Context, id: str, inputs: CertificateInputs, outputs: CertificateOutputs
    ) -> None:
        """Only the state holds it."""


def separate(pem: str) -> list[str]:
    """The PEM blocks in a text, in order; anything else is returned unchanged."""
    return re.findall(r".+?-----END [^\n]+\n?|.+", pem, re.DOTALL)


def _made(inputs: CertificateInputs) -> tuple[int, CertificateOutputs]:
    """Serial number, and what it is."""
    certificate, key = _issue(inputs)
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    ends = certificate.not_valid_after_utc.isoformat()
    return certificate.serial_number, CertificateOutputs(pem, private, ends)


def _issue(inputs: CertificateInputs) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, inputs.common_name)])
    issuer_name: x509.Name = name
    issuer_key: SigningKey = key
    if not inputs.is_ca:
        issuer_name, issuer_key = _issuer(inputs)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=inputs.validity_days))
        .add_extension(
            x509.BasicConstraints(ca=inputs.is_ca, path_length=0 if inputs.is_ca else None),
            critical=True,
        )
        .add_extension(_usage(inputs.is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(dns) for dns in inputs.dns_names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in inputs.ip_addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if not inputs.is_ca:
        uses = [ExtendedKeyUsageOID.SERVER_AUTH]
        if inputs.mutual:
            uses.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()), key


def _issuer(inputs: CertificateInputs) -> tuple[x509.Name, SigningKey]:
    try:
        certificate = x509.load_pem_x509_certificate(inputs.ca_certificate.encode())
        key = serialization.load_pem_private_key(inputs.ca_private_key.encode(), password=None)
    except (ValueError, TypeError):
        raise ResourceFailure(
            f"{inputs.common_name}: caCertificate and caPrivateKey must be PEM, the key unencrypted"
        ) from None
    if not isinstance(key, SigningKey):
        raise ResourceFailure(f"{inputs.common_name}: caPrivateKey must be an EC or an RSA key")
    if certificate.public_key() != key.public_key():
        raise ResourceFailure(f"{inputs.common_name}: caPrivateKey is not caCertificate's key")
    return certificate.subject, key


def _usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
