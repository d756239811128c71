"""`ops down` removes everything, whatever it finds. These tests wait for a booting node at most."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import cloud
from tests.support import docker
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.killing import killed_up

pytestmark = [pytest.mark.containers, pytest.mark.slow]


def processes(checkout: Checkout) -> list[str]:
    """The living processes that name the checkout's state folder."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(checkout.home) in line]


def damage_the_state(checkout: Checkout) -> None:
    """Cuts the stack's state in half, and the simulator's."""
    (state,) = (checkout.home / "pulumi").rglob("stacks/sophia/dev.json")
    for path in (state, checkout.home / "simulator" / "state.json"):
        path.write_text(path.read_text()[: path.stat().st_size // 2])


def lose_the_power(checkout: Checkout) -> None:
    """As after a reboot: no process of ours runs, and the containers exist but are stopped."""
    for line in processes(checkout):
        os.kill(int(line.split()[0]), signal.SIGKILL)
    containers = docker.left_overs(checkout.home)["containers"]
    docker.docker("kill", *containers, ok=False)  # some may not run yet


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = copy_of_the_tree(tmp_path)
    yield checkout
    cloud.down(checkout.home / "simulator", print)


@pytest.mark.parametrize("misfortune", [damage_the_state, lose_the_power])
def test_down_after_a_half_finished_up(checkout, misfortune):
    killed_up(checkout, docker.nodes)
    misfortune(checkout)
    checkout.run("ops", "down", seconds=300)
    assert docker.left_overs(checkout.home) == {"containers": [], "volumes": [], "networks": []}
    assert processes(checkout) == []
    assert list((checkout.home / "pulumi").rglob("*dev*")) == []
