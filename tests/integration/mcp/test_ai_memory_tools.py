"""ai_memory's tools on a real Postgres, in two containers and in this process."""

import asyncio
import random
from uuid import uuid4

import psycopg
import pytest
import yaml
from fastmcp import Client as FastClient
from mcp import Client
from sophia_mcp.settings import Settings, read_settings

from mcp_catalog.ai_memory.server import build
from tests.support.docker import docker
from tests.support.mcp_process import ROOT
from tests.support.polling import eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow]


@pytest.fixture
def user() -> str:
    """Memories that no other test uses."""
    return f"user-{uuid4()}"


def settings(url: str, **environment: str) -> Settings:
    """As server.yaml gives them."""
    described = yaml.safe_load((ROOT / "mcp_catalog" / "ai_memory" / "server.yaml").read_text())
    given = described["run"]["env"] | {"MEMORY_DATABASE_URL": url} | environment
    return read_settings("ai_memory", given)


@pytest.fixture
async def memory(postgres):
    """A client of a server in this process, on the containers' database once it is ready."""
    server = build(settings(postgres.url))
    ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        # One task opens and closes the client, as its task groups want; a fixture has two.
        async with Client(server) as client:
            await eventually(
                lambda: client.call_tool("get_memory_stats", {}),
                lambda result: not result.is_error,
                "the schema ready",
            )
            ready.set_result(client)
            await done.wait()

    holding = asyncio.create_task(hold())
    await asyncio.wait([ready, holding], return_when=asyncio.FIRST_COMPLETED)
    yield ready.result() if ready.done() else holding.result()
    done.set()
    await holding


async def ok(client: Client, tool: str, **arguments: object) -> dict:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


async def found(client: Client, query: str, **arguments: object) -> list[str]:
    hits = (await ok(client, "search_memories", query=query, **arguments))["hits"]
    assert [hit["score"] for hit in hits] == sorted((h["score"] for h in hits), reverse=True)
    return [hit["memory"]["content"] for hit in hits]


def test_two_replicas_that_start_at_once_make_one_schema(replicas, postgres):
    with psycopg.connect(postgres.url) as connection:
        steps = connection.execute("SELECT step FROM schema_steps ORDER BY step").fetchall()
        extensions = connection.execute("SELECT extname FROM pg_extension").fetchall()
    assert steps == [(number + 1,) for number in range(len(steps))]
    assert steps
    assert {("pg_trgm",), ("vector",)} <= set(extensions)
    for replica in replicas:
        logs = docker("logs", replica.name)
        assert '"message": "the database is ready"' in logs
        assert '"level": "error"' not in logs


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_what_one_replica_stores_the_other_finds(replicas, user: str, mode: str):
    first, second = replicas
    async with Client(first.url, mode=mode) as one, Client(second.url, mode=mode) as other:
        stored = await ok(one, "store_memory", content="The platform runs on Swarm", user_id=user)
        assert await found(other, "platform", user_id=user) == ["The platform runs on Swarm"]
        got = await ok(other, "get_memory", memory_id=stored["memory"]["id"])
        assert got == stored["memory"]


async def test_a_client_by_others_stores_and_finds(replicas, user: str):
    async with FastClient(replicas[0].url) as client:
        await client.call_tool("store_memory", {"content": "Others call too", "user_id": user})
        result = await client.call_tool("search_memories", {"query": "call", "user_id": user})
    assert result.structured_content["hits"][0]["memory"]["content"] == "Others call too"


