"""The platform's database: one PostgreSQL server, its data on one node's disk, who may log in, and
its backups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.handles import Ground, ServiceHandle, VolumeHandle
from components.plan import backup, database_roles
from components.plan import database as plan
from components.plan.workload import Workload
from components.workload import Given, deploy, deploy_job


@dataclass(frozen=True)
class Backups:
    """job: that makes them. access_key, secret_key: S3's. passphrase: one's own, None for one that
    is made here. authority: PEM of the CA that S3's certificate is from, "" for a public one.
    """

    job: Workload
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]
    passphrase: pulumi.Input[str] | None
    authority: str


@dataclass(frozen=True)
class DatabaseArgs:
    """image: with its digest. admission, revocation: the jobs of `database_roles`.
    rotate: another text makes another password. backups: None for none.
    """

    workload: Workload
    admission: Workload
    revocation: Workload
    ground: Ground
    image: pulumi.Input[str]
    volume: VolumeHandle
    rotate: str = ""
    backups: Backups | None = None


class Database(pulumi.ComponentResource):
    """Done when the server answers queries, and the first backup is made and verified. Its data
    stay on the node when it is destroyed.

    handle: for services on the same network. monitor_password: secret, of the role that watches;
    for a workload that has it. url: secret, with the password; what uses it is created after the
    database is healthy and knows the password. passphrase: secret, of the backups; "" for none.
    """

    handle: ServiceHandle
    monitor_password: pulumi.Output[str]
    url: pulumi.Output[str]
    passphrase: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Database", name, None, opts)
        password = self._random(f"{name}-password", args.rotate)
        self._args = args
        self._password = {database_roles.PASSWORD_SECRET: password}
        access = self._access(args.backups) if args.backups else {}
        self.passphrase = pulumi.Output.secret(access.get(backup.PASSPHRASE, ""))
        contents: dict[str, pulumi.Input[str]] = {**access}
        if plan.MONITOR_SECRET in [file.target for file in args.workload.secrets]:
            self.monitor_password = self._random(f"{name}-monitor-password")
            contents[plan.MONITOR_SECRET] = self.monitor_password
        given = Given(args.image, contents, args.volume)
        self.handle = deploy(args.workload, args.ground, given, self)
        given = Given(args.image, self._password, args.volume, [self.handle])
        self._admitted = deploy_job(args.admission, args.ground, given, self)
        if args.backups:
            given = Given(args.image, access, args.volume, [self.handle])
            deploy_job(args.backups.job, args.ground, given, self)
        self.url = pulumi.Output.secret(
            pulumi.Output.all(self.handle.dns_name, password, self._admitted.ready.urn).apply(
                lambda known: plan.url(known[0], known[1])
            )
        )
        self.register_outputs({"dns_name": self.handle.dns_name, "url": self.url})

    def revoke_former(self, clients: Sequence[ServiceHandle]) -> None:
        """Takes the former passwords away once all clients run with this one."""
        args = self._args
        given = Given(args.image, self._password, args.volume, [self._admitted, *clients])
        deploy_job(args.revocation, args.ground, given, self)

    def _random(self, name: str, rotate: str = "") -> pulumi.Output[str]:
        """A password without punctuation: clients build addresses with it."""
        return random.RandomPassword(
            name,
            length=32,
            special=False,
            keepers={"rotate": rotate} if rotate else None,
            opts=pulumi.ResourceOptions(parent=self),
        ).result

    def _access(self, backups: Backups) -> dict[str, pulumi.Input[str]]:
        """What the server and the job need for the repository, by the files' names."""
        passphrase = backups.passphrase
        if passphrase is None:
            passphrase = random.RandomPassword(
                f"{backups.job.name}-passphrase",
                length=48,
                special=False,
                opts=pulumi.ResourceOptions(parent=self),
            ).result
        return {
            backup.ACCESS_KEY: backups.access_key,
            backup.SECRET_KEY: backups.secret_key,
            backup.PASSPHRASE: passphrase,
            backup.AUTHORITY: backups.authority,
        }
