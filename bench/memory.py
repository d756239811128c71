"""100,000 memories searched: `python -m bench.memory DATABASE_URL [PYTHON_WITH_MEM0]`.

DATABASE_URL is an empty database of a superuser, on a server with pgvector (images/database has
it). The same rows are searched by ai_memory as a process over HTTP: by words, by words and meaning
without pgvector, and with it; then by plain pgvector and, if a Python with `mem0ai` and
`psycopg[binary,pool]` is given, by mem0. All get their vectors from the same service on this
machine, which makes them from words. Prints a search's milliseconds among the memories of one
caller of many, of one who has a tenth of all, and of all (for ai_memory from its process's log,
without HTTP and the client), and how many of the ten nearest it finds.

Exits with 1 if ai_memory takes more than SLOWEST at the 95th percentile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
from mcp import Client
from psycopg import sql

from tests.support import upstream
from tests.support.embedder import PATH, answers, vector
from tests.support.mcp_process import ROOT, Replica, running
from tests.support.polling import until

MEMORIES, CALLERS, DIMENSIONS, SEARCHES = 100_000, 1_000, 384, 100
SLOWEST = 100.0
"""Milliseconds."""
MODEL = "words"
LARGE = "caller-0"
"""The caller who has a tenth of all memories."""
SCOPES: dict[str, str | None] = {"a caller's": "caller-7", "a tenth": LARGE, "all": None}

Search = Callable[[str, str | None], Any]
Nearest = dict[tuple[str, str], set[str]]


def main() -> int:
    """Prints everything; returns the exit status. Takes about ten minutes."""
    url, others = sys.argv[1], sys.argv[2:]
    print(f"{MEMORIES:,} memories of {CALLERS:,} callers, {DIMENSIONS} dimensions", flush=True)
    plain, with_pgvector = prepared(url)
    with embedder() as service, tempfile.TemporaryDirectory() as folder:
        meaning = {
            "EMBEDDINGS_URL": service,
            "EMBEDDINGS_MODEL": MODEL,
            "EMBEDDINGS_DIMENSIONS": str(DIMENSIONS),
        }
        log = Path(folder) / "log"
        with memory(log, plain, {}):
            fill(plain)
        queries = {name: questions(plain, caller) for name, caller in SCOPES.items()}
        index(with_pgvector)
        nearest = exact(with_pgvector, queries)
        print(f"{'':32}{'p50':>8}{'p95':>8}{'found':>8}")
        slowest = []
        for name, place, environment in (
            ("ai_memory, words", plain, {}),
            ("ai_memory, hybrid, plain SQL", plain, meaning),
            ("ai_memory, hybrid, pgvector", with_pgvector, meaning),
        ):
            with memory(log, place, environment) as replica:
                if place == with_pgvector:
                    wait_for_index(replica)
                slowest.append(asyncio.run(called(name, replica, queries, nearest)))
        beside_pgvector(with_pgvector, service, queries, nearest)
        for python in others:
            beside_mem0(python, with_pgvector, service, queries, nearest)
    return 0 if max(slowest) <= SLOWEST else 1


def prepared(url: str) -> tuple[str, str]:
    """Database addresses without and with pgvector."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        connection.execute("DROP EXTENSION IF EXISTS pg_trgm")
        connection.execute("CREATE SCHEMA bench")
        connection.execute("CREATE EXTENSION pg_trgm SCHEMA bench")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    return f"{url}?options=-csearch_path%3Dbench", f"{url}?options=-csearch_path%3Dbench,public"


@contextmanager
def memory(log: Path, url: str, environment: dict[str, str]) -> Iterator[Replica]:
    """The server, once all its indexes exist."""
    given = {"MEMORY_DATABASE_URL": url, "LOG_LEVEL": "INFO", **environment}
    with running(["-m", "sophia_mcp", "ai_memory"], log, given, (ROOT,)) as replica:
        until(lambda: replica.logged("the database is ready"), bool, "the database ready", 300)
        yield replica


