"""The state of each server, in /metrics."""

from sophia_backend.watched import STATUSES
from sophia_mcp.errors import DependencyError

from tests.support.polling import eventually

from .conftest import World


async def test_one_state_of_each_server_is_1(world: World):
    ready = True

    async def check() -> None:
        if not ready:
            raise DependencyError("the database is away")

    toy, other = await world.server("toy", check=check), await world.server("other")
    backend = await world.backend(toy=toy, other=other)

    async def look() -> dict[str, str]:
        lines = (await backend.get("/metrics")).text.splitlines()
        found = [line.split('"') for line in lines if line.startswith("mcp_server_status{")]
        assert len(found) == 2 * len(STATUSES)
        return {one[1]: one[3] for one in found if one[-1] == "} 1.0"}

    await eventually(look, lambda seen: seen == {"toy": "ok", "other": "ok"}, "both are ok")

    async def replicas() -> set[str]:
        lines = (await backend.get("/metrics")).text.splitlines()
        counted = [line for line in lines if line.startswith("mcp_server_replicas{")]
        assert len(counted) == 2 * len(STATUSES)
        return {line for line in counted if not line.endswith(" 0.0")}

    ready = False
    wanted = {"toy": "degraded", "other": "ok"}
    await eventually(look, lambda seen: seen == wanted, "one of them is degraded")
    assert await replicas() == {
        'mcp_server_replicas{server="toy",status="degraded"} 1.0',
        'mcp_server_replicas{server="other",status="ok"} 1.0',
    }
