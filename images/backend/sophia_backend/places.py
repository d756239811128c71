"""The servers' addresses, from the environment."""

import json
import re
from dataclasses import dataclass

from sophia_mcp.errors import SettingError
from sophia_mcp.settings import Settings

VARIABLE = "SOPHIA_SERVERS"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXAMPLE = '{"slack": "tasks.sophia-slack:8000"}'


@dataclass(frozen=True)
class Place:
    """A server. host: resolves to the addresses of all its replicas."""

    name: str
    host: str
    port: int


def read_places(settings: Settings) -> list[Place]:
    """From SOPHIA_SERVERS, a JSON object: a server's name -> "host:port".

    Raises:
        SettingError: it is something else; all errors in one line.
    """
    text = settings.text(VARIABLE, "")
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise SettingError(f"{VARIABLE}: expected an object such as {_EXAMPLE}, got {text[:200]!r}")
    places, faults = [], []
    for name, value in given.items():
        host, _, port = str(value).rpartition(":")
        if not _NAME.fullmatch(name):
            faults.append(f"{VARIABLE}: expected a server's name, got {name[:100]!r}")
        elif not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            faults.append(f"{VARIABLE}.{name}: expected host:port, got {str(value)[:200]!r}")
        else:
            places.append(Place(name, host, int(port)))
    if faults:
        raise SettingError("; ".join(faults))
    return places
