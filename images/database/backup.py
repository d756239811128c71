#!/usr/bin/env python3
"""The database's backups: pgBackRest in an S3 bucket.

    backup configure  writes pgBackRest's configuration, at each start of a container
    backup asked      does the restore that `make restore` asked for
    backup fill       restores the newest state into an empty volume; ends with 3 without a backup
    backup run        makes a backup and verifies the repository, each week by a restore: the job
    backup check X    ends with the reason why the restore X can't be done, or with 0
    backup state      prints what there is, as JSON

BACKUP_BUCKET, BACKUP_REGION, BACKUP_ENDPOINT, BACKUP_PATH, BACKUP_RETENTION, BACKUP_CA: as
components/plan/backup.py sets them. /run/secrets/backup_access_key, backup_secret_key and
backup_passphrase: one line each.

A restore is made beside the cluster and takes its place when it is complete, so one that was killed
is simply done again, and one that fails changes nothing. The former cluster stays as `15.before`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

VERSION = "15"
DATA = Path("/var/lib/postgresql/data")
CLUSTER, BEFORE = DATA / VERSION, DATA / f"{VERSION}.before"
UNFINISHED, FINISHED = DATA / ".restoring", DATA / ".restored"
DRILL = DATA / ".drill"
REQUEST, RESULT = DATA / ".restore", DATA / ".restore-result"
SOCKETS = DATA / ".socket"
"""Where the job meets the server: it is on the same volume, and on no network of the server's."""
SECRETS = Path("/run/secrets")
CONFIG = Path("/tmp/pgbackrest.conf")
NOTHING = 3
"""Exit status of `fill` where the repository has no backup."""

FULL_EVERY = timedelta(days=6, hours=12)
"""A week, less what a daily run may begin early."""

Backup = Mapping[str, Any]
"""One backup, as `pgbackrest info` tells of it."""


class Failed(Exception):
    """Something that can't be done, and why."""


class OtherHistory(Failed):
    """A backup that the wanted timeline doesn't come from: it branched off before it."""