async def test_a_memory_from_store_to_delete(memory: Client, user: str):
    stored = await ok(
        memory, "store_memory", content="Likes tea", user_id=user, agent_id="planner",
        run_id="run-1", tags=["drink", "drink", "habit"], metadata={"source": {"page": 3}},
    )  # fmt: skip
    first = stored["memory"]
    assert stored["created"]
    assert (first["tags"], first["metadata"]) == (["drink", "habit"], {"source": {"page": 3}})
    changed = await ok(memory, "update_memory", memory_id=first["id"], content="Likes coffee")
    assert (changed["content"], changed["tags"]) == ("Likes coffee", ["drink", "habit"])
    assert changed["created_at"] == first["created_at"]
    assert changed["updated_at"] > first["updated_at"]
    assert await found(memory, "coffee", user_id=user) == ["Likes coffee"]
    assert await found(memory, "tea", user_id=user) == []
    assert await ok(memory, "delete_memory", memory_id=first["id"]) == {"deleted": 1}
    for tool in ("get_memory", "delete_memory"):
        gone = await memory.call_tool(tool, {"memory_id": first["id"]})
        assert gone.is_error
        assert "there is none with this id" in gone.content[0].text


async def test_storing_again_keeps_one(memory: Client, user: str):
    answers = await asyncio.gather(
        *(
            ok(memory, "store_memory", content="Once", user_id=user, tags=[f"t{number}"])
            for number in range(8)
        )
    )
    assert sum(answer["created"] for answer in answers) == 1
    assert len({answer["memory"]["id"] for answer in answers}) == 1
    page = await ok(memory, "get_memories", user_id=user)
    assert page["memories"][0]["tags"] == [f"t{number}" for number in range(8)]
    other = await ok(memory, "store_memory", content="Once", user_id=user, agent_id="another")
    assert other["created"]


async def test_a_change_that_would_make_a_double_is_refused(memory: Client, user: str):
    await ok(memory, "store_memory", content="One", user_id=user)
    two = await ok(memory, "store_memory", content="Two", user_id=user)
    result = await memory.call_tool(
        "update_memory", {"memory_id": two["memory"]["id"], "content": "One"}
    )
    assert result.is_error
    assert "already has this content" in result.content[0].text


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("coffees", "Alice drinks strong coffee every morning"),
        ("what does alice drink?", "Alice drinks strong coffee every morning"),
        ("COFFEE morning", "Alice drinks strong coffee every morning"),
        ("münchen", "Bob wohnt in München und trinkt Tee"),
        ("東京", "東京 に住んでいます"),
        ("cofee", "Alice drinks strong coffee every morning"),
        ("deploying", "The deploy of 2026-11-20 failed: out of memory"),
    ],
)
async def test_search_finds_stems_questions_languages_and_typos(
    memory: Client, user: str, query: str, first: str
):
    for content in (
        "Alice drinks strong coffee every morning",
        "Bob wohnt in München und trinkt Tee",
        "東京 に住んでいます",
        "The deploy of 2026-11-20 failed: out of memory",
    ):
        await ok(memory, "store_memory", content=content, user_id=user)
    assert (await found(memory, query, user_id=user))[:1] == [first]


async def test_all_words_rank_above_some(memory: Client, user: str):
    for content in ("red apples red red red", "red car", "a car that is blue"):
        await ok(memory, "store_memory", content=content, user_id=user)
    assert (await found(memory, "red car", user_id=user))[0] == "red car"
    assert await found(memory, "elephant", user_id=user) == []


async def test_scope_and_tags_narrow_search_and_list(memory: Client, user: str):
    for agent, tags in (("a", ["x"]), ("b", ["x", "y"]), ("b", ["y"])):
        content = f"fact of {agent} {tags}"
        await ok(memory, "store_memory", content=content, user_id=user, agent_id=agent, tags=tags)
    scope = {"user_id": user, "agent_id": "b", "tags": ["x"]}
    assert await found(memory, "fact", **scope) == ["fact of b ['x', 'y']"]
    listed = (await ok(memory, "get_memories", **scope))["memories"]
    assert [entry["content"] for entry in listed] == ["fact of b ['x', 'y']"]


async def test_pages_hold_each_memory_once_newest_first(memory: Client, user: str):
    for number in range(7):
        await ok(memory, "store_memory", content=f"number {number}", user_id=user)
    contents, cursor = [], None
    for _ in range(4):
        page = await ok(memory, "get_memories", user_id=user, limit=2, cursor=cursor)
        contents += [entry["content"] for entry in page["memories"]]
        cursor = page["next_cursor"]
    assert contents == [f"number {number}" for number in reversed(range(7))]
    assert cursor is None


