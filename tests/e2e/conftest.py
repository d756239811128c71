"""One platform for all end-to-end tests, brought up by an `up` that is killed twice on its way."""

import contextlib
import os
from collections.abc import Iterator
from secrets import token_hex

import pytest

from components.catalog.loader import load
from components.plan import provided
from tests.support import docker
from tests.support.checkout import ROOT, Checkout, copy_of_the_tree
from tests.support.killing import killed_up


@pytest.fixture(scope="module")
def canaries() -> dict[str, str]:
    """A credential for everything that servers ask for, by its variable. The platform provides some
    itself; a server with a database's address would wait for that database."""
    names = {
        secret.env for server in load(ROOT / "mcp_catalog").servers for secret in server.secrets
    }
    return {
        name: f"canary-{token_hex(12)}"
        for name in sorted(names - {*provided.CREDENTIALS, "DATABASE_URL", "SNOWFLAKE_PRIVATE_KEY"})
    }


@pytest.fixture(scope="module")
def first() -> Iterator[None]:
    """Its commands go first, if root runs the tests: it takes longest and mostly waits, and others
    fill the time in which it does."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, usual - 5)
    yield
    os.setpriority(os.PRIO_PROCESS, 0, usual)


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, canaries: dict[str, str], first: None
) -> Iterator[Checkout]:
    """A copy of the tree with an empty state folder; everything in it is removed at the end."""
    checkout = copy_of_the_tree(tmp_path_factory.mktemp("e2e"), variables=canaries)
    yield checkout
    checkout.run("ops", "down", seconds=300)


@pytest.fixture(scope="module")
def interrupted(checkout: Checkout) -> list[str]:
    """`ops up`, killed with its whole process group while nodes boot and while services start.

    Returns the node containers there were after each kill.
    """
    seen = []
    for begun in (docker.nodes, docker.services):
        killed_up(checkout, begun)
        seen += docker.nodes(checkout.home)
    return seen


@pytest.fixture(scope="module")
def platform(checkout: Checkout, interrupted: list[str]) -> Checkout:
    """The platform, up: the third `ops up` only had to continue."""
    output = checkout.run("ops", "up")
    assert "The platform is up" in output
    return checkout
