"""A service on the network for tests: real HTTP, and every way in which one misbehaves."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """A received request. body: parsed if it is JSON, else its text; None without one."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """How it is answered. act: instead of an answer; it gets the connection. delay: in seconds."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    act: Callable[[Service, socket.socket], object] | None = None
    delay: float = 0


Answers = Reply | Callable[[Request], Reply]


def ok(data: object, status: int = 200, delay: float = 0) -> Reply:
    """JSON."""
    kind = {"Content-Type": "application/json"}
    return Reply(status, json.dumps(data).encode(), kind, delay=delay)


def refused(status: int, data: object = None, **headers: str) -> Reply:
    """An error with a JSON body; `Retry_After="3"` is a header."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b"" if data is None else json.dumps(data).encode()
    return Reply(status, body, {"Content-Type": "application/json", **names})


def page(title: str, status: int = 200) -> Reply:
    """A web page, as a proxy or a sign-in wall sends it."""
    text = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>…</body></html>"
    return Reply(status, text.encode(), {"Content-Type": "text/html"})


def hanging() -> Reply:
    """Accepts the request and doesn't answer until the client leaves."""
    return Reply(act=lambda service, connection: service.wait_for_leave(connection))


def trickling() -> Reply:
    """Sends a byte every 50 ms, for ever."""

    def act(service: Service, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not service.wait_for_leave(connection, 0.05):
            connection.sendall(b" ")

    return Reply(act=act)


def malformed() -> Reply:
    """Something that is not HTTP."""
    return Reply(act=lambda _, connection: connection.sendall(b"220 mail.example ESMTP\r\n\r\n"))


def silent() -> Reply:
    """Closes without a word."""
    return Reply(act=lambda _, connection: None)


def reset() -> Reply:
    """Resets the connection in the middle of the answer."""

    def act(_: Service, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhal")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return Reply(act=act)


def huge(size: int) -> Reply:
    """So many bytes, with no length told in advance."""

    def act(service: Service, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(size // 65536 + 1):
            connection.sendall(b" " * 65536)
            service.sent += 65536

    return Reply(act=act)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode()


class Service:
    """routes: answers by `METHOD /path`. queue: answers that come before those, once each.

    asked: the requests, in order. left: how often a client gave up a hanging request.
    sent: bytes of huge answers that went out.
    """

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.routes: dict[str, Answers] = {}
        self.queue: deque[Reply] = deque()
        self.asked: list[Request] = []
        self.left = self.sent = self.at_once = self.most_at_once = 0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer((address, port), self._handler())
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self.url = f"http://{address}:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, request: Request) -> Reply:
        """The next answer."""
        if self.queue:
            return self.queue.popleft()
        found = self.routes.get(f"{request.method} {request.path}", refused(404))
        return found(request) if callable(found) else found

    def wait_for_leave(self, connection: socket.socket, seconds: float = 60) -> bool:
        """Whether the client left, or the test ended, within this time."""
        steps = max(1, int(seconds / 0.05))
        for _ in range(steps):
            readable, _, _ = select.select([connection], [], [], 0.05)
            if readable and connection.recv(1, socket.MSG_PEEK) == b"":
                self.left += 1
                return True
            if self._ended.is_set():
                return True
        return False

    def encrypt(self, file: Path) -> None:
        """From now on it speaks TLS. file: its certificate and key, as PEM."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def close(self) -> None:
        """Ends it, including hanging requests."""
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(
                    self.command, parts.path, parse_qs(parts.query), dict(self.headers.items()),
                    _read(body),
                )  # fmt: skip
                with service._lock:
                    service.asked.append(request)
                    service.at_once += 1
                    service.most_at_once = max(service.most_at_once, service.at_once)
                    reply = service.answer(request)
                try:
                    self.reply(reply)
                except OSError:
                    self.close_connection = True
                finally:
                    with service._lock:
                        service.at_once -= 1

            def reply(self, reply: Reply) -> None:
                if reply.act is not None:
                    self.close_connection = True
                    reply.act(service, self.connection)
                    return
                service._ended.wait(reply.delay)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def serving(address: str = "127.0.0.1", port: int = 0) -> Iterator[Service]:
    """A service on this machine; by default at a free port."""
    service = Service(address, port)
    try:
        yield service
    finally:
        service.close()
