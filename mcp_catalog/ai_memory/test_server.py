"""What of ai_memory needs no database: limits, cursors, and what it says while there is none."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError
from psycopg import Error, OperationalError, errors
from pydantic import TypeAdapter
from sophia_mcp.errors import DependencyError, NotConfigured, SettingError, Unusable
from sophia_mcp.metrics import Metrics
from sophia_mcp.policy import reads
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from mcp_catalog.ai_memory import cursors, problems
from mcp_catalog.ai_memory.embeddings import Embeddings, Vector, read_embeddings
from mcp_catalog.ai_memory.models import Content, Memory, Metadata
from mcp_catalog.ai_memory.scope import Scope
from mcp_catalog.ai_memory.server import build
from tests.support.mcp_process import free_port
from tests.support.polling import eventually
from tests.support.tool_calls import tools_of
from tests.support.upstream import Reply, Service, ok, serving

TOOLS = {
    "store_memory", "search_memories", "get_memory", "get_memories", "update_memory",
    "delete_memory", "delete_all_memories", "get_memory_stats", "list_entities",
}  # fmt: skip


@pytest.fixture
def server() -> Server:
    """On an address where no Postgres is."""
    url = f"postgresql://memory:hidden-password@127.0.0.1:{free_port()}/memory"
    described = yaml.safe_load(Path(__file__).with_name("server.yaml").read_text())
    return build(
        read_settings("ai_memory", {**described["run"]["env"], "MEMORY_DATABASE_URL": url})
    )


async def test_every_tool_has_a_schema_for_what_it_gives(server: Server):
    async with tools_of(server) as tools:
        listed = await tools.listed()
    assert set(listed) == TOOLS
    assert all(tool.output_schema and tool.description for tool in listed.values())
    hints = {name: tool.annotations for name, tool in listed.items()}
    destroying = {name for name, hint in hints.items() if hint and hint.destructive_hint}
    assert destroying == {"delete_memory", "delete_all_memories"}


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("store_memory", {"content": ""}, "at least 1 character"),
        ("store_memory", {"content": "x" * 20_001}, "at most 20000 characters"),
        ("store_memory", {"content": "a\0b"}, "without NUL"),
        ("store_memory", {"content": "\x01" * 14_000}, "at most 80002 bytes as JSON, got 84002"),
        ("store_memory", {"content": "x", "user_id": ""}, "at least 1 character"),
        ("store_memory", {"content": "x", "user_id": "u" * 201}, "at most 200 characters"),
        ("store_memory", {"content": "x", "tags": ["t"] * 21}, "at most 20 items"),
        ("store_memory", {"content": "x", "tags": ["a\0"]}, "without NUL"),
        ("store_memory", {"content": "x", "metadata": {"k": "v" * 9000}}, "at most 8192 bytes"),
        ("store_memory", {"content": "x", "metadata": {"k": "a\0b"}}, "without NUL"),
        ("store_memory", {"content": "x", "metadata": {"k\0": 1}}, "without NUL"),
        ("search_memories", {"query": ""}, "at least 1 character"),
        ("search_memories", {"query": "x", "limit": 101}, "less than or equal to 100"),
        ("get_memories", {"limit": 0}, "greater than or equal to 1"),
        ("get_memory", {"memory_id": "7"}, "valid UUID"),
        ("update_memory", {"memory_id": str(uuid4())}, "expected content, tags or metadata"),
        ("update_memory", {"memory_id": str(uuid4()), "content": ""}, "at least 1 character"),
        ("delete_all_memories", {}, "expected user_id, agent_id or run_id, got none"),
        ("list_entities", {"kind": "cat"}, "'user', 'agent' or 'run'"),
        ("list_entities", {"cursor": "?"}, "cursor: expected the next_cursor"),
        ("get_memories", {"cursor": "bm9uZQ=="}, "cursor: expected the next_cursor"),
    ],
)
async def test_a_wrong_argument_is_refused_before_the_database(
    server: Server, tool: str, arguments: dict[str, object], said: str
):
    async with tools_of(server) as tools:
        assert said in await tools.error(tool, **arguments)


async def test_without_its_database_it_starts_and_says_so(server: Server):
    async with tools_of(server) as tools:
        said = await tools.error("get_memory_stats")
        with pytest.raises(DependencyError, match=r"^database: "):
            await server.check()
    assert "the memory database is unavailable" in said
    assert "hidden-password" not in said


async def test_without_its_secret_it_starts_and_names_it():
    server = build(read_settings("ai_memory", {}))
    async with tools_of(server) as tools:
        assert "MEMORY_DATABASE_URL is not set" in await tools.error("get_memory_stats")
    with pytest.raises(NotConfigured, match="MEMORY_DATABASE_URL is not set"):
        await server.check()


@pytest.mark.parametrize(
    "url",
    [
        "postgres:/u:hidden@db/x",
        "postgresql://u:hid@den@db.example/x",
        "postgresql://u:hidden@db:port/x?odd=hidden",
        "host=db password=hidden",
        "hidden",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str):
    with pytest.raises(SettingError, match=r"^secret MEMORY_DATABASE_URL: expected") as caught:
        build(read_settings("ai_memory", {"MEMORY_DATABASE_URL": url}))
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.QueryCanceled(), "took longer than 10 s and was stopped; narrow the query"),
        (errors.LockNotAvailable(), "another call is changing the same memories"),
        (errors.AdminShutdown(), "unavailable (AdminShutdown 57P01); try again"),
        (errors.ConnectionTimeout("hidden"), "unavailable (no connection); try again"),
        (OperationalError("failed to resolve host 'hid@den'"), "host name can't be resolved"),
        (
            OperationalError("consuming input failed: SSL connection has been closed hidden"),
            "unavailable (the connection broke); try again",
        ),
        (OperationalError("hidden"), "unavailable (no connection); try again"),
        (errors.DiskFull("hidden"), "refused (DiskFull 53100); calling again changes nothing"),
        (errors.ReadOnlySqlTransaction("hidden"), "refused (ReadOnlySqlTransaction 25006)"),
        (errors.InsufficientPrivilege("hidden"), "refused (InsufficientPrivilege 42501)"),
    ],
)
def test_what_postgres_says_is_told_in_words_of_our_own(error: Error, said: str):
    told = problems.for_model(error, 10)
    assert told is not None
    assert said in str(told)
    for text in (str(told), told.reason, problems.reason(error)):
        assert "hid" not in text


def test_a_fault_of_the_statement_is_nothing_to_tell_a_model():
    assert problems.for_model(errors.SyntaxError(), 10) is None


async def test_no_line_of_the_log_repeats_the_address(caplog: pytest.LogCaptureFixture):
    url = "postgresql://memory:hidden-password@hidden-host.invalid/memory"
    server = build(read_settings("ai_memory", {"MEMORY_DATABASE_URL": url}))
    async with tools_of(server) as tools:
        said = await eventually(
            lambda: tools.error("get_memory_stats"),
            lambda said: "can't be resolved" in said,
            "the reason told",
        )
    assert "the schema is not ready" in caplog.text
    assert "hidden" not in said + caplog.text + str([vars(line) for line in caplog.records])


async def test_the_largest_memory_that_is_stored_can_be_read():
    """In the letters that take most, and with metadata as deep as they may be."""
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    memory = Memory(
        id=uuid4(),
        content=TypeAdapter(Content).validate_python("😀" * 20_000),
        truncated=False,
        user_id="\x01" * 200,
        agent_id="\x01" * 200,
        run_id="\x01" * 200,
        tags=["\x01" * 50] * 20,
        metadata=TypeAdapter(Metadata).validate_python({str(key): deep for key in range(26)}),
        created_at=datetime.now(UTC),
        updated_at=datetime.now(UTC),
    )

    async def get_memory() -> Memory:
        """Gives it."""
        return memory

    settings = read_settings("ai_memory", {})
    server = Server(settings, title="", instructions="", tools=[reads(get_memory)])
    async with tools_of(server) as tools:
        assert await tools.ok("get_memory") == memory.model_dump(mode="json")


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_memory_cursor_is_read_as_it_was_written(moment: datetime, memory_id):
    assert cursors.read_memory(cursors.of_memory(moment, memory_id)) == (moment, memory_id)


@given(st.sampled_from(["user", "agent", "run"]), st.text("aß☃\"\\'", min_size=1))
def test_an_entity_cursor_is_read_as_it_was_written(kind: str, entity_id: str):
    assert cursors.read_entity(cursors.of_entity(kind, entity_id)) == (kind, entity_id)


@given(st.text())
def test_any_other_text_is_refused_as_a_cursor(text: str):
    for read in (cursors.read_memory, cursors.read_entity):
        with pytest.raises(ToolError, match=r"^cursor: expected"):
            read(text)


def test_a_scope_asks_only_for_what_it_names():
    assert Scope().condition().as_string() == "true"
    text = Scope(user_id="u", tags=["t"]).condition().as_string()
    assert text == "true AND user_id = %(user_id)s AND tags @> %(tags)s"


def test_without_its_service_search_is_lexical_and_a_model_is_told():
    assert read_embeddings(read_settings("ai_memory", {})) is None
    assert "Search is lexical" in str(build(read_settings("ai_memory", {})).instructions)
    hybrid = read_settings("ai_memory", {"EMBEDDINGS_URL": "http://127.0.0.1:9/v1"})
    assert "by meaning" in str(build(hybrid).instructions)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDINGS_URL", "api.openai.com"),
        ("EMBEDDINGS_URL", "https://user:hidden@api.openai.com/v1"),
        ("EMBEDDINGS_DIMENSIONS", "4097"),
        ("EMBEDDINGS_DIMENSIONS", "many"),
    ],
)
def test_a_wrong_setting_of_the_embeddings_is_refused(name: str, value: str):
    with pytest.raises(SettingError, match=f"^{name}: expected") as caught:
        build(read_settings("ai_memory", {name: value}))
    assert "hidden" not in str(caught.value)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


@asynccontextmanager
async def embeddings(service: Service, **environment: str) -> AsyncIterator[Embeddings]:
    url = {"EMBEDDINGS_URL": f"{service.url}/v1"}
    made = read_embeddings(read_settings("ai_memory", url | environment))
    assert made is not None
    async with made.opened(Metrics("ai_memory")):
        yield made


def vectors(*numbers: list[float]) -> Reply:
    """In an order of their own, as the API allows."""
    data = [{"index": index, "embedding": one} for index, one in enumerate(numbers)]
    return ok({"data": data[::-1]})


async def test_vectors_come_in_order_and_of_length_one(service: Service):
    service.queue.append(vectors([3, -4], [0, 5e-30]))
    async with embeddings(service, EMBEDDINGS_API_KEY="sk-1", EMBEDDINGS_MODEL="m") as made:
        found = await made.of_memories(["one", "two"])
        assert [vector.array for vector in found] == [
            "{0.60000000,-0.80000000}",
            "{0.00000000,1.00000000}",
        ]
        assert [vector.signs for vector in found] == ["10", "11"]
        assert await made.space() == "m/2"
    [asked] = service.asked
    assert asked.body == {"model": "m", "input": ["one", "two"]}
    assert asked.headers["Authorization"] == "Bearer sk-1"


async def test_a_query_is_asked_for_once_and_dimensions_only_where_they_are_set(service: Service):
    service.routes["POST /v1/embeddings"] = vectors([1.0, 0, 0])
    async with embeddings(service, EMBEDDINGS_DIMENSIONS="3") as made:
        assert await made.of_query("tea") == await made.of_query("tea")
        assert await made.space() == "text-embedding-3-small/3"
    [asked] = service.asked
    assert asked.body["dimensions"] == 3
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (vectors(), "one for each of 1 texts, got 0"),
        (vectors([1.0], [1.0]), "one for each of 1 texts, got 2"),
        (ok({"data": [{"index": 1, "embedding": [1.0]}]}), "one for each of 1 texts, got 1"),
        (vectors([1.0, 2.0]), "3 numbers, got 2"),
        (vectors([]), "3 numbers, got 0"),
        (vectors([float("nan"), 1, 1]), "finite numbers that are not all zero"),
        (vectors([0, 0, 0]), "finite numbers that are not all zero"),
        (vectors([1.5e308, 1.5e308, 1.5e308]), "finite numbers that are not all zero"),
    ],
)
async def test_vectors_that_are_none_are_refused(service: Service, answer: Reply, said: str):
    service.routes["POST /v1/embeddings"] = answer
    async with embeddings(service, EMBEDDINGS_DIMENSIONS="3") as made:
        with pytest.raises(Unusable, match=said):
            await made.of_memory("a text")


async def test_no_more_dimensions_than_a_query_can_take(service: Service):
    service.routes["POST /v1/embeddings"] = vectors([0.5] * 4_097)
    async with embeddings(service) as made:
        with pytest.raises(Unusable, match="up to 4096 numbers, got 4097"):
            await made.space()


def test_a_vector_that_is_cached_is_the_one_that_was_made():
    made = Vector.of([0.1, -1e-12, 0.0])
    assert made is not None
    assert Vector(made.text) == made
    assert made.signs == "111", "no bit that Postgres, which keeps eight digits, would not see"
