"""Answers of the REST API: JSON, and errors in the form of RFC 9457."""

import json
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class Json(Response):
    """In ASCII: a server's text may hold halves of characters (lone surrogates)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


class Problem(Exception):
    """What is wrong with a request or with the fleet. detail: including what to do."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title = status, title


def answer_problem(_: Request, problem: Exception) -> Response:
    """For Starlette."""
    assert isinstance(problem, Problem)
    body = {"title": problem.title, "status": problem.status, "detail": str(problem)}
    return Json(body, problem.status, media_type="application/problem+json")


def answer_http(request: Request, error: Exception) -> Response:
    """For Starlette's own errors: no such path, or another method."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = f"{request.method} {request.url.path[:100]}: see GET /api/openapi.json."
    answer = answer_problem(request, Problem(error.status_code, title, detail))
    answer.headers.update(error.headers or {})
    return answer
