"""One platform for all end-to-end tests, brought up by an `up` that is killed twice on its way."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import docker
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.polling import until


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy of the tree with an empty state folder; whatever ran in it is removed at the end."""
    checkout = copy_of_the_tree(tmp_path_factory.mktemp("e2e"))
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


def killed_up(checkout: Checkout, begun: Callable[[Path], list[str]]) -> None:
    """An `ops up` that is killed as soon as `begun` sees something."""
    process = checkout.start("ops", "up")
    try:
        until(
            lambda: begun(checkout.home) or process.poll() is not None,
            bool,
            f"first of the {begun.__name__}",
            seconds=900,
        )
    finally:
        output = kill_everything(process)
    assert begun(checkout.home), f"none of the {begun.__name__}; ops up said:\n{output[-6000:]}"


def kill_everything(process: subprocess.Popen[str]) -> str:
    """SIGKILL to what `make up` started, in whatever sessions its parts have put themselves.

    Returns what it had said.
    """
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        pid, parent = map(int, line.split())
        children.setdefault(parent, []).append(pid)
    doomed, family = [process.pid], [process.pid]
    while family:
        family = [child for pid in family for child in children.get(pid, [])]
        doomed += family
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return process.communicate()[0]


@pytest.fixture(scope="session")
def platform(checkout: Checkout, interrupted: list[str]) -> Checkout:
    """The platform, up: the third `ops up` had only to go on."""
    output = checkout.run("ops", "up")
    assert "The platform is up" in output
    return checkout
