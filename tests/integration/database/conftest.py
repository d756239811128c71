"""The database's image on a directory, as a node gives it to the service."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from components.plan import backup, database_roles
from components.plan import database as plan
from components.plan.backup import Repository
from components.plan.workload import Workload, job_inputs, service_inputs
from providers.swarm.services.model import TaskInputs
from simulator import images
from tests.support.docker import docker
from tests.support.polling import until

VOLUME = "database-0a1b2c3d"
ROOT = Path(__file__).resolve().parents[3]


class Failed(Exception):
    """A job that ended with another status than 0, with what it printed."""


@dataclass
class Database:
    """One data directory; containers on it come and go. `name` is the newest one.

    repository: where backups go, None for none; keys: its secrets, by their files' names; hosts:
    names that containers find, with their addresses. watched: whether it has a role for that.
    """

    image: str
    prefix: str
    folder: Path
    password: str = "a1B2" * 8
    name: str = ""
    made: list[str] = field(default_factory=list)
    repository: Repository | None = None
    keys: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    watched: bool = False

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def workload(self) -> Workload:
        """The service's plan."""
        bare = plan.workload("database", 512)
        bare = plan.watched(bare) if self.watched else bare
        return backup.archiving(bare, self.repository) if self.repository else bare

    def start(self, *more: str) -> None:
        """Starts a container with the limits and mounts of the service's plan. more: arguments."""
        self.name = self._name()
        planned = service_inputs(self.workload, "test")
        like = self._like(self.name, planned, self.password)
        docker("run", "--detach", "--init", *like, self.image, *planned.args, *more)

    def back_up(self) -> str:
        """Runs the job that makes a backup, to its end. What it printed, both streams."""
        assert self.repository is not None
        return self._run(backup.job("backup", self.workload, self.repository), self.password)

    def admit(self, password: str) -> str:
        """The same for the job that lets a password in."""
        return self._run(database_roles.jobs(self.workload, ())[0], password)

    def revoke_others(self, password: str) -> str:
        """The same for the job that takes all other passwords away."""
        return self._run(database_roles.jobs(self.workload, ())[1], password)

    def _run(self, job: Workload, password: str) -> str:
        planned = job_inputs(job, "test")
        entry, *rest = planned.command
        like = self._like(self._name(), planned, password)
        command = ["docker", "run", "--init", "--entrypoint", entry, *like, self.image, *rest]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode:
            raise Failed(said)
        return said

    def _name(self) -> str:
        self.made.append(f"{self.prefix}-{secrets.token_hex(4)}")
        return self.made[-1]

    def _like(self, name: str, planned: TaskInputs, password: str) -> list[str]:
        """Options of `docker run`, as the plan has it."""
        files = self.folder / name
        files.mkdir()
        contents = {database_roles.PASSWORD_SECRET: password, **self.keys}
        authority = self.repository.authority if self.repository else ""
        mounts = {}
        for file in (*planned.secrets, *planned.configs):
            source = files / Path(file.target).name
            source.write_text(contents.get(file.target, authority))
            source.chmod(0o444)
            mounts[source] = str(Path("/run/secrets") / file.target)
        return [
            *("--name", name, "--user", planned.user),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--memory", f"{planned.resources.memory_mb}m", "--tmpfs", "/tmp:size=16m"),
            *("--pids-limit", str(planned.resources.pids)),
            *(
                word
                for item in (planned.env | {"VOLUME": VOLUME}).items()
                for word in ("--env", "=".join(item))
            ),
            *(word for host in self.hosts.items() for word in ("--add-host", ":".join(host))),
            *("--volume", f"{self.data}:/var/lib/postgresql/data"),
            *(word for at in mounts.items() for word in ("--volume", f"{at[0]}:{at[1]}:ro")),
        ]

    def stop(self) -> None:
        docker("stop", "--time", "30", self.name)

    @property
    def address(self) -> str:
        # Docker 29 has it for each network only.
        where = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", where, self.name)

    def connect(self, user: str = "", password: str = "") -> psycopg.Connection:
        """With the database's own password, unless another one is given, and that one's role."""
        password = password or self.password
        return psycopg.connect(
            host=self.address,
            port=plan.PORT,
            dbname=plan.DATABASE,
            user=user or plan.role(password),
            password=password,
            connect_timeout=5,
            autocommit=True,
        )

    def query(self, sql: str, user: str = "", password: str = "") -> list:
        with self.connect(user, password) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def healthy(self) -> None:
        check = ("exec", self.name, "healthcheck.sh")
        until(lambda: docker(*check), lambda _: True, f"{self.name} answers", 60)

    def ready(self) -> None:
        """Healthy, and its password let in."""
        self.healthy()
        self.admit(self.password)

    def logs(self) -> str:
        """Everything the newest container said (both streams)."""
        done = subprocess.run(
            ["docker", "logs", self.name], capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    tag = f"dbtest-{secrets.token_hex(4)}"
    base = images.ensure_base(print)
    directory = str(ROOT / "images" / "database")
    docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, directory)
    yield tag
    docker("rmi", "--force", tag)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line, such as what was measured."""

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return tell


@pytest.fixture
def database(image: str, tmp_path: Path) -> Iterator[Database]:
    """An empty directory, owned as a volume has it; nothing runs yet."""
    with empty(image, tmp_path / "database") as made:
        yield made


@pytest.fixture
def reader(image: str, tmp_path: Path) -> Iterator[Database]:
    """Another one."""
    with empty(image, tmp_path / "reader") as made:
        yield made


@contextmanager
def empty(image: str, folder: Path) -> Iterator[Database]:
    folder.mkdir()
    made = Database(image, f"{image}-{secrets.token_hex(2)}", folder)
    made.data.mkdir(mode=0o700)
    os.chown(made.data, plan.USER_ID, plan.USER_ID)
    (made.data / ".volume").write_text(VOLUME + "\n")
    yield made
    for name in made.made:
        docker("rm", "--force", "--volumes", name)
