"""The platform's database: one PostgreSQL server, its data on one node's disk, and its backups."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.handles import Ground, ServiceHandle, VolumeHandle
from components.plan import backup
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
    """image: with its digest. backups: None for none."""

    workload: Workload
    ground: Ground
    image: pulumi.Input[str]
    volume: VolumeHandle
    backups: Backups | None = None


class Database(pulumi.ComponentResource):
    """Done when the server answers queries, and the first backup is made and verified. Its data
    stay on the node when it is destroyed.

    handle: for services on the same network. monitor_password: secret, of the role that watches;
    for a workload that has it. url: secret, with the password; what uses it is
    created after the database is healthy. passphrase: secret, of the backups; "" for none.
    """

    handle: ServiceHandle
    monitor_password: pulumi.Output[str]
    url: pulumi.Output[str]
    passphrase: pulumi.Output[str]

    def __init__(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sophia:index:Database", name, None, opts)
        password = self._password(f"{name}-password")
        access = self._access(args.backups) if args.backups else {}
        self.passphrase = pulumi.Output.secret(access.get(backup.PASSPHRASE, ""))
        contents: dict[str, pulumi.Input[str]] = {plan.PASSWORD_SECRET: password, **access}
        if plan.MONITOR_SECRET in [file.target for file in args.workload.secrets]:
            self.monitor_password = self._password(f"{name}-monitor-password")
            contents[plan.MONITOR_SECRET] = self.monitor_password
        given = Given(args.image, contents, args.volume)
        self.handle = deploy(args.workload, args.ground, given, self)
        if args.backups:
            given = Given(args.image, access, args.volume, [self.handle])
            deploy_job(args.backups.job, args.ground, given, self)
        self.url = pulumi.Output.secret(
            pulumi.Output.all(self.handle.dns_name, password).apply(
                lambda known: plan.url(known[0], known[1])
            )
        )
        self.register_outputs({"dns_name": self.handle.dns_name, "url": self.url})

    def _password(self, name: str) -> pulumi.Output[str]:
        """A random one, without punctuation: clients build addresses with it."""
        opts = pulumi.ResourceOptions(parent=self)
        return random.RandomPassword(name, length=32, special=False, opts=opts).result

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
