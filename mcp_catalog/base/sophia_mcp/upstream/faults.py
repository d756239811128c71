"""Pure: a service's error as a sentence that a model can act on."""

import json
import re
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

_LONGEST = 300
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_ADVICE = {
    400: "Change the arguments.",
    401: "The credential is wrong or has expired: ask the operator of this server to renew it.",
    403: "The credential does not allow this: ask the operator of this server for the permission.",
    404: "Check the id or the name: list what there is.",
    405: "It can't be done as things are: read the present state first.",
    409: "It conflicts with the present state: read that first.",
    422: "Change the arguments.",
}


class _Problem(BaseModel):
    """One error, by the names that most APIs use for its parts."""

    message: str | None = None
    detail: str | None = None
    title: str | None = None
    code: str | int | None = Field(None, validation_alias=AliasChoices("code", "errorCode"))
    suggestion: str | None = None
    extensions: dict[str, Any] = Field(default_factory=dict)


def told(content: bytes) -> str:
    """The message in an error's body, in one line; "" if there is none.

    Understood: `{"error": {…}}`, `{"error": "…"}`, alone or as the code of a `message`,
    `{"errors": […]}` (GraphQL's, too), `{"err": "…"}`, `{"message": …}`, `{"detail": …}`, also
    beside `"error": true`, `{"data": {"message": …}}`; of an HTML page the title; of any other text
    its beginning.
    """
    if page := html_title(content):
        return page
    try:
        body = json.loads(content)
    except ValueError:
        return one_line(content[:2000].decode(errors="replace"))
    return one_line("; ".join(filter(None, map(_sentence, _problems(body)))))


def html_title(content: bytes) -> str:
    """`an HTML page` with its title; "" for anything else."""
    head = content[:4000]
    start = head.lstrip().lower()
    if not start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return ""
    found = _TITLE.search(head)
    title = one_line(found[1].decode(errors="replace")) if found else ""
    return f"an HTML page with the title {title!r}" if title else "an HTML page"


def advice(status: int, wait: float | None) -> str:
    """What the reader can do about this status."""
    if status == 429:
        when = f"in {wait:.0f} s" if wait is not None else "in a minute"
        return f"Too many requests: try again {when}, and ask for less at once."
    if status >= 500:
        return "The service itself has an error: try again later."
    return _ADVICE.get(status, "")


def is_limit(status: int, wait: float | None, content: bytes) -> bool:
    """Whether it says "too many requests", which GitHub does with 403, and GraphQL with 200 or,
    at Linear, with 400.

    wait: seconds that the answer asks us to wait.
    """
    worded = b"rate limit" in content.lower()
    coded = b'"RATELIMITED"' in content
    return (
        status == 429
        or (status == 403 and wait is not None)
        or (status in (200, 403) and worded)
        or (status in (200, 400) and coded)
    )


def is_object(content: bytes) -> bool:
    """Whether it is a JSON object, as an API's errors are, and not a proxy's page."""
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def one_line(text: str) -> str:
    """Without line breaks and control characters, cut to a readable length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _problems(body: object) -> list[Any]:
    if isinstance(body, dict):
        for key in ("errors", "error", "err"):
            inner = body.get(key)
            if inner and inner is not True:
                if isinstance(inner, str) and isinstance(body.get("message"), str):
                    return [{"code": inner, "message": body["message"]}]
                return inner[:3] if isinstance(inner, list) else [inner]
        data = body.get("data")
        if isinstance(data, dict) and "message" in data and "message" not in body:
            return [data]
    return [body]


def _sentence(problem: object) -> str:
    if isinstance(problem, str):
        return problem
    try:
        known = _Problem.model_validate(problem)
    except ValidationError:
        return ""
    code = known.code if known.code is not None else known.extensions.get("code")
    text = known.message or known.detail or known.title or ""
    parts = [f"{code}:" if code is not None and text else str(code or ""), text]
    return " ".join(part for part in (*parts, known.suggestion or "") if part)
