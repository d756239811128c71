"""A gateway in front of stand-ins for servers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import images
from tests.support.docker import docker
from tests.support.gateway import (
    HOSTS,
    Gateway,
    platforms_certificate,
    trusting,
    warnings,
    write_files,
)
from tests.support.polling import until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[Gateway]:
    """A gateway for the servers ai_memory (two replicas) and github (none), and a backend (one)."""
    prefix = f"gwtest-{secrets.token_hex(4)}"
    base = images.ensure_base(print)
    folder = tmp_path_factory.mktemp("gateway")
    pem, authority = platforms_certificate()
    write_files(folder, prefix, pem, HOSTS)
    made = Gateway(prefix, f"{prefix}-net", f"{prefix}-image", base, folder, trusting(authority))
    docker("network", "create", made.network)
    try:
        directory = str(ROOT / "images" / "gateway")
        docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", made.image, directory)
        made.start()
        for _ in range(2):
            made.replica("ai_memory")
        made.replicas.remove(made.replica("backend"))
        until(made.healthy, lambda seen: seen == {"ai_memory": 2, "github": 0}, "both replicas")
        until(lambda: made.call("GET", "/").status, lambda seen: seen == 200, "the backend")
        yield made
    finally:
        left = docker("ps", "--all", "--quiet", "--filter", f"name={prefix}").split()
        docker("rm", "--force", *left)
        docker("network", "rm", made.network)
        docker("rmi", "--force", made.image, ok=False)


@pytest.fixture(autouse=True)
def what_was_said(request: pytest.FixtureRequest) -> Iterator[None]:
    """The gateway's log about its replicas: pytest shows it with a failure."""
    yield
    if "gateway" in request.fixturenames:
        print(*warnings(request.getfixturevalue("gateway").name)[-30:], sep="\n")
