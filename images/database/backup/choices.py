"""What is decided about backups: pgBackRest's configuration, which one is due, which restores are
refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .places import CLUSTER, SOCKETS, Failed

FULL_EVERY = timedelta(days=6, hours=12)
"""A week, less what a daily run may begin early."""
DAILY = timedelta(hours=26)
"""A day, and what a daily run may take longer than the one before."""

Backup = Mapping[str, Any]
"""One backup, as `pgbackrest info` tells of it."""


def configuration(env: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """What pgBackRest reads. Raises Failed for a secret that isn't one line."""
    for name, value in secrets.items():
        if not value or len(value.split()) != 1:
            raise Failed(f"/run/secrets/{name}: expected one line without spaces")
    # Services other than Amazon's need no DNS name for each bucket that way.
    style = "path" if env["BACKUP_ENDPOINT"] else "host"
    options = {
        "repo1-type": "s3",
        "repo1-s3-bucket": env["BACKUP_BUCKET"],
        "repo1-s3-region": env["BACKUP_REGION"],
        "repo1-s3-endpoint": env["BACKUP_ENDPOINT"] or f"s3.{env['BACKUP_REGION']}.amazonaws.com",
        "repo1-s3-uri-style": style,
        "repo1-s3-key": secrets["backup_access_key"],
        "repo1-s3-key-secret": secrets["backup_secret_key"],
        "repo1-path": env["BACKUP_PATH"],
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-cipher-pass": secrets["backup_passphrase"],
        "repo1-retention-full": env["BACKUP_RETENTION"],
        # Hundreds of small files would be as many requests.
        "repo1-bundle": "y",
        "compress-type": "zst",
        "process-max": "2",
        "start-fast": "y",
        # Beyond it WAL is given up, and the disk stays free: the server goes before the archive.
        "archive-push-queue-max": "8GiB",
        # With a standby both servers archive the same files.
        "archive-mode-check": "n",
        "io-timeout": "20",
        "lock-path": "/tmp/pgbackrest",
        "log-level-console": "warn",
        "log-level-file": "off",
    }
    if env.get("BACKUP_CA"):
        options["repo1-storage-ca-file"] = env["BACKUP_CA"]
    cluster = {"pg1-path": str(CLUSTER), "pg1-socket-path": str(SOCKETS), "pg1-user": "postgres"}
    sections = {"global": options, "database": cluster}
    return "".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in section.items())
        for name, section in sections.items()
    )


def kind(backups: Sequence[Backup], now: datetime) -> str:
    """`full` once a week, else what has changed since that one."""
    full = [ended(one) for one in backups if one["type"] == "full"]
    return "diff" if full and now - max(full) < FULL_EVERY else "full"


def is_overdue(backups: Sequence[Backup], now: datetime) -> bool:
    """Whether there were daily backups, and aren't any more."""
    return bool(backups) and now - max(map(ended, backups)) > DAILY


def refusal(at: str, backups: Sequence[Backup], now: datetime) -> str:
    """Why the database can't be restored to that time, or "". at: `latest` or ISO 8601."""
    if not backups:
        return "the repository has no backup"
    first = min(map(ended, backups))
    expected = f"expected latest, or a time from {first:%Y-%m-%d %H:%M:%S} to now in UTC"
    try:
        wanted = now if at == "latest" else moment(at)
    except ValueError:
        return f"got {at!r}, {expected}"
    return "" if first <= wanted <= now else f"got {at!r}, {expected}"


def candidates(at: str, backups: Sequence[Backup]) -> list[Backup]:
    """Those that a restore to that time may begin with, the newest first."""
    before = [one for one in backups if at == "latest" or ended(one) <= moment(at)]
    return sorted(before, key=ended, reverse=True)


def whole(every: Iterable[Backup]) -> list[Backup]:
    """Those without damaged pages."""
    return [one for one in every if not one["error"]]


def no_timeline(wanted: str, archived: Iterable[str]) -> str:
    """Why there is no such timeline, or "". archived: names of WAL files."""
    known = sorted({int(name[:8], 16) for name in archived})
    if int(wanted) in known:
        return ""
    return f"got TIMELINE={wanted}, expected one of {', '.join(map(str, known))}"


def after_a_gap(last: str, archived: Iterable[str]) -> str:
    """The first WAL file of the same timeline after the one at which a recovery ended for want of
    the next one; "" where there is none."""
    later = (name for name in archived if name[:8] == last[:8] and name > last)
    return min(later, default="") if last else ""


def moment(text: str) -> datetime:
    """In UTC, which it is where the text has no offset. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def ended(backup: Backup) -> datetime:
    """In UTC."""
    return datetime.fromtimestamp(backup["timestamp"]["stop"], UTC)
