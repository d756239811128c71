"""The worst request bodies within the limit, by the memory they cost a replica."""

from __future__ import annotations

import json

LIMIT = 512 * 1024
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2025-11-25",
}


def call(tool: str, **arguments: str) -> bytes:
    """A tool call whose arguments are raw JSON texts."""
    inner = ",".join(f"{json.dumps(name)}:{text}" for name, text in arguments.items())
    params = f'{{"name":"{tool}","arguments":{{{inner}}}}}'
    return f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'.encode()


def many(text: str, around: str) -> str:
    """As many of `text` as the body limit has room for."""
    return around % ",".join([text] * ((LIMIT - 400) // (len(text) + 1)))


DEEP_LIST = "[" * 100 + "]" * 100
DEEP_OBJECT = '{"":' * 50 + "0" + "}" * 50
SHAPES = {
    "empty objects": call("store_memory", content='"x"', metadata=many("{}", '{"a":[%s]}')),
    "empty lists": call("store_memory", content='"x"', metadata=many("[]", '{"a":[%s]}')),
    "deep lists": call("store_memory", content='"x"', metadata=many(DEEP_LIST, '{"a":[%s]}')),
    "deep objects": call("store_memory", content='"x"', metadata=many(DEEP_OBJECT, '{"a":[%s]}')),
    "as many values as may be": call(
        "store_memory",
        content=json.dumps("x" * 400_000 + "\U0001f600", ensure_ascii=False),
        metadata='{"a":[' + ",".join([DEEP_LIST] * 98) + "]}",
    ),
    "tags": call("store_memory", content='"x"', tags=many('"t"', "[%s]")),
    "an argument that nobody asked for": call("get_memory_stats", odd=many("{}", "[%s]")),
    "one long text": call("store_memory", content=json.dumps("x" * (LIMIT - 400))),
    "escaped text": call("store_memory", content='"' + "\\u2603" * ((LIMIT - 400) // 6) + '"'),
    "depth": call("store_memory", content='"x"', metadata="[" * 200_000 + "]" * 200_000),
    "parameters of a list": b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":%s}}'
    % many("{}", "[%s]").encode(),
    "a batch": many('{"jsonrpc":"2.0","id":1,"method":"ping"}', "[%s]").encode(),
}  # fmt: skip
