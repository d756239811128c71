"""Limits of request bodies: what is counted, which requests wait, which are refused."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_mcp import bodies
from sophia_mcp.bodies import MOST_BYTES, MOST_VALUES, Room, count_values

from tests.support.mcp_process import Replica

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"\\\\[]{},:\u2603\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('"\\\\{a'), inner),
    max_leaves=50,
)


def values_and_keys(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + values_and_keys(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(map(values_and_keys, value))
    return 1


@given(JSON, st.booleans())
def test_no_json_has_more_values_than_are_counted(value: Any, ascii_only: bool):
    counted = count_values(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert values_and_keys(value) <= counted + 1 <= 3 * values_and_keys(value)


def test_what_is_inside_a_text_counts_nothing():
    assert count_values(json.dumps('[{"a": [1, 2]}, \\"' * 1000).encode()) == 0
    # Nor texts that aren't JSON, in a time that is linear in their length.
    for broken in (b'"' + b'\\"' * 250_000, b'"\\' * 170_000, b'"' * 500_001):
        assert count_values(broken) == 0


async def test_who_finds_no_room_waits_in_line_and_the_small_pass():
    room, order = Room(10), []

    async def visit(name: str, size: int) -> None:
        assert await room.take(size)
        order.append(name)

    assert await room.take(8)
    waiting = [asyncio.create_task(visit(name, size)) for name, size in (("a", 9), ("b", 3))]
    await asyncio.sleep(0)
    await visit("small", 2)
    room.give(2)
    assert order == ["small"]
    room.give(8)
    await waiting[0]
    assert order == ["small", "a"]
    room.give(9)
    await waiting[1]
    assert await room.take(7)


async def test_who_leaves_the_line_or_waits_too_long_takes_nothing(monkeypatch: pytest.MonkeyPatch):
    room = Room(10)
    assert await room.take(8)
    first = asyncio.create_task(room.take(9))
    second = asyncio.create_task(room.take(3))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    room.give(8)
    assert await second
    # Admitted and cancelled at once: its share is returned.
    third = asyncio.create_task(room.take(8))
    await asyncio.sleep(0)
    room.give(3)
    third.cancel()
    await asyncio.wait([third])
    assert await room.take(10)
    monkeypatch.setattr(bodies, "_WAIT_SECONDS", 0.01)
    assert not await room.take(1)
    room.give(10)
    assert await room.take(10)


async def test_who_is_about_to_leave_the_line_disturbs_nobody():
    room = Room(10)
    assert await room.take(10)
    leaving, staying = (asyncio.create_task(room.take(8)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    room.give(10)  # before it has run
    assert await staying
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    assert await room.take(2)


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "_MOST_WAITING", 1)
    room = Room(1)
    assert await room.take(1)
    waiting = asyncio.create_task(room.take(1))
    await asyncio.sleep(0)
    assert not await room.take(1)
    room.give(1)
    assert await waiting


def call(values: int, padding: int = 0) -> bytes:
    """A call of `add` with an unknown argument."""
    arguments = {"a": 1, "b": 2, "odd": [0] * values, "long": "x" * padding}
    params = {"name": "add", "arguments": arguments}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(request, separators=(",", ":")).encode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (call(MOST_VALUES - 50), 200, '"result":3'),
        (call(1, MOST_BYTES - 500), 200, '"result":3'),
        (call(MOST_VALUES + 1), 413, f"more than {MOST_VALUES} values"),
        (call(1, MOST_BYTES), 413, f"longer than {MOST_BYTES} bytes"),
        (call(1, 8 * MOST_BYTES), 413, f"longer than {MOST_BYTES} bytes"),
    ],
)
async def test_a_body_is_taken_or_refused(
    toy: Replica, body: bytes, status: int, said: str, chunked: bool
):
    async def parts() -> Any:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async with httpx2.AsyncClient(timeout=20) as http:
        for _ in range(5):
            content = parts() if chunked else body
            answer = await http.post(toy.url, headers=HEADERS, content=content)
            assert answer.status_code == status
            assert said in answer.text
