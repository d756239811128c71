"""Real nodes for the swarm provider's tests; any test that asks for them needs Docker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from providers.runtime.declare import Context
from providers.swarm.pool import Pool
from simulator import node_image
from tests.provider.swarm.engine_stack import PROGRAM, Stack, made, service
from tests.provider.swarm.fleet import Fleet, Formed, form, make_context
from tests.provider.swarm.services.samples import load_image


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    node_image.ensure(print)
    fleet = Fleet()
    try:
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(scope="module")
def formed(fleet: Fleet) -> Iterator[Formed]:
    """Three managers. Shared by a module's tests: don't break them. They end with the module, since
    a machine holds only so many nodes: each takes 8 of 128 inotify instances."""

    async def run() -> Formed:
        nodes = await fleet.start("anna", "bert", "cleo")
        pool = Pool(fleet.config(*nodes))
        try:
            outputs, ids = await form(pool, nodes)
        finally:
            await pool.close()
        config = fleet.config(*nodes, cluster_id=outputs.cluster_id)
        return Formed(fleet, nodes, config, outputs.cluster_id, ids)

    formed = asyncio.run(run())
    yield formed
    fleet.remove(*formed.machines)


@pytest.fixture
async def pool(formed: Formed) -> AsyncIterator[Pool]:
    """A pool of this test's own on the shared cluster."""
    pool = Pool(formed.config)
    yield pool
    await pool.close()


@pytest.fixture
def context() -> Context:
    return make_context()


@pytest.fixture
async def stack(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Stack]:
    nodes = await fleet.start("emma", "fritz")
    load_image(node_image.ensure(lambda line: None), [node.container for node in nodes])
    stack = made(tmp_path, PROGRAM, nodes)
    roles = ("manager", "worker")
    stack.wanted = {
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "host_key": node.host_key,
                "role": role,
            }
            for node, role in zip(nodes, roles, strict=True)
        ],
        "private_key": fleet.login.private_key,
        "group": "",
        "services": {"web": service(replicas=2), "tool": service()},
        "jobs": {},
    }
    yield stack
    fleet.remove(*nodes)
