"""The database's image on a directory, as a node gives it to the service."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from components.plan import database as plan
from components.plan.workload import service_inputs
from simulator import images
from tests.support.docker import docker
from tests.support.polling import until

VOLUME = "database-0a1b2c3d"
ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Database:
    """One data directory; containers on it come and go. `name` is the newest one."""

    image: str
    prefix: str
    folder: Path
    password: str = "it's-a %\\ password"
    name: str = ""
    made: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Starts a container with the limits and mounts of the service's plan."""
        self.name = f"{self.prefix}-{secrets.token_hex(2)}"
        self.made.append(self.name)
        (self.folder / "password").write_text(self.password)
        (self.folder / "password").chmod(0o444)
        planned = service_inputs(plan.workload("database", 512), "test")
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--user", planned.user),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--memory", f"{planned.resources.memory_mb}m", "--tmpfs", "/tmp"),
            *("--pids-limit", str(planned.resources.pids)),
            *(
                word
                for item in (planned.env | {"VOLUME": VOLUME}).items()
                for word in ("--env", "=".join(item))
            ),
            *("--volume", f"{self.data}:/var/lib/postgresql/data"),
            *("--volume", f"{self.folder}/password:/run/secrets/{plan.PASSWORD_SECRET}:ro"),
            *(self.image, *planned.args),
        )

    def stop(self) -> None:
        docker("stop", "--time", "30", self.name)

    def query(self, sql: str, *, user: str = plan.DATABASE, password: str | None = None) -> list:
        # Docker 29 has it for each network only.
        where = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker("inspect", "--format", where, self.name)
        with psycopg.connect(
            host=address,
            port=plan.PORT,
            dbname=plan.DATABASE,
            user=user,
            password=self.password if password is None else password,
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def ready(self) -> None:
        until(lambda: self.query("SELECT 1"), bool, f"{self.name} answers", 60)

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
def database(image: str, tmp_path: Path) -> Iterator[Database]:
    """An empty directory, owned as a volume has it; nothing runs yet."""
    made = Database(image, f"{image}-{secrets.token_hex(2)}", tmp_path)
    made.data.mkdir(mode=0o700)
    os.chown(made.data, plan.USER_ID, plan.USER_ID)
    (made.data / ".volume").write_text(VOLUME + "\n")
    yield made
    for name in made.made:
        docker("rm", "--force", "--volumes", name)
