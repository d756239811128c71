"""What the audit says of the files in the bucket of the backups."""

from __future__ import annotations

from ops.audit.backups import checked, heads
from ops.bucket import Bucket


class Holding(Bucket):
    """A bucket with these files."""

    files: dict[str, bytes]

    def names(self, folder: str = "") -> list[str]:
        return sorted(name for name in self.files if name.startswith(f"p/{folder}/"))

    def read(self, name: str, first: int = 0) -> bytes:
        return self.files[name][:first]


def test_a_file_that_is_not_encrypted_is_a_finding():
    there = Holding("b", "p", None)
    wal = {f"p/archive/database/15-1/{number:04}": b"Salted__..." for number in range(300)}
    info = {"p/backup/database/backup.info": b"[backup]\n"}
    object.__setattr__(there, "files", wal | info | {"p/state/x.json": b"{}"})
    seen = heads(there)
    assert len(seen) == 200
    problems = {name: found for name, found in checked(seen).problems.items() if found}
    assert problems == {"p/backup/database/backup.info": ["it is not"]}


def test_a_bucket_without_backups_is_a_finding():
    assert checked({}).problems == {"the bucket": ["it has no backups"]}
