"""What the process is told from outside: environment variables and secret files."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingSecretError, SettingError

SECRETS_DIRECTORY = Path("/run/secrets")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Settings:
    """Settings of one replica.

    port: the TCP port to listen on, on all addresses of the container.
    allowed_hosts: Host header values to accept besides the server's own name and loopback.
    drain_seconds: how long requests are still taken after SIGTERM, while /health says 503.
    grace_seconds: how long the calls in flight may take after that. The sum must stay under
        the orchestrator's stop grace.
    replica: this process's name in /health, in the X-Sophia-Replica header and in the logs.
    """

    port: int
    allowed_hosts: tuple[str, ...]
    log_level: str
    drain_seconds: float
    grace_seconds: int
    replica: str
    environment: Mapping[str, str]
    secrets_directory: Path

    def secret(self, name: str) -> str:
        """The secret file `name`, else (for local runs) the environment variable of that name.

        Raises:
            MissingSecretError: there is neither, or it is empty.
        """
        path = self.secrets_directory / name
        value = path.read_text("utf-8") if path.is_file() else self.environment.get(name, "")
        if not value.strip():
            raise MissingSecretError(
                f"secret {name}: expected a non-empty file {path} or an environment variable "
                f"{name}, got neither; give the service this secret"
            )
        return value.strip()

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """The environment variable `name` as a whole number within [least, most]."""
        return _number(self.environment, name, default, least, most)


def read_settings(
    environment: Mapping[str, str], secrets_directory: Path = SECRETS_DIRECTORY
) -> Settings:
    """Settings from an environment.

    PORT (8000), MCP_ALLOWED_HOSTS (comma-separated), LOG_LEVEL (INFO), DRAIN_SECONDS (5),
    GRACE_SECONDS (10).

    Raises:
        SettingError: a value is out of range or of the wrong kind.
    """
    level = environment.get("LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingError(f"LOG_LEVEL: expected one of {', '.join(_LEVELS)}, got {level!r}")
    hosts = environment.get("MCP_ALLOWED_HOSTS", "").split(",")
    return Settings(
        port=_number(environment, "PORT", 8000, 1, 65535),
        allowed_hosts=tuple(host.strip() for host in hosts if host.strip()),
        log_level=level,
        drain_seconds=_number(environment, "DRAIN_SECONDS", 5, 0, 300),
        grace_seconds=_number(environment, "GRACE_SECONDS", 10, 1, 3600),
        replica=socket.gethostname(),
        environment=environment,
        secrets_directory=secrets_directory,
    )


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
