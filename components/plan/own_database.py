"""A database of the operator's in place of the platform's: its address, and its check. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from components.plan import database, networks
from components.plan.workload import File, Workload
from providers.swarm.services.model import Mount, Resources

ADDRESS_SECRET = "database_address"
"""File below /run/secrets: the variables of PostgreSQL's clients, one a line."""
SCHEDULE = "*-*-* *:20"
OPTIONS: Mapping[str, str] = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""What an address may have after `?`, by the variables that mean the same (libpq)."""


@dataclass(frozen=True)
class Address:
    """Where it is. name: of the database. options: as in OPTIONS."""

    host: str
    port: int
    name: str
    user: str
    password: str
    options: Mapping[str, str]

    @property
    def variables(self) -> str:
        """The content of ADDRESS_SECRET."""
        values = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": self.name,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            **{OPTIONS[key]: value for key, value in self.options.items()},
        }
        return "".join(f"{key}={value}\n" for key, value in values.items())


def parsed(url: str) -> Address:
    """Raises ValueError with what was expected; it never shows the address. As libpq reads it, by
    which servers connect."""
    try:
        found = urlsplit(url)
        port = found.port or database.PORT
    except ValueError:
        raise ValueError(_EXPECTED) from None
    host, name = found.hostname or "", unquote(found.path.removeprefix("/"))
    needed = (host, name, found.username, found.password)
    texts = [unquote(text or "") for text in needed]
    parts = [part.partition("=") for part in found.query.split("&") if part]
    options = {key: unquote(value) for key, _, value in parts}
    lines = any(mark in text for text in (*texts, *options.values()) for mark in "\r\n\0")
    several = "," in found.netloc or found.netloc.count("@") > 1
    if found.scheme not in ("postgresql", "postgres") or not all(texts) or lines or several:
        raise ValueError(_EXPECTED)
    if unknown := sorted(options.keys() - OPTIONS.keys()):
        known = ", ".join(OPTIONS)
        raise ValueError(f"after `?` only {known}; got {', '.join(unknown)}")
    if host in ("localhost", "::1") or host.startswith("127."):
        raise ValueError("a host that every node reaches; this one is each container itself")
    return Address(host, port, name, texts[2], texts[3], options)


_EXPECTED = (
    "an address such as postgresql://user:password@db.example.com:5432/sophia, with the password's"
    " special characters as %40 and the like"
)


def check(name: str, elsewhere: str) -> Workload:
    """Whether the cluster reaches it, and its WAL is archived. It runs before anything that needs
    the database changes, then hourly.

    elsewhere: where its backups are checked if SQL doesn't tell of them, else "".
    """
    return Workload(
        name=name,
        kind="cron",
        schedule=SCHEDULE,
        user=database.USER_ID,
        command=("database-check",),
        env={"BACKUPS_ELSEWHERE": elsewhere} if elsewhere else {},
        secrets=(File("address", ADDRESS_SECRET),),
        resources=Resources(cpus=0.5, memory_mb=64, pids=32, reserve_cpus=0.05),
        stop_grace_s=10,
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=16),),
        labels={"sophia.platform": name},
        networks=(networks.EDGE,),
    )