def configuration(env: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """What pgBackRest reads. Pure; raises Failed for a secret that isn't one line."""
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
    """`full` once a week, else what has changed since that one. Pure."""
    full = [_ended(one) for one in backups if one["type"] == "full"]
    return "diff" if full and now - max(full) < FULL_EVERY else "full"


def refusal(at: str, backups: Sequence[Backup], now: datetime) -> str:
    """Why the database can't be restored to that time, or "". at: `latest` or ISO 8601. Pure."""
    if not backups:
        return "the repository has no backup"
    first = min(map(_ended, backups))
    expected = f"expected latest, or a time from {first:%Y-%m-%d %H:%M:%S} to now in UTC"
    try:
        wanted = now if at == "latest" else _moment(at)
    except ValueError:
        return f"got {at!r}, {expected}"
    return "" if first <= wanted <= now else f"got {at!r}, {expected}"


def candidates(at: str, backups: Sequence[Backup]) -> list[Backup]:
    """Those that a restore to that time may begin with, the newest first. Pure."""
    before = [one for one in backups if at == "latest" or _ended(one) <= _moment(at)]
    return sorted(before, key=_ended, reverse=True)


def _moment(text: str) -> datetime:
    """In UTC, which it is where the text has no offset. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ended(backup: Backup) -> datetime:
    return datetime.fromtimestamp(backup["timestamp"]["stop"], UTC)


def pgbackrest(*arguments: str) -> str:
    """What it prints. Raises Failed with its own words."""
    command = ["pgbackrest", f"--config={CONFIG}", "--stanza=database", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    # Warnings; errors go below.
    said = done.stderr.strip()
    if done.returncode:
        action = next(word for word in arguments if not word.startswith("-"))
        raise Failed(f"pgbackrest {action}: {_explained(said or done.stdout.strip())}")
    if said:
        print(said, file=sys.stderr, flush=True)
    return done.stdout


def _explained(said: str) -> str:
    """Without the bytes that a wrong passphrase makes of a file, which pgBackRest quotes."""
    if "FormatError" in said or "CryptoError" in said:
        return "the repository was encrypted with another passphrase than `backup.passphrase`"
    return said


def backups() -> list[Backup]:
    """Those in the repository, the oldest first. Raises Failed where it can't be read."""
    # Somebody waits for it, and four tries are made.
    told = pgbackrest("info", "--output=json", "--io-timeout=4")
    try:
        (stanza,) = json.loads(told) or [None]
    except ValueError:
        raise Failed(f"pgbackrest info: {_explained(told)}") from None
    if stanza is None:
        return []
    status = stanza["repo"][0]["status"] if stanza["repo"] else stanza["status"]
    # 1: no stanza yet; 2: no backup yet; 3: none of this cluster's version.
    if status["code"] > 3:
        raise Failed(f"pgbackrest info: {_explained(status['message'])}")
    found: list[Backup] = [one for one in stanza["backup"] if not one["error"]]
    return found


def configure() -> None:
    names = ("backup_access_key", "backup_secret_key", "backup_passphrase")
    secrets = {name: (SECRETS / name).read_text().strip() for name in names}
    text = configuration(os.environ, secrets)
    with open(os.open(CONFIG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def asked() -> None:
    """The restore that was asked for; how it went is left for whoever asked."""
    if FINISHED.exists():
        take_place()
    if not REQUEST.exists():
        return
    began, result = time.monotonic(), dict[str, Any]()
    try:
        request = json.loads(REQUEST.read_text())
        result |= request
        if why := refusal(request["at"], backups(), datetime.now(UTC)):
            raise Failed(why)
        result["timeline"] = restore(request["at"], request.get("timeline", ""))
    except (Failed, OSError, ValueError, KeyError, TypeError) as failure:
        result["error"] = str(failure)
        say(f"not restored, the database is as it was: {failure}")
        shutil.rmtree(UNFINISHED, ignore_errors=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    unfinished = RESULT.with_suffix(".new")
    unfinished.write_text(json.dumps(result))
    unfinished.rename(RESULT)
    if "error" in result:
        REQUEST.unlink()
    else:
        UNFINISHED.rename(FINISHED)
        take_place()


def check() -> None:
    request = json.loads(sys.argv[2])
    if why := refusal(request["at"], backups(), datetime.now(UTC)):
        raise Failed(why)


def fill() -> None:
    """Makes the newest state of the repository the cluster of an empty volume."""
    try:
        if not backups():
            sys.exit(NOTHING)
        say("the volume is empty, the repository is not: restoring its newest state")
        restore("latest")
    except Failed as failure:
        shutil.rmtree(UNFINISHED, ignore_errors=True)
        raise Failed(
            f"the volume is empty, and is filled from a backup or not at all: {failure}\n"
            "For an empty database choose another `backup.path`"
        ) from None
    UNFINISHED.rename(FINISHED)
    take_place()


def restore(at: str, timeline: str = "") -> str:
    """Restores and recovers beside the cluster. The new timeline's number."""
    options = [f"--target-timeline={timeline}"] if timeline else []
    if at != "latest":
        target = f"--target={_moment(at):%Y-%m-%d %H:%M:%S.%f}+00"
        options += ["--type=time", target, "--target-action=promote"]
    began = time.monotonic()
    push = f"pgbackrest --config={CONFIG} --stanza=database --pg1-path={UNFINISHED} archive-push %p"
    for backup in candidates(at, backups()):
        _files(UNFINISHED, f"--set={backup['label']}", *options)
        say(f"{backup['label']} restored in {time.monotonic() - began:.0f} s, recovering to {at}")
        try:
            number = recover(UNFINISHED, "archive_mode=on", f"archive_command={push}")
            break
        except OtherHistory as failure:
            say(f"an earlier restore left backup {backup['label']} out: {failure}")
    else:
        raise Failed("no backup belongs to that timeline's history")
    say(f"restored to {at} in {time.monotonic() - began:.0f} s, on timeline {number}")
    return number


def _files(cluster: Path, *options: str) -> None:
    """The files of the newest backup that serves, and how its server gets WAL."""
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    pgbackrest(f"--pg1-path={cluster}", *options, "restore")


def recover(cluster: Path, *settings: str, quiet: bool = False) -> str:
    """Runs a server that nobody can reach until it has read all WAL it should. Its timeline."""
    alone = ("listen_addresses=", f"unix_socket_directories={cluster}", "hot_standby=off")
    command = ["postgres", "-D", str(cluster)]
    for setting in (*alone, *settings):
        command += ["-c", setting]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    timeline, fatal, over = "", "", False
    for line in server.stderr:
        if not quiet:
            print(line, end="", file=sys.stderr, flush=True)
        if found := re.search(r"selected new timeline ID: (\d+)", line):
            timeline = found[1]
        if found := re.search(r"(FATAL|PANIC): +(.*)", line):
            fatal = fatal or found[2]
        if "ready to accept connections" in line:
            over = True
            server.send_signal(signal.SIGINT)
    if server.wait() == 0 and over:
        return timeline
    anywhere = "recovery_target_time="
    if "recovery ended before configured recovery target" in fatal and anywhere not in settings:
        # Nothing was committed after that time, so the end is as it was then.
        return recover(cluster, *settings, anywhere)
    if "not a child of this server's history" in fatal or "required checkpoint record" in fatal:
        raise OtherHistory(fatal)
    raise Failed(f"the recovery failed: {fatal or f'exit status {server.returncode}'}")


def take_place() -> None:
    """Puts the restored cluster in the place of the former one. It may be killed anywhere."""
    REQUEST.unlink(missing_ok=True)
    if CLUSTER.exists():
        shutil.rmtree(BEFORE, ignore_errors=True)
        CLUSTER.rename(BEFORE)
    FINISHED.rename(CLUSTER)
    os.sync()


def run() -> None:
    began = time.monotonic()
    pgbackrest("stanza-create")
    wanted = kind(backups(), datetime.now(UTC))
    pgbackrest(f"--type={wanted}", "backup")
    made, every = time.monotonic(), backups()
    newest, info = every[-1], every[-1]["info"]
    say(
        f"{newest['type']} backup {newest['label']}: {_size(info['size'])} of database,"
        f" {_size(info['repository']['delta'])} sent, {made - began:.0f} s"
    )
    # Its exit status is 0 in any case.
    told = pgbackrest("verify", "--output=text", "--verbose")
    if "status: ok" not in told:
        raise Failed(f"the repository is damaged, make another full backup elsewhere:\n{told}")
    since = min(map(_ended, every))
    say(
        f"all of the repository was read and verified in {time.monotonic() - made:.0f} s;"
        f" it restores any time since {since:%Y-%m-%d %H:%M:%S} UTC"
    )
    if wanted == "full":
        drill(info["size"])


def drill(size: int) -> None:
    """Restores the newest state beside the database and reads every page. size: its bytes."""
    began, free = time.monotonic(), shutil.disk_usage(DATA).free
    if free < 2 * size:
        say(f"no restore was tried: it needs {_size(2 * size)} of disk, and {_size(free)} are free")
        return
    try:
        _files(DRILL)
        # Its timeline is nobody's: nothing of it goes to the archive.
        recover(DRILL, "archive_mode=off", "shared_buffers=32MB", quiet=True)
        check = ["pg_checksums", "--check", "--pgdata", str(DRILL)]
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"what was restored is damaged: {done.stderr.strip()}")
    finally:
        shutil.rmtree(DRILL, ignore_errors=True)
    took = time.monotonic() - began
    say(f"restored beside the database, recovered, every page read: {took:.0f} s")


def state() -> None:
    """Prints times in Unix time: of the oldest backup, the newest one and the newest full one; of
    the last WAL that was archived, and of the oldest that waits for it."""
    sql = (
        "SELECT json_build_object("
        "'archived', extract(epoch FROM last_archived_time),"
        "'failing', coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false),"
        "'waiting', (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'),"
        "'waiting_since', (SELECT extract(epoch FROM min(modification))"
        " FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')"
        ") FROM pg_stat_archiver"
    )
    asked = ["psql", "--no-psqlrc", "-qAt", "--username=postgres", "--dbname=postgres", "-c", sql]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    try:
        every = backups()
    except Failed as failure:
        told["error"] = str(failure).splitlines()[0]
    else:
        ends = [one["timestamp"]["stop"] for one in every]
        full = [one["timestamp"]["stop"] for one in every if one["type"] == "full"]
        told |= {
            "first": min(ends, default=None),
            "last": max(ends, default=None),
            "last_full": max(full, default=None),
            "count": len(every),
            "database_bytes": every[-1]["info"]["size"] if every else None,
        }
    print(json.dumps(told))


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"


def say(line: str) -> None:
    print(f"backup: {line}", flush=True)


def main() -> NoReturn:
    commands = {each.__name__: each for each in (configure, asked, check, fill, run, state)}
    try:
        commands[sys.argv[1]]()
    except (Failed, OSError) as failure:
        sys.exit(f"backup: {failure}")
    sys.exit(0)


if __name__ == "__main__":
    main()
