"""The database with its standby in containers: three of etcd, two of Patroni, one network."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import secrets
import shutil
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psycopg

from components.plan import database, database_roles, standby
from components.plan.workload import JOBS, Workload, job_inputs, service_inputs
from providers.runtime.declare import Context
from providers.swarm.certificate import Certificate, CertificateInputs, CertificateOutputs
from providers.swarm.services.model import TaskInputs
from tests.support.docker import docker
from tests.support.polling import until

PREFIX = "test"
FIRST = "database"
PASSWORD = "a1B2" * 8
API = 8008
STARVED = {"etcd": 0.06, "database": 0.25}
"""Cores for a member of each kind on a machine that is as busy as can be."""


@dataclass
class Members:
    """Containers of one stack's plan, each with a fixed address, so that it keeps it.

    change: of the first server's plan, such as its backups. keys: more secrets and configs, by
    file name. hosts: names that containers find, with their addresses. starved: see `starve`.
    """

    image: str
    folder: Path
    change: Callable[[Workload], Workload] = lambda server: server
    keys: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    starved: bool = False
    running: dict[str, str] = field(default_factory=dict)
    """Names of containers, by workload."""
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network = f"members-{secrets.token_hex(4)}"
        third = secrets.randbelow(250)
        self._subnet = ipaddress.ip_network(f"10.231.{third}.0/24")
        docker("network", "create", "--subnet", str(self._subnet), self.network)
        server = self.change(database.workload(FIRST, 512))
        planned = standby.members(server, PREFIX, ["m1", "m2", "m3"])
        self.plan = {one.name: one for one in planned}
        authority = _issued(CertificateInputs("test CA", is_ca=True))
        inputs = standby.certificate(PREFIX, FIRST)
        pair = _issued(
            CertificateInputs(
                **inputs,
                ca_certificate=authority.certificate,
                ca_private_key=authority.private_key,
            )
        )
        self.contents = {
            standby.AUTHORITY: authority.certificate,
            standby.PAIR: pair.certificate + pair.private_key,
            standby.PASSWORD: "p" * 32,
            database_roles.PASSWORD_SECRET: PASSWORD,
            **self.keys,
        }

    def address(self, name: str) -> str:
        return str(self._subnet[10 + sorted(self.plan).index(name)])

    def folder_of(self, name: str) -> Path:
        """Its volume, made as a node has it."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, database.USER_ID, database.USER_ID)
            (folder / ".volume").write_text(f"{name}-1\n")
        return folder

    def start(self, name: str, plan: Workload | None = None) -> None:
        """A new container of that workload; a job's plan has its member's volume, and no address of
        its own."""
        plan = plan or self.plan[name]
        planned: TaskInputs = (job_inputs if plan.kind in JOBS else service_inputs)(plan, PREFIX)
        container = f"{self.network}-{name}-{secrets.token_hex(2)}"
        self.made.append(container)
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        at = "/var/lib/postgresql/data" if plan.volume else "/var/lib/etcd"
        mounts = [f"{self.folder_of(name)}:{at}"]
        for file in planned.secrets:
            source = files / file.target
            source.write_text(self.contents[file.target])
            source.chmod(0o444)
            mounts.append(f"{source}:/run/secrets/{file.target}:ro")
        for file in planned.configs:
            source = files / Path(file.target).name
            source.write_text(self.contents[source.name])
            source.chmod(0o444)
            mounts.append(f"{source}:{file.target}:ro")
        env = {**planned.env, **({"VOLUME": f"{name}-1"} if plan.volume else {})}
        entry, *command = planned.command or [""]
        docker(
            *("run", "--detach", "--init", "--name", container, "--user", planned.user),
            *self._place(name, plan),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--tmpfs", "/tmp:size=16m", "--memory", f"{planned.resources.memory_mb}m"),
            *("--pids-limit", str(planned.resources.pids)),
            *(word for item in env.items() for word in ("--env", "=".join(item))),
            *(word for mount in mounts for word in ("--volume", mount)),
            *(word for host in self.hosts.items() for word in ("--add-host", ":".join(host))),
            *(("--entrypoint", entry) if entry else ()),
            self.image,
            *command,
            *planned.args,
        )
        self.running[name] = container
        if self.starved and plan.kind not in JOBS:
            self._starve(name)

    def _place(self, name: str, plan: Workload) -> tuple[str, ...]:
        if plan.kind in JOBS:
            return ("--network", self.network)
        alias = standby.host(PREFIX, name)
        return ("--network", self.network, "--ip", self.address(name), "--network-alias", alias)

    def run_job(self, name: str, plan: Workload) -> str:
        """Runs a job on that member's volume to its end; what it printed."""
        server = self.running[name]
        self.start(name, plan)
        container, self.running[name] = self.running[name], server
        status = docker("wait", container)
        told = subprocess.run(["docker", "logs", container], capture_output=True, text=True)
        said = told.stdout + told.stderr
        assert status == "0", said
        return said

    def roll_out(self) -> None:
        """Starts them all, the second member once the first is healthy."""
        for name in (*standby.QUORUM, FIRST):
            self.start(name)
        self.healthy(FIRST)
        self.start(standby.SECOND)
        self.healthy(standby.SECOND)
        self.in_step(FIRST)

    def start_all(self) -> None:
        """For the first time: clients may log in then."""
        self.roll_out()
        for name in (FIRST, standby.SECOND):
            self.admit(name, PASSWORD)

    def starve(self) -> None:
        """From now on none has more of the processors than on a machine that is busy."""
        self.starved = True
        for name in self.running:
            self._starve(name)

    def _starve(self, name: str) -> None:
        kind = "etcd" if name in standby.QUORUM else "database"
        docker("update", "--cpus", str(STARVED[kind]), self.running[name])

    def admit(self, name: str, password: str) -> str:
        """Runs the job that lets a password in, on that member's volume."""
        return self._with(name, password, 0)

    def revoke_others(self, name: str, password: str) -> str:
        """The same for the job that takes all other passwords away."""
        return self._with(name, password, 1)

    def _with(self, name: str, password: str, which: int) -> str:
        self.contents[database_roles.PASSWORD_SECRET] = password
        return self.run_job(name, database_roles.jobs(self.plan[name], ())[which])

    def stop(self, name: str) -> None:
        docker("stop", "--time", "60", self.running[name])

    def inside(self, name: str, *command: str) -> str:
        return docker("exec", self.running[name], *command, ok=False)

    def check(self, name: str) -> bool:
        """Runs its health check."""
        test = self.plan[name].health
        assert test is not None
        command = " ".join(test.test[1:])
        return "fine" in self.inside(name, "sh", "-c", f"{command} >/dev/null && echo fine")

    def healthy(self, name: str, seconds: float = 120) -> None:
        try:
            until(lambda: self.check(name), bool, f"{name} is healthy", seconds)
        except AssertionError:
            print(self.logs(name))
            raise

    def logs(self, name: str) -> str:
        told = subprocess.run(
            ["docker", "logs", "--tail", "60", self.running[name]], capture_output=True, text=True
        )
        return told.stdout + told.stderr

    def primary(self, seconds: float = 90) -> str:
        """The member that takes writes, once there is exactly one."""

        def look() -> list[str]:
            return [name for name in (FIRST, standby.SECOND) if self.is_primary(name)]

        return until(look, lambda found: len(found) == 1, "one primary", seconds)[0]

    def sql(self, name: str, text: str, where: str = "postgres") -> str:
        """As the superuser, who comes in by the socket only."""
        return self.inside(name, "psql", "-XqAtU", "postgres", "-d", where, "-c", text)

    def is_primary(self, name: str) -> bool:
        return self.sql(name, "SELECT NOT pg_is_in_recovery()") == "t"

    def other(self, name: str) -> str:
        return FIRST if name == standby.SECOND else standby.SECOND

    def cut(self, name: str) -> None:
        """Takes its network away."""
        docker("network", "disconnect", "--force", self.network, self.running[name])

    def mend(self, name: str) -> None:
        docker(
            *("network", "connect", "--ip", self.address(name)),
            *("--alias", standby.host(PREFIX, name), self.network, self.running[name]),
        )

    def freeze(self, name: str) -> None:
        docker("pause", self.running[name])

    def thaw(self, name: str) -> None:
        docker("unpause", self.running[name])

    def empty(self, name: str) -> None:
        """What is on its disk is lost with its node."""
        docker("wait", self.running[name])
        shutil.rmtree(self.folder / name)

    def kill(self, name: str) -> None:
        docker("kill", self.running[name])

    def roles(self, name: str) -> dict[str, str]:
        """What Patroni of that member says of both. Asked from outside: starting a program in a
        starved container would starve it more."""
        files = self.folder / "files"
        trusted = ssl.create_default_context(cafile=files / standby.AUTHORITY)
        trusted.load_cert_chain(files / standby.PAIR)
        trusted.check_hostname = False  # it has names, no addresses
        url = f"https://{self.address(name)}:{API}/cluster"
        with urllib.request.urlopen(url, context=trusted, timeout=5) as answer:
            return {one["name"]: one["role"] for one in json.load(answer)["members"]}

    def in_step(self, leader: str, seconds: float = 120) -> None:
        """Waits until the other one has each commit, and could take over."""
        wanted = {leader: "leader", self.other(leader): "sync_standby"}
        try:
            until(lambda: self.roles(leader), lambda seen: seen == wanted, "in step", seconds)
        except AssertionError:
            print(self.logs(self.other(leader)))
            raise

    def url(self, *names: str) -> str:
        return database.url(PASSWORD, *(self.address(name) for name in names))

    def remove(self) -> None:
        for container in self.made:
            docker("rm", "--force", "--volumes", container)
        docker("network", "rm", self.network)


