"""The platform's database moves into the PostgreSQL of Debian's next release, by the commands of
docs/runbooks/upgrade-postgres.md."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from components.plan import database as plan
from simulator import images
from tests.support.docker import docker
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "runbooks" / "upgrade-postgres.md"
TABLE = """
CREATE TABLE kept (
    id bigserial PRIMARY KEY, text text, at timestamptz DEFAULT now(), meaning vector(3),
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(text, ''))) STORED
)
"""
NEAREST = "SELECT id FROM kept ORDER BY meaning <-> '[0.5, 0.1, 0.9]' LIMIT 5"


@pytest.fixture
def newer() -> Iterator[str]:
    """A container with it, and nothing in it."""
    tag = f"dbnext-{secrets.token_hex(4)}"
    base = images.ensure_base(print)
    file = str(HERE / "next.Dockerfile")
    docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", tag, "--file", file, HERE)
    docker("run", "--detach", "--name", tag, tag)
    until(lambda: psql(tag, "postgres", "SELECT 1"), lambda told: told == "1", "PostgreSQL 17", 60)
    yield tag
    docker("rm", "--force", "--volumes", tag)
    docker("rmi", "--force", tag)


def psql(container: str, name: str, sql: str) -> str:
    command = ("psql", "--no-psqlrc", "-qAt", "--username=postgres", f"--dbname={name}", "-c", sql)
    return docker("exec", container, *command)


def test_every_row_vector_and_index_is_there_afterwards(database, newer: str, tmp_path: Path):
    database.start()
    database.ready()
    database.query(TABLE)
    database.query(
        "INSERT INTO kept (text, meaning) SELECT md5(i::text),"
        " ARRAY[random(), random(), random()]::vector FROM generate_series(1, 2000) i"
    )
    database.query("CREATE INDEX ON kept USING hnsw (meaning vector_l2_ops)")
    rows, nearest = (
        psql(database.name, plan.DATABASE, sql) for sql in ("SELECT kept::text FROM kept", NEAREST)
    )

    block = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    given = {"OLD": database.name, "NEW": newer, "PASSWORD": "another", "PATH": "/usr/bin:/bin"}
    command = ["bash", "-euo", "pipefail", "-c", dedent(block[1])]
    done = subprocess.run(
        command, env=given, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    assert psql(newer, "sophia", "SHOW server_version").startswith("17.")
    assert psql(newer, "sophia", "SELECT kept::text FROM kept") == rows
    assert psql(newer, "sophia", NEAREST) == nearest
    assert "hnsw" in psql(
        newer, "sophia", "SELECT indexdef FROM pg_indexes WHERE indexdef ~ 'hnsw'"
    )
    insert = "SET ROLE sophia; INSERT INTO kept (text) VALUES ('after') RETURNING id"
    assert psql(newer, "sophia", insert) == "2001", "the owner goes on where it was"
