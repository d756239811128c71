"""One platform for all end-to-end tests, brought up by an `up` that is killed twice on its way."""

from collections.abc import Iterator
from secrets import token_hex

import pytest

from components.catalog.loader import load
from components.plan import provided
from tests.support import docker
from tests.support.checkout import ROOT, Checkout, copy_of_the_tree
from tests.support.killing import killed_up


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, canaries: dict[str, str]
) -> Iterator[Checkout]:
    """A copy of the tree with an empty state folder; everything in it is removed at the end."""
    checkout = copy_of_the_tree(tmp_path_factory.mktemp("e2e"), variables=canaries)
    yield checkout
    checkout.run("ops", "down", seconds=300)


@pytest.fixture(scope="session")
def interrupted(checkout: Checkout) -> list[str]:
    """`ops up`, killed with its whole process group while nodes boot and while services start.

    Returns the node containers there were after each kill.
    """
    seen = []
    for begun in (docker.nodes, docker.services):
        killed_up(checkout, begun)
        seen += docker.nodes(checkout.home)
    return seen


@pytest.fixture(scope="session")
def platform(checkout: Checkout, interrupted: list[str]) -> Checkout:
    """The platform, up: the third `ops up` only had to continue."""
    output = checkout.run("ops", "up")
    assert "The platform is up" in output
    return checkout
