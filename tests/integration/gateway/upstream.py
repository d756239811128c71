"""A stand-in for an MCP server's replica: says what reached it, and streams on command.

Runs alone in a container: python3 upstream.py <port>
"""

import contextlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELEASE = threading.Semaphore(0)
CALLS = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/mcp/events":
            return self.events()
        if self.path == "/mcp/wait":
            return self.wait()
        if self.path == "/mcp/release":
            RELEASE.release()
        return self.answer(0)

    def do_POST(self):
        return self.answer(self.body())

    def body(self):
        """Reads the body and returns its length."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return len(self.rfile.read(int(self.headers.get("content-length", 0))))
        total = 0
        while size := int(self.rfile.readline(), 16):
            total += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return total

    def count(self, key):
        CALLS[key] = CALLS.get(key, 0) + 1

    def wait(self):
        """Works until the caller is gone."""
        self.count("arrived")
        with contextlib.suppress(ConnectionError):
            self.connection.recv(1)
        self.count("left")
        self.close_connection = True

    def answer(self, received):
        self.count(f"{self.command} {self.path}")
        if self.path == "/mcp/break":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path.startswith("/mcp/sleep/"):
            time.sleep(float(self.path.rpartition("/")[2]))
        seen = {
            "replica": socket.gethostname(),
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "received": received,
            "calls": CALLS,
        }
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def events(self):
        """One event at once, another one each time somebody asks for /mcp/release; two in all."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.event(b"data: first\n\n")
        RELEASE.acquire()
        self.event(b"data: second\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
