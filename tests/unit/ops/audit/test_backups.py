"""What the audit says of the files in the bucket of the backups."""

from __future__ import annotations

import pytest

from ops import nodes
from ops.audit.backups import checked, heads, texts
from ops.bucket import Bucket


class Holding(Bucket):
    """A bucket with these files."""

    files: dict[str, bytes]

    @classmethod
    def of(cls, files: dict[str, bytes]) -> Holding:
        made = cls("b", "p", None)
        object.__setattr__(made, "files", files)
        return made

    def names(self, folder: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(f"p/{folder}/"))

    def read(self, name: str, first: int = 0) -> bytes:
        return self.files[name][: first or None]


def test_a_file_that_is_not_encrypted_is_a_finding():
    wal = {f"p/archive/database/15-1/{number:04}": b"Salted__..." for number in range(300)}
    info = {"p/backup/database/backup.info": b"[backup]\n"}
    seen = heads(Holding.of(wal | info | {"p/state/x.json": b"{}"}))
    assert len(seen) == 200
    problems = {name: found for name, found in checked(seen).problems.items() if found}
    assert problems == {"p/backup/database/backup.info": ["it is not"]}


def test_a_bucket_without_backups_is_a_finding():
    assert checked({}).problems == {"the bucket": ["it has no backups"]}


@pytest.mark.parametrize("jobs", [["backup"], ["backup", "backup-2"]])
def test_the_log_of_each_job_and_the_newest_state_are_searched(monkeypatch, jobs):
    monkeypatch.setattr(nodes, "asked", lambda outputs, command, enough: command.split()[-1])
    there = Holding.of({"p/state/1.json": b"older", "p/state/2.json": b"newer"})
    outputs = {"networks": dict.fromkeys(["database", *jobs])}
    assert texts(there, outputs, "sophia-prod") == {
        **{f"the log of the job {job}": f"sophia-prod-{job}" for job in jobs},
        "the newest copy of the state": "newer",
    }