def wait_for_index(replica: Replica) -> None:
    """Waits for pgvector's index, which the server builds while it answers."""
    began = time.monotonic()
    until(
        lambda: [line for line in replica.logged("index built") if "near" in line["index"]],
        bool, "the index of vectors built", 600,
    )  # fmt: skip
    print(f"pgvector's index built in {time.monotonic() - began:.0f} s", flush=True)


def fill(url: str) -> None:
    """The memories with their vectors, as the server would keep them."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghiklmnoprstuvw", k=7)) for _ in range(8_000)]
    often = [1 / (rank + 3) for rank in range(len(words))]
    began = time.monotonic()
    with psycopg.connect(url) as connection:
        with connection.cursor().copy("COPY memories (user_id, content) FROM STDIN") as copy:
            for number in range(MEMORIES):
                caller = LARGE if number % 10 == 0 else f"caller-{number % CALLERS}"
                text = " ".join(chance.choices(words, often, k=chance.randint(6, 14)))
                copy.write_row((caller, text))
        rows = connection.execute("SELECT id, user_id, content FROM memories").fetchall()
        space = f"{MODEL}/{DIMENSIONS}"
        arrays = []
        vectors = "COPY memory_vectors (memory_id, space, user_id, signs) FROM STDIN"
        with connection.cursor().copy(vectors) as copy:
            for memory_id, caller, content in rows:
                numbers = vector(content, DIMENSIONS, MODEL)
                signs = "".join("0" if number < 0 else "1" for number in numbers)
                copy.write_row((memory_id, space, caller, signs))
                arrays.append(f"{{{','.join(f'{number:.8f}' for number in numbers)}}}")
        with connection.cursor().copy("COPY memory_numbers FROM STDIN") as copy:
            for (memory_id, _, _), array in zip(rows, arrays, strict=True):
                copy.write_row((memory_id, space, array))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)


def index(url: str) -> None:
    """Plain pgvector: a table and its index, as in its documentation."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(
            sql.SQL(
                "CREATE TABLE items AS SELECT memory_id AS id, user_id,"
                " embedding::vector({}) AS embedding"
                " FROM memory_vectors JOIN memory_numbers USING (memory_id, space)"
            ).format(sql.Literal(DIMENSIONS))
        )
        connection.execute("CREATE INDEX ON items (user_id)")
        connection.execute("CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops)")
        connection.execute("VACUUM ANALYZE items")


def questions(url: str, caller: str | None) -> list[str]:
    """For each search, three or four words of one of this caller's memories."""
    chance = random.Random(2)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT content FROM memories WHERE coalesce(user_id = %s, true) ORDER BY id LIMIT %s",
            (caller, SEARCHES),
        ).fetchall()
    found = [row[0].split() for row in rows]
    return [" ".join(chance.sample(words, chance.randint(3, 4))) for words in found]


def exact(url: str, queries: dict[str, list[str]]) -> Nearest:
    """The ten nearest memories to every fifth query, all vectors compared."""
    found: Nearest = {}
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_indexscan = off")
        for name, asked in queries.items():
            for query in asked[::5]:
                rows = connection.execute(_NEAREST, _values(SCOPES[name], _numbers(query)))
                found[name, query] = {str(row[0]) for row in rows.fetchall()}
    return found


_NEAREST = """
    SELECT id FROM items WHERE %(caller)s::text IS NULL OR user_id = %(caller)s
    ORDER BY embedding <=> %(vector)s::vector LIMIT 10
"""


def _values(caller: str | None, numbers: list[float]) -> dict[str, object]:
    return {"caller": caller, "vector": json.dumps(numbers)}


def _numbers(query: str) -> list[float]:
    return vector(query, DIMENSIONS, MODEL)


