"""Backups of the database: what its server gets for them, and the job that makes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from components.plan import networks
from components.plan.workload import File, Workload
from providers.swarm.services.model import Mount, Resources

ACCESS_KEY, SECRET_KEY, PASSPHRASE = "backup_access_key", "backup_secret_key", "backup_passphrase"
"""Files below /run/secrets."""
AUTHORITY = "/etc/sophia/backup-ca.pem"
"""A config: the CA of an S3 of one's own."""
SCHEDULE = "*-*-* 03:00"
LONGEST_RESTORE_S = 3600
"""Seconds that a start may take without being ended for it: it may restore the volume."""


@dataclass(frozen=True)
class Repository:
    """Where backups are. region: what S3 calls so. endpoint: `host` or `host:port` of an S3 that
    isn't Amazon's, "" for that. path: in the bucket. retention: weekly full backups that are kept.
    authority: PEM of the CA that the endpoint's certificate is from, "" for a public one.
    restore_only: whether it belongs to another stack, and nothing may be written to it.
    """

    bucket: str
    region: str
    endpoint: str
    path: str
    retention: int
    authority: str = ""
    restore_only: bool = False


def archiving(server: Workload, repository: Repository) -> Workload:
    """The database's server, filled from the repository, with its WAL going there."""
    assert server.health is not None
    return replace(
        server,
        **_access(server, repository),
        networks=(*server.networks, networks.BACKUP),
        health=replace(server.health, start_period_s=LONGEST_RESTORE_S),
    )


def job(name: str, server: Workload, repository: Repository) -> Workload:
    """Makes a backup and verifies the repository, and restores beside the database once a week. It
    meets the server on the volume.
    """
    bare = Workload(
        name=name,
        kind="cron",
        schedule=SCHEDULE,
        user=server.user,
        command=("sh", "-c", "backup configure && exec backup run"),
        resources=Resources(cpus=1.0, memory_mb=384, pids=64, reserve_cpus=0.1),
        stop_grace_s=10,
        volume=server.volume,
        mounts=(Mount(type="tmpfs", target="/tmp", size_mb=16),),
        labels=server.labels,
        needs=(server.name,),
        networks=(networks.BACKUP,),
    )
    return replace(bare, **_access(bare, repository))


def _access(workload: Workload, repository: Repository) -> dict[str, Any]:
    """The fields of a workload that uses the repository."""
    env = {
        "BACKUP_BUCKET": repository.bucket,
        "BACKUP_REGION": repository.region,
        "BACKUP_ENDPOINT": repository.endpoint,
        "BACKUP_PATH": repository.path,
        "BACKUP_RETENTION": str(repository.retention),
    }
    if repository.restore_only:
        env["BACKUP_RESTORE_ONLY"] = "true"
    configs: tuple[File, ...] = ()
    if repository.authority:
        env["BACKUP_CA"] = AUTHORITY
        configs = (File("backup-authority", AUTHORITY, "backup-ca"),)
    secrets = [File(name.replace("_", "-"), name) for name in (ACCESS_KEY, SECRET_KEY, PASSPHRASE)]
    return {
        "env": {**workload.env, **env},
        "secrets": (*workload.secrets, *secrets),
        "configs": (*workload.configs, *configs),
    }
