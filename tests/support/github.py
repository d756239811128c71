"""GitHub's REST API as far as the workflows use it: comments, issues, runs; two entries a page.

Shapes: docs.github.com/rest, issues and workflow-runs, version 2022-11-28.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY, TOKEN = "acme/platform", "token-of-the-run"
PAGE = 2
BOT, PERSON = {"type": "Bot"}, {"type": "User"}

Json = dict[str, Any]


class GitHub(ThreadingHTTPServer):
    """comments, issues: by number. runs: the newest first. refuses: status of every answer."""

    def __init__(self) -> None:
        self.comments: dict[int, Json] = {}
        self.issues: dict[int, Json] = {}
        self.runs: list[Json] = []
        self.refuses = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """As a runner has it."""
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY}

    def comment(self, body: str, user: Json | None = BOT) -> None:
        number = len(self.comments) + 1
        self.comments[number] = {"id": number, "body": body, "user": user}

    def issue(self, title: str, body: str, user: Json | None = BOT, **more: Any) -> None:
        number = len(self.issues) + 1
        made = {"number": number, "title": title, "body": body, "user": user, "state": "open"}
        self.issues[number] = {**made, **more}

    def asked(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        root = f"/repos/{REPOSITORY}"
        match method, re.sub(r"\d+", "N", path.removeprefix(root)):
            case "GET", "/issues/N/comments":
                return 200, list(self.comments.values())
            case "POST", "/issues/N/comments":
                self.comment(body["body"])
                return 201, {}
            case "PATCH", "/issues/comments/N":
                self.comments[int(path.rpartition("/")[2])] |= body
                return 200, {}
            case "GET", "/issues":
                return 200, [one for one in self.issues.values() if one["state"] == query["state"]]
            case "POST", "/issues":
                self.issue(**body)
                return 201, {}
            case "PATCH", "/issues/N":
                self.issues[int(path.rpartition("/")[2])] |= body
                return 200, {}
            case "GET", "/actions/workflows/deploy.yml/runs":
                good = [one for one in self.runs if one["conclusion"] == query["status"]]
                on = [one for one in good if one["head_branch"] == query["branch"]]
                return 200, {"workflow_runs": on[: int(query["per_page"])]}
        return 404, {"message": "Not Found"}


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def _answer(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        status, told = self.server.asked(self.command, asked.path, query, body)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, told = 401, {"message": "Bad credentials"}
        elif self.server.refuses:
            status, told = self.server.refuses, {"message": "Resource not accessible"}
        self.send_response(status)
        if status == 200 and isinstance(told, list):
            page = int(query.get("page", 1))
            if len(told) > page * PAGE:
                here = f"{self.server.url}{asked.path}?{asked.query.partition('&page=')[0]}"
                self.send_header("Link", f'<{here}&page={page + 1}>; rel="next"')
            told = told[(page - 1) * PAGE : page * PAGE]
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    do_GET = do_POST = do_PATCH = _answer

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[GitHub]:
    """A repository without anything in it."""
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