async def called(
    name: str, replica: Replica, queries: dict[str, list[str]], nearest: Nearest
) -> float:
    """Searches by ai_memory's tool; the slowest of its 95th percentiles."""
    slowest = 0.0
    async with Client(replica.url) as client:
        for scope, asked in queries.items():
            caller = SCOPES[scope]
            found = {}
            for query in asked:
                await hits(client, query, caller, 10)
            took = [line["ms"] / 1000 for line in replica.logged("tool call")[-len(asked) :]]
            for _, query in (one for one in nearest if one[0] == scope):
                # Words and meanings alternate, so twenty hits contain the ten nearest.
                found[query] = await hits(client, query, caller, 20)
            slowest = max(slowest, told(name, scope, took, found, nearest))
    return slowest


async def hits(client: Client, query: str, caller: str | None, limit: int) -> set[str]:
    """Ids of what a search finds."""
    arguments = {"query": query, "user_id": caller, "limit": limit}
    result = await client.call_tool("search_memories", arguments)
    assert result.structured_content is not None, result
    return {hit["memory"]["id"] for hit in result.structured_content["hits"]}


def beside_pgvector(
    url: str, service: str, queries: dict[str, list[str]], nearest: Nearest
) -> None:
    """One statement on one connection, after fetching the query's vector."""
    with psycopg.connect(url, autocommit=True) as connection:
        for scope, asked in queries.items():
            took, found = [], {}
            for query in asked:
                began = time.perf_counter()
                rows = connection.execute(
                    _NEAREST, _values(SCOPES[scope], embedded(service, query))
                ).fetchall()
                took.append(time.perf_counter() - began)
                found[query] = {str(row[0]) for row in rows}
            told("plain pgvector (hnsw)", scope, took, found, nearest)


def beside_mem0(
    python: str, url: str, service: str, queries: dict[str, list[str]], nearest: Nearest
) -> None:
    """Runs in its own process; it can't search all callers' memories."""
    asked = {"url": url, "service": service, "model": MODEL, "dimensions": DIMENSIONS}
    scopes = {name: [caller, queries[name]] for name, caller in SCOPES.items() if caller}
    done = subprocess.run(
        [python, str(Path(__file__).with_name("beside_mem0.py"))],
        input=json.dumps(asked | {"scopes": scopes}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print("mem0:", done.stderr[-2000:])
        return
    for scope, (took, found) in json.loads(done.stdout.splitlines()[-1]).items():
        told("mem0", scope, took, {query: set(ids) for query, ids in found.items()}, nearest)


def told(
    name: str, scope: str, took: list[float], found: dict[str, set[str]], nearest: Nearest
) -> float:
    """Prints a line; returns the 95th percentile in milliseconds."""
    shares = [
        len(found[query] & wanted) / len(wanted)
        for (where, query), wanted in nearest.items()
        if where == scope
    ]
    cuts = statistics.quantiles((one * 1000 for one in took), n=20)
    share = f"{statistics.mean(shares):8.0%}"
    print(f"{name:28}{scope:>12}{cuts[9]:8.1f}{cuts[18]:8.1f}{share}", flush=True)
    return cuts[18]


def embedded(service: str, text: str) -> list[float]:
    """A request for embeddings as a client sends it."""
    body = {"model": MODEL, "input": [text], "dimensions": DIMENSIONS}
    request = urllib.request.Request(f"{service}/embeddings", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        numbers: list[float] = json.load(answer)["data"][0]["embedding"]
    return numbers


@contextmanager
def embedder() -> Iterator[str]:
    """Starts the service in a separate process; returns its address."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    process.start()
    try:
        yield f"{here.recv()}/v1"
    finally:
        here.send("")
        process.join()


def _serve(connection: Connection) -> None:
    with upstream.serving() as service:
        service.routes[PATH] = answers(DIMENSIONS)
        connection.send(service.url)
        with contextlib.suppress(EOFError):
            connection.recv()


if __name__ == "__main__":
    sys.exit(main())