def _issued(inputs: CertificateInputs) -> CertificateOutputs:
    """As the program has it made."""
    context = Context("test", 60, asyncio.Event(), print, print)
    return asyncio.run(Certificate().create(context, inputs)).outputs


class Writer(threading.Thread):
    """Adds a number a time, and notes each that was acknowledged, with when."""

    def __init__(self, url: str, first: int = 1) -> None:
        super().__init__(daemon=True)
        self._url, self._first = url, first
        self._over = threading.Event()
        self.acknowledged: list[tuple[int, float]] = []
        self.errors: list[str] = []

    def __enter__(self) -> Writer:
        until(self._table, bool, "a table to write to", 90)
        self.start()
        self.more()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(60)

    def _table(self) -> bool:
        with self._connected() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS written (number bigint)")
        return True

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=3,
            tcp_user_timeout=5000,
            keepalives_idle=5,
            keepalives_interval=3,
        )

    def run(self) -> None:
        number = self._first - 1
        while not self._over.is_set():
            try:
                with self._connected() as connection:
                    while not self._over.is_set():
                        number += 1
                        connection.execute("INSERT INTO written VALUES (%s)", [number])
                        self.acknowledged.append((number, time.monotonic()))
                        time.sleep(0.01)
            except psycopg.Error as error:
                self.errors.append(str(error).strip())
                time.sleep(0.2)

    def more(self, seconds: float = 120) -> None:
        """Waits until some more were acknowledged."""
        before = len(self.acknowledged)
        until(
            lambda: len(self.acknowledged),
            lambda count: count > before + 20,
            f"writes go on after {self.errors[-1:]}",
            seconds,
        )

    def pause(self) -> float:
        """The longest time between two."""
        moments = [moment for _, moment in self.acknowledged]
        return max(after - before for before, after in pairwise(moments))

    def missing(self) -> set[int]:
        """Numbers that were acknowledged, and aren't there."""
        acknowledged = {number for number, _ in self.acknowledged}
        with self._connected() as connection:
            found = {row[0] for row in connection.execute("SELECT number FROM written")}
        return acknowledged - found
