"""Serves the configuration that Swarm mounted: GET /haproxy.cfg. Answers GET /health, too."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = {"/haproxy.cfg": Path("/etc/haproxy/haproxy.cfg").read_bytes(), "/health": b"ok\n"}


class Handler(BaseHTTPRequestHandler):
    timeout = 5
    wbufsize = -1  # all at once: the health check leaves after its first read

    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(page or b"")))
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Logs nothing: the gateways ask every two seconds."""


ThreadingHTTPServer(("0.0.0.0", 8404), Handler).serve_forever()