async def test_entities_and_stats_count(memory: Client, user: str):
    await ok(memory, "store_memory", content="ää", user_id=user, agent_id=user, tags=["t"])
    await ok(memory, "store_memory", content="b", user_id=user, run_id=user, tags=["t", "u"])
    stats = await ok(memory, "get_memory_stats", user_id=user)
    counts = ("memories", "users", "agents", "runs", "content_bytes")
    assert [stats[key] for key in counts] == [2, 1, 1, 1, 5]
    assert stats["top_tags"] == [{"tag": "t", "memories": 2}, {"tag": "u", "memories": 1}]
    counted, cursor = {}, None
    while True:
        page = await ok(memory, "list_entities", limit=1, cursor=cursor)
        counted |= {(e["kind"], e["id"]): e["memories"] for e in page["entities"]}
        if (cursor := page["next_cursor"]) is None:
            break
    assert [counted[kind, user] for kind in ("user", "agent", "run")] == [2, 1, 1]
    assert {kind for kind, _ in counted} == {"user", "agent", "run"}
    only = await ok(memory, "list_entities", kind="run")
    assert {entity["kind"] for entity in only["entities"]} == {"run"}


async def test_deleting_all_takes_only_the_scope(memory: Client, user: str):
    for agent in ("a", "b"):
        await ok(memory, "store_memory", content="same", user_id=user, agent_id=agent)
    deleted = await ok(memory, "delete_all_memories", user_id=user, agent_id="a")
    assert deleted == {"deleted": 1}
    left = (await ok(memory, "get_memories", user_id=user))["memories"]
    assert [entry["agent_id"] for entry in left] == ["b"]


async def test_no_query_breaks_the_search(memory: Client, user: str):
    alphabet = "a& |!()<->:*'\"\\%_$:/.-?=@#\t\n éß東🙂\u200d" + "the"
    choose = random.Random(7)
    queries = ["".join(choose.choices(alphabet, k=choose.randint(1, 60))) for _ in range(300)]
    queries += ["the", "who's", "http://x.example/a?b=1&c=2 a@b.example foo-bar", "%s %(query)s"]
    await ok(memory, "store_memory", content=" ".join(queries)[:20_000], user_id=user)
    for query in queries:
        await found(memory, query, user_id=user)


async def test_long_memories_come_cut_in_pages_that_a_model_can_take_in(memory: Client, user: str):
    for number in range(30):
        content = f"long {number} " + "\u2603" * 15_000
        await ok(memory, "store_memory", content=content, user_id=user)
    seen, cursor = [], None
    while True:
        page = await ok(memory, "get_memories", user_id=user, limit=30, cursor=cursor)
        seen += page["memories"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert [entry["content"] for entry in seen] == [
        f"long {n} ".ljust(2_000, "\u2603") for n in reversed(range(30))
    ]
    assert all(entry["truncated"] for entry in seen)
    whole = await ok(memory, "get_memory", memory_id=seen[0]["id"])
    assert (len(whole["content"]), whole["truncated"]) == (15_008, False)
    found = await ok(memory, "search_memories", query="long", user_id=user, limit=30)
    assert found["more"]
    assert 0 < len(found["hits"]) < 30


async def test_content_comes_back_as_it_was(memory: Client, user: str):
    content = "line\r\n\ttab 'quote' \"double\" \\back\\ %s {x} 🙂 \u202e <b>" + "long" * 4_000
    stored = await ok(
        memory, "store_memory", content=content, user_id=user, metadata={"k": content[:500]}
    )
    assert stored["memory"]["content"] == content[:2_000]
    got = await ok(memory, "get_memory", memory_id=stored["memory"]["id"])
    assert (got["content"], got["metadata"]) == (content, {"k": content[:500]})
