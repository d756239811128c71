"""The repository, by pgBackRest."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from .choices import Backup, configuration, whole
from .places import CONFIG, SECRETS, Failed


def configure() -> None:
    names = ("backup_access_key", "backup_secret_key", "backup_passphrase")
    secrets = {name: (SECRETS / name).read_text().strip() for name in names}
    text = configuration(os.environ, secrets)
    with open(os.open(CONFIG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


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
    """Those that are whole, the oldest first. Raises Failed where the repository can't be read."""
    return whole(listed())


def listed() -> list[Backup]:
    """All in the repository, those of damaged pages as well. Raises Failed."""
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
    found: list[Backup] = stanza["backup"]
    return found


def archived() -> list[str]:
    """The names of all WAL files in the repository. Raises Failed."""
    told = pgbackrest(
        "repo-ls", "--recurse", "--filter=/[0-9A-F]{24}-[0-9a-f]+", "archive/database"
    )
    return [line.rpartition("/")[2][:24] for line in told.splitlines()]
