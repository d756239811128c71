"""No request within the body limit kills a replica under the limits that its container has."""

import asyncio

import httpx2
import pytest

from tests.support.docker import docker
from tests.support.polling import until
from tests.support.worst_bodies import HEADERS, SHAPES

pytestmark = [pytest.mark.containers, pytest.mark.slow]


async def test_the_worst_bodies_many_at_once_kill_no_replica(limited: tuple[str, str]):
    name, url = limited
    health = "{{.State.Health.Status}}"
    until(lambda: docker("inspect", "-f", health, name), lambda s: s == "healthy", "healthy")
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(timeout=120, limits=limits) as http:

        async def send(body: bytes) -> int:
            return (await http.post(url, headers=HEADERS, content=body)).status_code

        for shape, body in SHAPES.items():
            seen = set(await asyncio.gather(*(send(body) for _ in range(48))))
            assert seen <= {200, 400, 413, 503}, shape
        # Nor do all of them together.
        seen = set(
            await asyncio.gather(*(send(body) for body in SHAPES.values() for _ in range(8)))
        )
        assert seen <= {200, 400, 413, 503}
        listed = await http.post(
            url, headers=HEADERS, content=b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
        )
    assert listed.status_code == 200
    state = docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.Running}} " + health, name)
    assert state == "false true healthy"
