"""What whoever reads the bucket of the backups would see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.plan import names, workloads
from ops import nodes
from ops.audit.findings import Check
from ops.bucket import Bucket
from ops.state_backup import FOLDER

_NAME, _TITLE = "backups", "the files of the database's backups are encrypted"
_SIGN = b"Salted__"
"""How OpenSSL's format begins, in which pgBackRest encrypts."""
_NEWEST = 200
"""Files that are looked at, of tens of thousands: each is a request."""


def checked(heads: Mapping[str, bytes]) -> Check:
    """heads: the first bytes of files, by their names. Pure."""
    if not heads:
        return Check(_NAME, _TITLE, {"the bucket": ["it has no backups"]})
    problems = {name: ["it is not"] for name, head in heads.items() if not head.startswith(_SIGN)}
    return Check(_NAME, _TITLE, problems)


def heads(there: Bucket) -> dict[str, bytes]:
    """The first bytes of those files that describe the backups, and of the last ones by name."""
    found = [*there.names("archive"), *there.names("backup")]
    wanted = {name for name in found if ".info" in name} | {*found[-_NEWEST:]}
    return {name: there.read(name, len(_SIGN)) for name in sorted(wanted)}


def texts(there: Bucket, outputs: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """What no secret may be in, by place: each job's log, and the newest copy of the state."""
    found = {}
    for job in (workloads.BACKUP, workloads.STANDBY_BACKUP):
        if job in outputs["networks"]:
            command = f"docker service logs --raw --tail 2000 {names.physical(prefix, job)}"
            told = nodes.asked(outputs, command, "incomplete log stream")
            found[f"the log of the job {job}"] = told
    if copies := there.names(FOLDER):
        found["the newest copy of the state"] = there.read(copies[-1]).decode()
    return found
