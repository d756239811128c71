"""The image registry of one simulator: TLS with its own CA, one user with a password.

It has a fixed address in the simulator's network. The host's Docker is configured to trust it;
nodes get that with their own configuration.
"""

from __future__ import annotations

import datetime
import io
import ipaddress
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator import files, images
from simulator.docker import LABEL, docker
from simulator.engine import ALLOW_TRUST, TRUSTED
from simulator.exceptions import DockerError, SimulatorError

USER = "sophia"
PORT = 5000
MARK = "sophia.simulator"
"""A file beside a trusted CA that names its owner; Docker reads only *.crt, *.cert and *.key."""

CONFIG = f"""\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: /var/lib/docker-registry}}
  delete: {{enabled: true}}
http:
  addr: ":{PORT}"
  tls: {{certificate: /etc/registry/tls.crt, key: /etc/registry/tls.key}}
auth:
  htpasswd: {{realm: sophia, path: /etc/registry/htpasswd}}
"""


@dataclass(frozen=True)
class Registry:
    """Its address and credentials. `folder` holds its certificates."""

    simulator: str
    address: str
    password: str
    folder: Path

    @property
    def server(self) -> str:
        return f"{self.address}:{PORT}"

    @property
    def container(self) -> str:
        return f"{self.simulator}-registry"

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.crt"


def ensure(registry: Registry, network: str) -> None:
    """Starts the registry unless it runs. Pushed images survive its restarts."""
    if not all((registry.folder / name).exists() for name in ("ca.crt", "tls.crt", "tls.key")):
        _make_certificates(registry)
        remove(registry.container)
    found = state(registry)
    if found == "running":
        return
    if found is not None:
        docker("start", registry.container)
        return
    label = f"{LABEL}={registry.simulator}"
    volume = (
        f'type=volume,src={registry.container},dst=/var/lib/docker-registry,"volume-label={label}"'
    )
    docker(
        *("create", "--name", registry.container, "--label", label, "--mount", volume),
        *("--network", network, "--ip", registry.address, "--security-opt", "no-new-privileges"),
        *(images.REGISTRY.tag, "docker-registry", "serve", "/etc/registry/config.yml"),
    )
    docker("cp", "-", f"{registry.container}:/", stdin=_etc(registry))
    docker("start", registry.container)


def remove(container: str) -> None:
    docker("rm", "--force", "--volumes", container)


def trust(registry: Registry) -> None:
    """Make the host's Docker trust the registry. Raises SimulatorError if that is forbidden."""
    folder = TRUSTED / registry.server
    wanted = registry.ca_file.read_bytes()
    try:
        if (folder / "ca.crt").exists() and (folder / "ca.crt").read_bytes() == wanted:
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text(registry.simulator)
        (folder / "ca.crt").write_bytes(wanted)
    except PermissionError:
        raise SimulatorError(
            f"{folder}: this user may not write there, and this machine's Docker must trust the "
            f"registry; run once: {ALLOW_TRUST}"
        ) from None


def distrust(simulator: str) -> None:
    """Undo `trust`, whatever the address was. Raises SimulatorError with the command for root."""
    kept = []
    for mark in TRUSTED.glob(f"*/{MARK}"):
        if mark.read_text().strip() == simulator:
            try:
                shutil.rmtree(mark.parent)
            except PermissionError:
                kept.append(str(mark.parent))
    if kept:
        raise SimulatorError(
            f"this user may not remove {' '.join(kept)}: sudo rm -r {' '.join(kept)}"
        )


def state(registry: Registry) -> str | None:
    """Docker's state of its container, None if there is none."""
    try:
        return docker("container", "inspect", "--format", "{{.State.Status}}", registry.container)
    except DockerError as error:
        if "No such container" in str(error):
            return None
        raise


def _etc(registry: Registry) -> bytes:
    """The registry's configuration, as a tar for the root directory."""
    hashed = bcrypt.hashpw(registry.password.encode(), bcrypt.gensalt(rounds=5)).decode()
    contents = {
        "config.yml": CONFIG.encode(),
        "htpasswd": f"{USER}:{hashed}\n".encode(),
        "tls.crt": (registry.folder / "tls.crt").read_bytes(),
        "tls.key": (registry.folder / "tls.key").read_bytes(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"etc/registry/{name}")
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _make_certificates(registry: Registry) -> None:
    """A CA that signs this one certificate; its key is then discarded."""
    now = datetime.datetime.now(datetime.UTC)
    start, end = now - datetime.timedelta(days=1), now + datetime.timedelta(days=3650)
    authority, own = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{registry.container} CA")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, registry.container)])
    root = (
        x509.CertificateBuilder(title, title, authority.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, hashes.SHA256())
    )
    address = x509.IPAddress(ipaddress.ip_address(registry.address))
    leaf = (
        x509.CertificateBuilder(title, subject, own.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files.write(registry.folder / "tls.key", key)
    files.write(registry.folder / "tls.crt", leaf.public_bytes(Encoding.PEM))
    files.write(registry.ca_file, root.public_bytes(Encoding.PEM))
