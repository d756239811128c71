"""Real nodes for the swarm provider's tests; any test that asks for them needs Docker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from providers.runtime.declare import Context
from providers.swarm.connection import Pool
from simulator import machines
from tests.provider.swarm.fleet import Fleet, Formed, form, make_context


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    machines.ensure_image(print)
    fleet = Fleet()
    try:
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(scope="session")
def formed(fleet: Fleet) -> Formed:
    """Three managers. Shared by all tests: don't harm its nodes."""

    async def run() -> Formed:
        nodes = await fleet.start("anna", "bert", "cleo")
        pool = Pool(fleet.config(*nodes))
        try:
            outputs, ids = await form(pool, nodes)
        finally:
            await pool.close()
        config = fleet.config(*nodes, cluster_id=outputs.cluster_id)
        return Formed(fleet, nodes, config, outputs.cluster_id, ids)

    return asyncio.run(run())


@pytest.fixture
async def pool(formed: Formed) -> AsyncIterator[Pool]:
    """A pool of this test's own on the shared cluster."""
    pool = Pool(formed.config)
    yield pool
    await pool.close()


@pytest.fixture
def context() -> Context:
    return make_context()
