"""Login keys and join tokens change under the real engine; nothing that runs is restarted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.runtime.private_keys import separate
from providers.swarm.errors import LockedOut
from providers.swarm.keypair import KeyPairOutputs
from providers.swarm.pool import Pool, SwarmConfig
from simulator import node_image
from tests.provider.swarm.engine_stack import Stack, made, service
from tests.provider.swarm.fleet import Fleet, Machine
from tests.provider.swarm.services.samples import load_image
from tests.support.checkout import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.slow]

PROGRAM = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.swarm import resources as swarm
wanted = json.loads(os.environ["WANTED"])
login = swarm.KeyPair("login", generation=wanted["login"])
nodes = wanted["nodes"]
if nodes:
    access = dict(
        managers=[dict(address=nodes[0]["address"], host_key=nodes[0]["host_key"])],
        user="ubuntu",
        private_key=login.private_key,
    )
    through = swarm.Provider("machines", **access)
    setups = [
        swarm.NodeSetup(f"{{node['name']}}-setup", node=node["name"], instance_id=node["name"],
            address=node["address"], host_key=node["host_key"], user="ubuntu",
            authorized_keys=[login.public_key],
            opts=pulumi.ResourceOptions(provider=through))
        for node in nodes
    ]
    founder = dict(address=nodes[0]["address"], host_key=nodes[0]["host_key"],
        advertise_address=nodes[0]["address"])
    cluster = swarm.Cluster("cluster", founder=founder, address_pools=["10.96.0.0/12"],
        token_generation=wanted["tokens"],
        opts=pulumi.ResourceOptions(provider=through, depends_on=setups))
    chain = []
    for node in nodes:
        chain = [swarm.Member(node["name"], node_name=node["name"], address=node["address"],
            host_key=node["host_key"], advertise_address=node["address"], instance_id=node["name"],
            role=node["role"], cluster_id=cluster.cluster_id, manager_token=cluster.manager_token,
            worker_token=cluster.worker_token,
            opts=pulumi.ResourceOptions(provider=through, depends_on=chain + setups,
                deleted_with=cluster))]
    provider = swarm.Provider("services", **access, cluster_id=cluster.cluster_id, cluster=cluster)
    swarm.Service("web", name="web", **wanted["service"],
        opts=pulumi.ResourceOptions(provider=provider, depends_on=chain))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = made(tmp_path, PROGRAM, [])
    stack.wanted = {"login": "", "tokens": "", "nodes": [], "service": service(replicas=2)}
    return stack


def recorded(stack: Stack, name: str) -> dict:
    """A resource's outputs in the state, after a run that failed, too."""
    state = json.loads(stack("stack", "export", "--show-secrets"))["deployment"]["resources"]
    found = next(one for one in state if one["urn"].endswith(f"::{name}"))["outputs"]
    return {key: _plain(value) for key, value in found.items()}


def _plain(value: object) -> object:
    if isinstance(value, dict) and "plaintext" in value:
        return json.loads(value["plaintext"])
    return value


def login(stack: Stack) -> KeyPairOutputs:
    found = recorded(stack, "login")
    return KeyPairOutputs(found["publicKey"], separate(found["privateKey"])[0])


def lets_in(machine: Machine, key: KeyPairOutputs) -> bool:
    async def knock() -> bool:
        pool = Pool(SwarmConfig(user="ubuntu", private_key=key.private_key))
        try:
            await pool.node(machine.address, machine.host_key).run("true")
        except LockedOut:
            return False
        finally:
            await pool.close()
        return True

    return asyncio.run(knock())


@pytest.fixture
def nodes(stack: Stack) -> Iterator[list[Machine]]:
    """Booted with the stack's own key, as a cloud does it."""
    stack.up()
    fleet = Fleet()
    fleet.login = login(stack)
    try:
        made = asyncio.run(fleet.start("karl", "lena"))
        load_image(node_image.ensure(lambda line: None), [node.container for node in made])
        yield made
    finally:
        fleet.close()


def test_keys_and_tokens_rotate_and_nothing_restarts(stack: Stack, nodes: list[Machine]) -> None:
    """One story, since machines take their time."""
    karl, lena = stack.nodes = nodes
    stack.wanted["nodes"] = [
        {"name": node.name, "address": node.address, "host_key": node.host_key, "role": role}
        for node, role in zip(nodes, ("manager", "worker"), strict=True)
    ]
    stack.up()
    stack.up("--expect-no-changes")
    containers = stack.containers("web")
    assert len(containers) == 2

    # Added, switched, removed, in one run.
    first = login(stack)
    stack.wanted["login"] = "2"
    previewed = json.loads(stack("preview", "--json"))["steps"]
    assert {step["op"] for step in previewed} <= {"same", "update", "refresh"}
    stack.up()
    second = login(stack)
    assert second.private_key != first.private_key
    for node in nodes:
        assert (lets_in(node, first), lets_in(node, second)) == (False, True)
    assert stack.containers("web") == containers
    stack.up("--expect-no-changes")

    # A node that is unreachable at a rotation is reported, and catches up two rotations later.
    stack.on_host(1, "systemctl", "stop", "ssh.socket", "ssh.service")
    stack.wanted["login"] = "3"
    said = stack.up(ok=False)
    assert f"{lena.address} can't be reached by ssh" in said
    third = login(stack)
    # Her failure may end the run before his turn comes: he lets one of our keys in either way.
    assert lets_in(karl, second) or lets_in(karl, third)
    stack.wanted["login"] = "4"
    stack.on_host(1, "systemctl", "start", "ssh.service")
    stack.up()
    fourth = login(stack)
    for node in nodes:
        known = [lets_in(node, key) for key in (first, second, third, fourth)]
        assert known == [False, False, False, True]
    assert stack.containers("web") == containers
    stack.up("--expect-no-changes")

    # The tokens that nodes joined with are worth nothing any more; the nodes stay.
    before = recorded(stack, "cluster")["workerToken"]
    stack.wanted["tokens"] = "2"
    stack.up()
    assert recorded(stack, "cluster")["workerToken"] != before
    assert stack.containers("web") == containers
    stack.up("--expect-no-changes")
