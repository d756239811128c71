"""What a store is asked over real HTTP, and what becomes of its answers. That a real store takes
the queries is tests/integration/logs."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from sophia_logs.lines import Line, moment
from sophia_logs.store import Store, StoreError

AT = 1_795_791_600 * 10**9


@contextmanager
def answering(rows: Callable[[], Iterator[bytes]]) -> Iterator[tuple[Store, list[object]]]:
    """A store that answers each query with those rows, and the connections that it had."""
    connections: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self.client_address)
            super().setup()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for row in rows():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(row), row))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Store("127.0.0.1", server.server_port), connections
    finally:
        server.shutdown()
        server.server_close()


def times(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b'{"_time":"%s"}\n' % moment(AT + number * 1000).encode()


@pytest.mark.slow
def test_a_busy_containers_lines_take_little_memory():
    """A shipper has 96 MB for all stores and containers, and is ended beyond that."""
    count = 50_000
    with answering(lambda: times(count)) as (store, _):
        tracemalloc.start()
        try:
            had = store.times("abc", AT, AT + 10**9)
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(had) == count
    assert kept < 12 * count
    assert peak < 80 * count


def test_its_connection_serves_again_unless_an_answer_was_cut():
    answers = [b'{"_time": "a"}\n', b'{"_time": ', b'{"_time": "b"}\n']
    with answering(lambda: iter([answers.pop(0)])) as (store, connections):
        assert list(store.ask("*")) == [{"_time": "a"}]
        with pytest.raises(StoreError):
            list(store.ask("*"))
        assert len(connections) == 1
        assert list(store.ask("*")) == [{"_time": "b"}]
        assert len(connections) == 2


def test_of_lines_of_one_moment_those_that_it_lacks_are_sent():
    lines = [
        Line("abc", "s", AT + at, "stdout", text) for at, text in ((0, "a"), (0, "b"), (9, "c"))
    ]
    row = json.dumps({"_time": moment(AT)}).encode()
    with answering(lambda: iter([row])) as (store, _):
        assert [line.text for line in store.lacking(lines)] == ["b", "c"]
