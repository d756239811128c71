"""The platform's database: one PostgreSQL server, its data on one node's disk, who may log in, and
its backups; or two of them, and what chooses the primary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.handles import Ground, JobHandle, ServiceHandle, VolumeHandle
from components.plan import backup, database_roles, standby
from components.plan import database as plan
from components.plan.workload import Workload
from components.workload import Given, deploy, deploy_job
from providers.swarm import resources as swarm


@dataclass(frozen=True)
class Backups:
    """job: that makes them, None if those of another stack are only read; standby_job: the second
    member's, where there is one. access_key, secret_key: S3's. passphrase: one's own, None for one
    that is made here. authority: PEM of the CA that S3's certificate is from, "" for a public one.
    """

    job: Workload | None
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]
    passphrase: pulumi.Input[str] | None
    authority: str
    standby_job: Workload | None = None


@dataclass(frozen=True)
class Standby:
    """The second member with its volume and its jobs of `database_roles`, and those who choose the
    primary, in order."""

    member: Workload
    admission: Workload
    revocation: Workload
    volume: VolumeHandle
    quorum: Sequence[Workload]


@dataclass(frozen=True)
class DatabaseArgs:
    """image: with its digest. admission, revocation: the jobs of `database_roles`.
    rotate: another text makes another password. backups, standby: None for none.
    """

    workload: Workload
    admission: Workload
    revocation: Workload
    ground: Ground
    image: pulumi.Input[str]
    volume: VolumeHandle
    rotate: str = ""
    backups: Backups | None = None
    standby: Standby | None = None


class Database(pulumi.ComponentResource):
    """Done when the server answers queries, a standby has each commit, and the first backup is made
    and verified. Its data stay on the node when it is destroyed.

    handle: of the first member, for services on the same network. members: of each.
    monitor_password: secret, of the role that watches; for a workload that has it. url: secret,
    with the password; what uses it is created after the database is healthy and knows the
    password. passphrase: secret, of the backups; "" for none.
    """

    handle: ServiceHandle
    members: Sequence[ServiceHandle]
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
        quorum: list[ServiceHandle] = []
        if args.standby:
            shared = self._shared(name, args)
            quorum = self._quorum(args, args.standby, shared)
            contents |= shared
        given = Given(args.image, contents, args.volume, quorum)
        self.handle = deploy(args.workload, args.ground, given, self)
        members = [self.handle]
        if args.standby:
            given = Given(args.image, contents, args.standby.volume, members)
            members.append(deploy(args.standby.member, args.ground, given, self))
        self.members = members
        given = Given(args.image, self._password, args.volume, [*members])
        self._admitted = [deploy_job(args.admission, args.ground, given, self)]
        if args.standby:
            given = Given(args.image, self._password, args.standby.volume, [*members])
            self._admitted.append(deploy_job(args.standby.admission, args.ground, given, self))
        if args.backups and args.backups.job:
            given = Given(args.image, access, args.volume, members)
            deploy_job(args.backups.job, args.ground, given, self)
            if args.standby and args.backups.standby_job:
                given = Given(args.image, access, args.standby.volume, members)
                deploy_job(args.backups.standby_job, args.ground, given, self)
        self.url = pulumi.Output.secret(
            pulumi.Output.all(
                password,
                pulumi.Output.all(*(one.dns_name for one in members)),
                *(job.ready.urn for job in self._admitted),
            ).apply(lambda known: plan.url(known[0], *known[1]))
        )
        self.register_outputs({"dns_name": self.handle.dns_name, "url": self.url})

    def revoke_former(self, clients: Sequence[ServiceHandle]) -> None:
        """Takes the former passwords away once all clients run with this one."""
        args = self._args
        needed: list[ServiceHandle | JobHandle] = [*self._admitted, *clients]
        given = Given(args.image, self._password, args.volume, needed)
        deploy_job(args.revocation, args.ground, given, self)
        if args.standby:
            given = Given(args.image, self._password, args.standby.volume, needed)
            deploy_job(args.standby.revocation, args.ground, given, self)

    def _shared(self, name: str, args: DatabaseArgs) -> dict[str, pulumi.Input[str]]:
        """What the members know each other by, by the files' names."""
        child = pulumi.ResourceOptions(parent=self, provider=args.ground.cluster.provider)
        authority = swarm.Certificate(
            f"{name}-ca",
            common_name=f"{args.ground.prefix} database CA",
            is_ca=True,
            validity_days=standby.CERTIFICATE_DAYS,
            opts=child,
        )
        pair = swarm.Certificate(
            f"{name}-certificate",
            ca_certificate=authority.certificate,
            ca_private_key=authority.private_key,
            opts=child,
            **standby.certificate(args.ground.prefix, args.workload.name),
        )
        password = random.RandomPassword(
            f"{name}-replication",
            length=32,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return {
            standby.AUTHORITY: authority.certificate,
            standby.PAIR: pulumi.Output.concat(pair.certificate, pair.private_key),
            standby.PASSWORD: password.result,
        }

    def _quorum(
        self, args: DatabaseArgs, standby: Standby, contents: Mapping[str, pulumi.Input[str]]
    ) -> list[ServiceHandle]:
        made: dict[str, ServiceHandle] = {}
        for workload in standby.quorum:
            given = Given(args.image, contents, needed=[made[name] for name in workload.needs])
            made[workload.name] = deploy(workload, args.ground, given, self)
        return [*made.values()]

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
                "backup-passphrase",
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
