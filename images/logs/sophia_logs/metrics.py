"""The shipper's numbers, in Prometheus' text format, on a port of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 9429


@dataclass(frozen=True)
class Told:
    """One store, as a shipper knows it. store: its service; manager: its node's id. sent: lines
    that it took. refused: tries that it didn't. dropped: lines that it never gets. behind: seconds
    whose lines it hasn't."""

    store: str
    manager: str
    sent: int
    refused: int
    dropped: int
    behind: float


def text(node: str, every: list[Told]) -> str:
    """All numbers. node: the shipper's."""
    return "\n".join([*_lines(node, every), ""])


_NUMBERS: tuple[tuple[str, str, str, Callable[[Told], float]], ...] = (
    ("lines_sent_total", "counter", "Lines that the store took", lambda one: one.sent),
    ("refusals_total", "counter", "Tries that it refused or left open", lambda one: one.refused),
    ("lines_dropped_total", "counter", "Lines that it never gets", lambda one: one.dropped),
    ("behind_seconds", "gauge", "Age of what it hasn't got yet", lambda one: one.behind),
)


def _lines(node: str, every: list[Told]) -> Iterator[str]:
    for name, kind, about, value in _NUMBERS:
        yield f"# HELP sophia_logs_{name} {about}"
        yield f"# TYPE sophia_logs_{name} {kind}"
        for one in every:
            labels = f'node="{node}",store="{one.store}",manager="{one.manager}"'
            yield f"sophia_logs_{name}{{{labels}}} {value(one)}"


def serve(text: Callable[[], str], port: int = PORT) -> int:
    """Answers every GET with the text, in threads that end with the process; the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: it is asked every ten seconds."""

    server = ThreadingHTTPServer(("", port), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])
