import asyncio

from sophia_mcp import health as health_module
from sophia_mcp.errors import DependencyError, NotConfigured
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


async def test_a_missing_credential_is_a_state_in_which_it_serves():
    async def check() -> None:
        raise NotConfigured("Slack", ("SLACK_BOT_TOKEN",))

    status, body = await Health("toy", "replica-1", check).report()
    assert (status, body["status"]) == (200, "not_configured")
    assert "SLACK_BOT_TOKEN is not set" in body["problem"]


async def test_a_check_that_breaks_is_a_reason_that_tells_nothing_from_inside(caplog, monkeypatch):
    monkeypatch.setattr(health_module, "_CHECK_KEPT_SECONDS", 0)

    async def check() -> None:
        raise ValueError("postgres://u:hidden@h")

    health = Health("toy", "replica-1", check)
    for _ in range(3):
        status, body = await health.report()
    assert (status, body["status"]) == (503, "starting")
    assert body["problem"] == "the check failed: ValueError"
    assert len(caplog.records) == 1
