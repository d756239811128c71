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
"""

from __future__ import annotations

import sys
from typing import NoReturn

from .make import run
from .places import Failed
from .repository import configure
from .restore import asked, check, fill
from .state import state


def main() -> NoReturn:
    commands = {each.__name__: each for each in (configure, asked, check, fill, run, state)}
    try:
        commands[sys.argv[1]]()
    except (Failed, OSError) as failure:
        sys.exit(f"backup: {failure}")
    sys.exit(0)


if __name__ == "__main__":
    main()
