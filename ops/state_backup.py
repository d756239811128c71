"""Copies of a stack's state beside the database's backups: `pulumi stack export`, whose secrets
stay encrypted. `make backup` makes one; docs/how-to/backups.md says how to restore it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from ops import bucket
from ops.stack import Stack

FOLDER = "state"
"""Below the path of the backups, where pgBackRest has `archive` and `backup`."""
KEPT = 30
"""Copies, the newest ones."""


def make(stack: Stack, prefix: str) -> str:
    """Copies the state, and removes what is older than KEPT copies. The copy's name.

    prefix: of the stack's physical names. Raises StackError.
    """
    export = stack.pulumi("stack", "export", quiet=True).stdout
    with of(stack, prefix) as there:
        name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%fZ}.json"
        there.write(f"{FOLDER}/{name}", export.encode())
        # Not this one, whatever the clocks said that the others were made by.
        others = [one for one in there.names(FOLDER) if not one.endswith(f"/{name}")]
        for old in others[: max(0, len(others) + 1 - KEPT)]:
            there.delete(old)
        return f"s3://{there.name}/{there.path}/{FOLDER}/{name}"


def of(stack: Stack, prefix: str) -> AbstractContextManager[bucket.Bucket]:
    """The bucket of the stack's backups, as a context."""
    return bucket.of_backups(json.loads(stack.configuration()["backup"]), prefix)
