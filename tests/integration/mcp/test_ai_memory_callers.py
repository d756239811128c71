"""MEMORY_SCOPE_FROM_CALLER over real HTTP: callers see and change only their own memories."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import yaml
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support import mcp_process, upstream
from tests.support.embedder import PATH, answers
from tests.support.mcp_process import ROOT, Replica
from tests.support.polling import until
from tests.support.tool_calls import Tools

pytestmark = [pytest.mark.containers, pytest.mark.slow]


@pytest.fixture
def replica(postgres, tmp_path: Path, scoped: str, meaning: dict[str, str]) -> Iterator[Replica]:
    """The server as a process, on the containers' database."""
    described = yaml.safe_load((ROOT / "mcp_catalog" / "ai_memory" / "server.yaml").read_text())
    environment = described["run"]["env"] | {
        "MEMORY_DATABASE_URL": postgres.url,
        "MEMORY_SCOPE_FROM_CALLER": scoped,
        **meaning,
    }
    command = ["-m", "sophia_mcp", "ai_memory"]
    with mcp_process.running(command, tmp_path / "log", environment, (ROOT,)) as running:
        until(running.health, lambda seen: seen[0] == 200, "healthy")
        yield running


@pytest.fixture
def scoped() -> str:
    return "true"


@pytest.fixture
def meaning(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A service for embeddings, for tests that ask for one."""
    if not getattr(request, "param", False):
        yield {}
        return
    with upstream.serving() as service:
        service.routes[PATH] = answers()
        yield {"EMBEDDINGS_URL": f"{service.url}/v1"}


@asynccontextmanager
async def calling(replica: Replica, name: str | None, mode: str = "auto") -> AsyncIterator[Tools]:
    """The tools as the gateway hands a caller's calls on."""
    headers = {"X-Sophia-Caller": name} if name else {}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(replica.url, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield Tools(client)


@pytest.fixture
def names() -> tuple[str, str]:
    """Two callers that no other test uses."""
    return f"alice-{uuid4().hex[:8]}", f"bob-{uuid4().hex[:8]}"


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_caller_sees_only_its_own_whatever_it_names(
    replica: Replica, names: tuple[str, str], mode: str
):
    one, other = names
    async with calling(replica, one, mode) as alice, calling(replica, other, mode) as bob:
        for user_id in ({}, {"user_id": one}, {"user_id": other}, {"user_id": "anybody"}):
            stored = await alice.ok("store_memory", content="alice likes tea", **user_id)
            assert stored["memory"]["user_id"] == one
            assert stored["created"] is (user_id == {})
            for tools, seen in ((alice, ["alice likes tea"]), (bob, [])):
                listed = await tools.ok("get_memories", **user_id)
                assert [entry["content"] for entry in listed["memories"]] == seen
                found = await tools.ok("search_memories", query="tea", **user_id)
                assert [hit["memory"]["content"] for hit in found["hits"]] == seen
                assert (await tools.ok("get_memory_stats", **user_id))["memories"] == len(seen)
        assert (await bob.ok("store_memory", content="alice likes tea"))["created"]
        for name, tools in ((one, alice), (other, bob)):
            entities = (await tools.ok("list_entities"))["entities"]
            assert [(entity["kind"], entity["id"]) for entity in entities] == [("user", name)]


@pytest.mark.parametrize("meaning", [True], indirect=True)
async def test_nor_does_it_find_anothers_by_meaning(replica: Replica, names: tuple[str, str]):
    one, other = names
    async with calling(replica, one) as alice, calling(replica, other) as bob:
        assert (await alice.ok("store_memory", content="alice sells an automobile"))["embedded"]
        for user_id in ({}, {"user_id": one}):
            found = await bob.ok("search_memories", query="car", **user_id)
            assert (found["mode"], found["hits"]) == ("hybrid", [])
        await bob.ok("store_memory", content="bob has cars")
        for tools, seen in ((alice, "alice sells an automobile"), (bob, "bob has cars")):
            found = await tools.ok("search_memories", query="car")
            assert [hit["memory"]["content"] for hit in found["hits"]] == [seen]


async def test_an_id_of_anothers_memory_is_not_found(replica: Replica, names: tuple[str, str]):
    one, other = names
    async with calling(replica, one) as alice, calling(replica, other) as bob:
        kept = (await alice.ok("store_memory", content="mine", tags=["a"]))["memory"]
        for tool, arguments in (
            ("get_memory", {}),
            ("update_memory", {"content": "bob's"}),
            ("delete_memory", {}),
        ):
            said = await bob.error(tool, memory_id=kept["id"], **arguments)
            assert "there is none with this id" in said
        assert (await alice.ok("get_memory", memory_id=kept["id"])) == kept
        await alice.ok("update_memory", memory_id=kept["id"], content="still mine")
        assert await alice.ok("delete_memory", memory_id=kept["id"]) == {"deleted": 1}


async def test_deleting_all_deletes_only_ones_own(replica: Replica, names: tuple[str, str]):
    one, other = names
    async with calling(replica, one) as alice, calling(replica, other) as bob:
        for tools in (alice, bob):
            for agent in ("a", "b"):
                await tools.ok("store_memory", content="a fact", agent_id=agent)
        said = await bob.error("delete_all_memories", user_id=one)
        assert f"expected '{other}'" in said
        assert await bob.ok("delete_all_memories", agent_id="a") == {"deleted": 1}
        assert await bob.ok("delete_all_memories", user_id=other) == {"deleted": 1}
        assert len((await alice.ok("get_memories"))["memories"]) == 2


async def test_a_call_that_names_no_caller_is_refused(replica: Replica):
    async with calling(replica, None) as nobody:
        for tool, arguments in (
            ("store_memory", {"content": "x"}),
            ("search_memories", {"query": "x"}),
            ("get_memory", {"memory_id": str(uuid4())}),
            ("get_memories", {}),
            ("update_memory", {"memory_id": str(uuid4()), "content": "x"}),
            ("delete_memory", {"memory_id": str(uuid4())}),
            ("delete_all_memories", {"agent_id": "a"}),
            ("get_memory_stats", {}),
            ("list_entities", {}),
        ):
            assert "was not told who calls" in await nobody.error(tool, **arguments)


@pytest.mark.parametrize("scoped", ["false"])
async def test_without_it_all_callers_share_all_memories(replica: Replica, names: tuple[str, str]):
    one, other = names
    async with calling(replica, one) as alice, calling(replica, other) as bob:
        kept = (await alice.ok("store_memory", content="shared", user_id=one))["memory"]
        assert await bob.ok("get_memory", memory_id=kept["id"]) == kept
        assert len((await bob.ok("get_memories", user_id=one))["memories"]) == 1
