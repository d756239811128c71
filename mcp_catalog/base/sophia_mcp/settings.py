"""The process's settings: environment variables and secret files."""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import SettingError

SECRETS_DIRECTORY = Path("/run/secrets")
_USD = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Needed:
    """A setting that a server can't work without, with its name. value: None if it was not
    given."""

    name: str
    value: str | None


@dataclass(frozen=True)
class Credential(Needed):
    """A secret. Its value is never printed."""

    value: str | None = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Settings of one replica.

    server: its name, that of its folder in the catalog.
    address, port: where to listen; by default on every address.
    allowed_hosts: Host header values to accept besides the server's own name and loopback.
    drain_seconds: how long requests are still accepted after SIGTERM, while /health says 503.
    grace_seconds: how long the calls in flight may take after that. The sum must stay under
        the orchestrator's stop grace.
    replica: this process's name in /health, in the X-Sophia-Replica header and in the logs.
    """

    server: str
    address: str
    port: int
    allowed_hosts: tuple[str, ...]
    log_level: str
    drain_seconds: float
    grace_seconds: int
    replica: str
    environment: Mapping[str, str]
    secrets_directory: Path

    @property
    def call_seconds(self) -> float:
        """How long a tool may take: a call that begins before a stop ends before the kill."""
        return self.grace_seconds * 0.9

    def secret_or_none(self, name: str) -> str | None:
        """The secret file `name`, else (for local runs) the environment variable of that name.

        Raises:
            SettingError: the file exists but can't be read.
        """
        path = self.secrets_directory / name
        try:
            value = path.read_text("utf-8") if path.is_file() else self.environment.get(name, "")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise SettingError(f"secret {name}: {path} can't be read: {why}") from None
        return value.strip() or None

    def credential(self, name: str) -> Credential:
        """The same with its name: a server starts without it, and says so (NotConfigured).

        Raises:
            SettingError: the file exists but can't be read.
        """
        return Credential(name, self.secret_or_none(name))

    def needed(self, name: str) -> Needed:
        """The environment variable `name`, for `Upstream(needs=…)`: like a credential, it may be
        missing at the start."""
        return Needed(name, self.environment.get(name) or None)

    def text(self, name: str, default: str) -> str:
        """The environment variable `name`."""
        return self.environment.get(name) or default

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """The environment variable `name` as a whole number within [least, most]."""
        return _number(self.environment, name, default, least, most)

    def usd(self, name: str, default: str, *, most: int) -> float:
        """The environment variable `name` as an amount in US dollars within [0, most]."""
        text = self.environment.get(name) or default
        if not _USD.fullmatch(text) or float(text) > most:
            expected = f"{name}: expected US dollars from 0 to {most} such as {default}"
            raise SettingError(f"{expected}, got {text!r}")
        return float(text)

    def flag(self, name: str, default: bool = False) -> bool:
        """The environment variable `name`, `true` or `false`."""
        text = self.environment.get(name) or str(default).lower()
        if text not in ("true", "false"):
            raise SettingError(f"{name}: expected true or false, got {text!r}")
        return text == "true"

    def choice(self, name: str, among: tuple[str, ...], default: str) -> str:
        """The environment variable `name`, one of `among`."""
        text = self.environment.get(name) or default
        if text not in among:
            raise SettingError(f"{name}: expected one of {', '.join(among)}, got {text!r}")
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """The environment variable `name`, a list separated by commas."""
        return _texts(self.environment, name)

    def url(self, name: str, default: str) -> str:
        """The environment variable `name`, an http(s) address to which paths are appended.

        Raises:
            SettingError: it isn't one. The text does not repeat it: it may hold a password.
        """
        text = self.environment.get(name) or default
        expected = f"{name}: expected an address such as {default}"
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise SettingError(f"{expected}, got something else") from None
        if parts.scheme not in ("http", "https") or not host or not text.isprintable():
            raise SettingError(f"{expected}, got one that begins with neither http:// nor https://")
        if parts.username is not None or parts.query or parts.fragment:
            raise SettingError(f"{expected}, got one with a user, a query or a fragment")
        return text


def read_settings(
    server: str, environment: Mapping[str, str], secrets_directory: Path = SECRETS_DIRECTORY
) -> Settings:
    """Settings from an environment.

    LISTEN_ADDRESS (0.0.0.0), PORT (8000), MCP_ALLOWED_HOSTS (comma-separated), LOG_LEVEL (INFO),
    DRAIN_SECONDS (5), GRACE_SECONDS (20). For the variables of tools see policy.py.

    Raises:
        SettingError: a value is out of range or of the wrong kind.
    """
    level = environment.get("LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingError(f"LOG_LEVEL: expected one of {', '.join(_LEVELS)}, got {level!r}")
    return Settings(
        server=server,
        address=_address(environment),
        port=_number(environment, "PORT", 8000, 1, 65535),
        allowed_hosts=_texts(environment, "MCP_ALLOWED_HOSTS"),
        log_level=level,
        drain_seconds=_number(environment, "DRAIN_SECONDS", 5, 0, 300),
        grace_seconds=_number(environment, "GRACE_SECONDS", 20, 1, 3600),
        replica=socket.gethostname(),
        environment=environment,
        secrets_directory=secrets_directory,
    )


def _address(environment: Mapping[str, str]) -> str:
    text = environment.get("LISTEN_ADDRESS", "0.0.0.0")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        expected = "an address of this machine such as 127.0.0.1"
        raise SettingError(f"LISTEN_ADDRESS: expected {expected}, got {text!r}") from None


def _texts(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = environment.get(name, "").split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name, str(default))
    expected = f"{name}: expected a whole number from {least} to {most}, got {text!r}"
    try:
        value = int(text)
    except ValueError:
        raise SettingError(expected) from None
    if not least <= value <= most:
        raise SettingError(expected)
    return value
