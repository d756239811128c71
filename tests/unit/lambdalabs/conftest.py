"""A tiny HTTP server that answers as a test scripts it: faults that no honest API has."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Script:
    """answers: per "METHOD /path", what to answer in order; the last one is repeated.

    An answer is (status, body, headers), or "hang up", or "hang".
    """

    url: str = ""
    answers: dict[str, deque[Any]] = field(default_factory=dict)
    seen: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def on(self, route: str, *answers: Any) -> None:
        self.answers[route] = deque(answers)

    def calls(self, route: str) -> int:
        return sum(1 for seen, _, _ in self.seen if seen == route)


def ok(data: Any) -> tuple[int, Any, dict[str, str]]:
    return 200, {"data": data}, {}


def fault(status: int, code: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    error = {"code": code, "message": f"About {code}.", "suggestion": "Do this."}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": error}, names


@pytest.fixture
def script():
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            route = f"{self.command} {self.path}"
            script.seen.append((route, body, dict(self.headers)))
            queue = script.answers[route]
            answer = queue.popleft() if len(queue) > 1 else queue[0]
            if answer == "hang":
                script.released.wait(10)
            if isinstance(answer, str):
                self.close_connection = True
                return
            status, content, headers = answer
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}/api/v1"
    script.ok, script.fault = ok, fault  # type: ignore[attr-defined]
    yield script
    script.released.set()
    server.shutdown()
    server.server_close()
