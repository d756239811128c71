import asyncio

from sophia_mcp import health as health_module
from sophia_mcp.errors import DependencyError
from sophia_mcp.health import Health


class Dependency:
    def __init__(self) -> None:
        self.asked = 0
        self.problem: str | None = None

    async def check(self) -> None:
        self.asked += 1
        if self.problem:
            raise DependencyError(self.problem)


async def test_without_a_dependency_it_is_ok():
    status, body = await Health("toy", "replica-1").report()
    assert (status, body) == (200, {"status": "ok", "server": "toy", "replica": "replica-1"})


async def test_starting_then_ok_then_degraded_then_draining(monkeypatch):
    monkeypatch.setattr(health_module, "_CHECK_KEPT_SECONDS", 0)
    dependency = Dependency()
    health = Health("toy", "replica-1", dependency.check)
    dependency.problem = "database: away"
    status, body = await health.report()
    assert (status, body["status"], body["problem"]) == (503, "starting", "database: away")
    dependency.problem = None
    assert (await health.report())[0] == 200
    dependency.problem = "database: gone"
    status, body = await health.report()
    assert (status, body["status"], body["problem"]) == (200, "degraded", "database: gone")
    health.draining = True
    status, body = await health.report()
    assert (status, body["status"]) == (503, "draining")


async def test_many_askers_are_one_question():
    dependency = Dependency()
    health = Health("toy", "replica-1", dependency.check)
    await asyncio.gather(*(health.report() for _ in range(50)))
    assert dependency.asked == 1


async def test_a_dependency_that_hangs_counts_as_gone(monkeypatch):
    monkeypatch.setattr(health_module, "_CHECK_SECONDS", 0.05)

    async def hang() -> None:
        await asyncio.Event().wait()

    status, body = await Health("toy", "replica-1", hang).report()
    assert (status, body["problem"]) == (503, "no answer within 0.05 s")
