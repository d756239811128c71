"""No request within the body limit kills a replica under the limits that its container has."""

import asyncio

import httpx2
import pytest

from tests.support.docker import docker
from tests.support.polling import until
from tests.support.worst_bodies import HEADERS, SHAPES

pytestmark = [pytest.mark.containers, pytest.mark.slow]


async def test_the_worst_bodies_many_at_once_kill_no_replica(limited: list[tuple[str, str]]):
    """All servers at once: each has its own limits, and mostly waits for its share of a core."""
    await asyncio.gather(*(lives(*one) for one in limited))


async def lives(name: str, url: str) -> None:
    health = "{{.State.Health.Status}}"

    def seen(what: str) -> str:
        return docker("inspect", "-f", what, name)

    await asyncio.to_thread(until, lambda: seen(health), lambda s: s == "healthy", "healthy")
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(timeout=120, limits=limits) as http:

        async def send(body: bytes) -> int:
            return (await http.post(url, headers=HEADERS, content=body)).status_code

        for shape, body in SHAPES.items():
            answers = set(await asyncio.gather(*(send(body) for _ in range(48))))
            assert answers <= {200, 400, 413, 503}, f"{url}: {shape}"
        # Nor do all of them together.
        answers = set(
            await asyncio.gather(*(send(body) for body in SHAPES.values() for _ in range(8)))
        )
        assert answers <= {200, 400, 413, 503}, url
        listed = await http.post(
            url, headers=HEADERS, content=b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
        )
    assert listed.status_code == 200, url
    assert seen("{{.State.OOMKilled}} {{.State.Running}} " + health) == "false true healthy", url
