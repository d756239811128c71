"""The identity of one simulator: decided by its first `up`, then kept in its state folder."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from simulator import files
from simulator.exceptions import StateDamaged
from simulator.knobs import Knobs

API_ONLY_SUBNET = IPv4Network("198.51.100.0/24")
"""Addresses for documentation: nobody answers there."""


@dataclass(frozen=True)
class Settings:
    """An API-only cloud has an empty `subnet` and no registry."""

    simulator: str
    address: str
    port: int
    subnet: str = ""
    api_key: str = field(default_factory=lambda: f"secret_simulator_{secrets.token_hex(16)}")
    registry_password: str = field(default_factory=lambda: secrets.token_hex(16))
    base_image: str = ""
    encrypts: bool = False
    """Whether the kernel can encrypt the traffic between nodes."""
    knobs: Knobs = Knobs()
    code: str = ""
    """Hash of the serving program; a server of other code is replaced."""
    power: str = ""
    """Changes when all containers went down together; see engine.power_id."""

    @property
    def api_only(self) -> bool:
        return not self.subnet

    @property
    def revision(self) -> str:
        """A hash of exactly these settings."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.subnet) if self.subnet else API_ONLY_SUBNET

    @property
    def origin(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.origin}/api/v1"


def identity(folder: Path) -> str:
    """The id of the simulator whose state is in `folder`: it doesn't depend on the folder's
    content."""
    return f"sim-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


def program() -> str:
    """Hash of this package's code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def path(folder: Path) -> Path:
    return folder / "settings.json"


def load(folder: Path) -> Settings | None:
    """The folder's settings, None before the first `up`. Raises StateDamaged."""
    value: dict[str, Any] | None = files.read_json(path(folder))
    if value is None:
        return None
    try:
        return Settings(**{**value, "knobs": Knobs(**value["knobs"])})
    except (TypeError, KeyError) as error:
        raise StateDamaged(
            f"{path(folder)}: expected the settings of a simulator, got: {error}; "
            "`python -m simulator down` clears what is left"
        ) from error


def save(folder: Path, settings: Settings) -> None:
    files.write_json(path(folder), asdict(settings))
