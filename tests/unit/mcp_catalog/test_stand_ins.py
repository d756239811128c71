"""Every tool of every server against a stand-in for its service, in good and in bad moments."""

import asyncio
import dataclasses
import importlib
import json
import logging
import time
from typing import Any

import jsonschema
import pytest
import yaml
from mcp_types import Tool as ListedTool
from sophia_mcp.upstream import client, retry

from tests.support import upstream as replies
from tests.support.mcp_process import ROOT
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Service

pytestmark = pytest.mark.slow

WITHOUT = {"ai_memory": "a database", "postgres": "databases"}
"""Servers without an HTTP service, and what they use instead."""

FOLDERS = sorted(path.parent for path in (ROOT / "mcp_catalog").glob("*/server.yaml"))


def stand_ins() -> list[StandIn]:
    names = [folder.name for folder in FOLDERS if folder.name not in WITHOUT]
    return [importlib.import_module(f"mcp_catalog.{name}.test_server").STAND_IN for name in names]


STAND_INS = stand_ins()
every = pytest.mark.parametrize("one", STAND_INS, ids=lambda one: one.server)

FAULTS: dict[str, Reply] = {
    "401": replies.refused(401, {"message": "bad credentials"}),
    "403": replies.refused(403, {"message": "not allowed"}),
    "404": replies.refused(404, {"message": "no such thing"}),
    "409": replies.refused(409, {"message": "conflict"}),
    "429 with Retry-After": replies.refused(429, {"message": "slow down"}, Retry_After="0"),
    "429 without": replies.refused(429, {"message": "slow down"}),
    "500": replies.refused(500, {"message": "a fault"}),
    "web page": replies.page("Sign in"),
    "slow": Reply(200, b"{}", {"Content-Type": "application/json"}, delay=1.0),
    "hanging": replies.hanging(),
    "malformed": replies.malformed(),
    "not JSON": Reply(200, b'{"half": ', {"Content-Type": "application/json"}),
    "another shape": replies.ok([1, "two", None]),
    "empty": Reply(200, b"", {"Content-Type": "application/json"}),
    "huge": replies.huge(3_000_000),
    "reset": replies.reset(),
    "silent": replies.silent(),
    "never ending": replies.trickling(),
}
PASSING = ("429 with Retry-After", "429 without", "500", "slow", "malformed", "reset", "silent")
"""Failures that a second try overcomes, if a retry is safe."""
DEADLINE_S = 1.5


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a tenth, no pauses, no pace."""
    monkeypatch.setattr(retry, "_FIRST_S", 0.01)
    original = client.Upstream.__init__

    def shorter(self: client.Upstream, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._limits = dataclasses.replace(
            self._limits,
            deadline_s=DEADLINE_S,
            read_s=0.4,
            per_second=None,
            answer_bytes=2_000_000,
        )

    monkeypatch.setattr(client.Upstream, "__init__", shorter)


def test_every_server_on_a_service_has_a_stand_in():
    for folder in FOLDERS:
        described = yaml.safe_load((folder / "server.yaml").read_text()).get("config", {})
        names = {one["name"] for one in described.get("env", [])}
        addresses = {name for name in names if name.endswith(("_API_URL", "_BASE_URL"))}
        assert bool(addresses) is (folder.name not in WITHOUT), folder.name


@every
async def test_every_tool_answers_as_its_schema_says(one: StandIn):
    with one.serving() as service:
        async with one.connected(service) as tools:
            listed = await tools.listed()
            calls = {**one.calls, **one.alone}
            assert set(calls) == set(listed), "a call of each tool"
            for name, arguments in calls.items():
                given = await tools.ok(name, **arguments)
                schema = listed[name].output_schema
                assert schema is not None, name
                jsonschema.validate(given, schema)
                shown(one, json.dumps(given))
    assert service.asked, "it asked its service"


def shown(one: StandIn, text: str) -> None:
    """Fails for a text that holds a credential."""
    described = yaml.safe_load((ROOT / "mcp_catalog" / one.server / "server.yaml").read_text())
    secret = {secret["env"] for secret in described.get("config", {}).get("secrets", [])}
    for value in (*(one.settings[name] for name in secret & one.settings.keys()), *one.hidden):
        assert value not in text


@every
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_of_the_service_is_a_crash_a_hang_or_a_second_write(
    one: StandIn, fault: str, caplog: pytest.LogCaptureFixture
):
    """It lasts: a clear error within the deadline, and unrepeatable requests were sent once."""
    caplog.set_level(logging.DEBUG)
    listed = await kinds(one)
    names = chosen(one, listed, fault)
    met = await asyncio.gather(*(meet(one, name, FAULTS[fault]) for name in names))
    for name, (said, took, service) in zip(names, met, strict=True):
        assert "internal error" not in said, f"{name}: {said}"
        assert took < DEADLINE_S + 2, f"{name}: {took:.1f} s"
        assert len(said) < 2_000, name
        assert is_repeatable(listed[name]) or not sent_again(service), name
        shown(one, said + caplog.text)


async def meet(one: StandIn, tool: str, fault: Reply) -> tuple[str, float, Service]:
    """A call's error if its service has only this fault, its seconds, and the service."""
    with one.serving() as service:
        service.answer = lambda _: fault  # type: ignore[method-assign]
        async with one.connected(service) as tools:
            started = time.monotonic()
            said = await asyncio.wait_for(tools.error(tool, **one.calls[tool]), 10)
            return said, time.monotonic() - started, service


@every
@pytest.mark.parametrize("fault", PASSING)
async def test_a_read_outlives_a_fault_that_passes(one: StandIn, fault: str):
    listed = await kinds(one)
    name = chosen(one, listed, fault)[0]
    if not is_read(listed[name]):
        pytest.skip(f"no tool of {one.server} that reads asks its service")
    with one.serving() as service:
        service.queue.append(FAULTS[fault])
        async with one.connected(service) as tools:
            await tools.ok(name, **one.calls[name])


LISTED: dict[str, dict[str, ListedTool]] = {}


async def kinds(one: StandIn) -> dict[str, ListedTool]:
    if one.server not in LISTED:
        with one.serving() as service:
            async with one.connected(service) as tools:
                LISTED[one.server] = await tools.listed()
    return LISTED[one.server]


def is_read(tool: ListedTool) -> bool:
    assert tool.annotations is not None
    return bool(tool.annotations.read_only_hint)


def is_repeatable(tool: ListedTool) -> bool:
    assert tool.annotations is not None
    return is_read(tool) or bool(tool.annotations.idempotent_hint)


def chosen(one: StandIn, listed: dict[str, ListedTool], fault: str) -> list[str]:
    """A tool that reads, and one that writes if there is any: another one for each fault."""
    turn = list(FAULTS).index(fault)
    asking = [name for name in one.calls if name in listed]
    reading = [name for name in asking if is_read(listed[name])]
    writing = [name for name in asking if not is_read(listed[name])]
    return [names[turn % len(names)] for names in (reading, writing) if names]


def sent_again(service: Service) -> list[str]:
    """Requests that change something and were made more than once."""
    seen: set[str] = set()
    again = []
    for asked in service.asked:
        body = asked.body if isinstance(asked.body, dict) else {}
        query = str(body.get("query", "mutation")).lstrip()
        if asked.method in ("GET", "HEAD") or not query.startswith("mutation"):
            continue
        key = f"{asked.method} {asked.path} {json.dumps(asked.body, sort_keys=True)}"
        again += [key] if key in seen else []
        seen.add(key)
    return again
