"""The backend's API as its page sees it, played by a small server: the page's files, a fleet of
sixteen, tools of every kind, and any trouble that a test adds.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sophia_backend.dashboards import read_dashboards

from tests.support import page_dashboards, upstream
from tests.support.upstream import Reply, Request, Service, ok, refused

PAGE = Path(__file__).parents[2] / "images" / "backend" / "page"
TOKEN = "a-callers-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CANARY = '<img src="x" onerror="window.canary = true">'
"""Markup which no text of the API may become."""

NAMES = {
    "ai_memory": "AI memory",
    "asana": "Asana",
    "codacy": "Codacy",
    "figma_context": "Figma",
    "github": "GitHub",
    "gong_v2": "Gong",
    "hubspot_unified": "HubSpot",
    "lambda_labs_cli": "Lambda Labs",
    "linear_v2": "Linear",
    "notion_v2": "Notion",
    "openrouter_search": "OpenRouter",
    "portkey_admin": "Portkey",
    "postgres": "PostgreSQL",
    "slack": "Slack",
    "snowflake_unified": "Snowflake",
    "ui_ux_agent": "UI and UX",
}
READY = {
    "ai_memory": (13, 1284, 3, 8.4, 31.0),
    "github": (29, 412, 9, 182.0, 1240.0),
    "postgres": (10, 96, 0, 4.1, 12.8),
    "slack": (9, 58, 2, 94.0, 310.0),
}
"""tools, calls, errors, p50 and p95"""

MISSING = {
    "asana": "ASANA_ACCESS_TOKEN",
    "codacy": "CODACY_ACCOUNT_TOKEN",
    "figma_context": "FIGMA_ACCESS_TOKEN",
    "gong_v2": "GONG_ACCESS_KEY",
    "hubspot_unified": "HUBSPOT_ACCESS_TOKEN",
    "lambda_labs_cli": "LAMBDA_API_KEY",
    "linear_v2": "LINEAR_API_KEY",
    "notion_v2": "NOTION_API_KEY",
    "openrouter_search": "OPENROUTER_API_KEY",
    "portkey_admin": "PORTKEY_API_KEY",
    "snowflake_unified": "SNOWFLAKE_ACCOUNT",
}

SEND = {
    "name": "send_message",
    "title": None,
    "description": "Post a message to a channel, or into a thread.\n\nNames of people and channels "
    "are resolved; the answer has the link of the message.",
    "kind": "write",
    "inputSchema": {
        "type": "object",
        "required": ["channel", "text"],
        "properties": {
            "channel": {
                "type": "string",
                "maxLength": 100,
                "description": "Name or id of a channel, such as #general or C0123456789",
            },
            "text": {"type": "string", "maxLength": 40000, "description": "In Markdown"},
            "thread_ts": {
                "anyOf": [
                    {"type": "string", "pattern": r"^\d{10}\.\d{6}$"},
                    {"type": "null"},
                ],
                "default": None,
                "description": "Reply in this message's thread, such as 1718000000.123456",
            },
            "unfurl_links": {
                "type": "boolean",
                "default": True,
                "description": "Show a preview of links",
            },
        },
    },
}
DELETE = {
    "name": "delete_message",
    "title": None,
    "description": "Delete a message that the bot sent.",
    "kind": "destroy",
    "inputSchema": {
        "type": "object",
        "required": ["ts"],
        "properties": {"ts": {"type": "string", "description": "The message's ts"}},
    },
}
SEARCH = {
    "name": "search_everything",
    "title": "Search everything",
    "description": "Search messages, files and people, with every sort of argument.",
    "kind": "read",
    "inputSchema": {
        "type": "object",
        "$defs": {
            "Order": {"enum": ["newest", "oldest"], "type": "string", "description": "The order"},
            "Range": {
                "type": "object",
                "required": ["since"],
                "description": "When it was written",
                "properties": {
                    "since": {"type": "string", "format": "date"},
                    "until": {"type": "string", "format": "date"},
                },
            },
        },
        "required": ["query"],
        "properties": {
            "query": {"type": "string", "minLength": 2, "maxLength": 200, "title": "Query"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "score": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
            "exact": {"type": "boolean", "default": False},
            "order": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}], "default": None},
            "version": {"const": 2},
            "kinds": {
                "type": "array",
                "items": {"enum": ["message", "file", "person"], "type": "string"},
            },
            "words": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "numbers": {
                "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]
            },
            "written": {"anyOf": [{"$ref": "#/$defs/Range"}, {"type": "null"}]},
            "filters": {
                "type": "array",
                "items": {"type": "object"},
                "description": "Conditions, as [{field, value}]",
            },
        },
    },
}
TOOLS = [SEARCH, SEND, DELETE]


def serving_page(path: Path) -> Reply:
    """A file, with the headers that the backend sends."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Reply(200, path.read_bytes(), headers)


def fleet() -> dict[str, Any]:
    """Three servers are ready, one is degraded, one is away; the others need a credential."""
    now = datetime.now(UTC)

    def error(seconds: int, **said: Any) -> dict[str, Any]:
        at = (now - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"at": at, "caller": "default", "reason": None, "ms": 210.0, **said}

    errors = {
        "github": [
            error(
                41,
                tool="list_workflow_runs",
                outcome="timeout",
                request_id="7c1f0a92e4b84c55",
                reason="GitHub did not answer within 15 s",
                ms=15012.0,
            ),
            error(
                388,
                tool="get_pull_request_diff",
                caller="ci",
                outcome="error",
                request_id="b02e9d1137aa4f60",
                reason="GitHub has no pull request 4012 in sophia/platform",
            ),
        ],
        "slack": [
            error(
                95,
                tool="send_message",
                outcome="invalid_arguments",
                request_id="19ab63c0d1f24d7e",
                reason="channel: there is no channel #relases",
                ms=3.1,
            )
        ],
    }
    servers = []
    for name, title in NAMES.items():
        tools, calls, failed, p50, p95 = READY.get(name, (12, 0, 0, None, None))
        status, detail = "ok", None
        if name == "github":
            status, detail = (
                "degraded",
                "GitHub left 5 requests of 5 unanswered; asked again in 8 s",
            )
        elif name == "ui_ux_agent":
            status, detail = "away", "no replica answers since 08:27"
        elif name in MISSING:
            status = "not_configured"
            detail = (
                f"{title} is not configured: {MISSING[name]} is not set. Ask the operator of this "
                "server for it; calling again changes nothing until then."
            )
        servers.append(
            {
                "name": name,
                "title": title,
                "status": status,
                "detail": detail,
                "replicas": 0 if status == "away" else 2 if name in READY else 1,
                "tools": 0 if status == "away" else tools,
                "calls": calls,
                "errors": failed,
                "p50_ms": p50,
                "p95_ms": p95,
                "recent_errors": errors.get(name, []),
            }
        )
    return {
        "caller": "default",
        "at": now.isoformat(),
        "window_s": 900,
        "servers": servers,
        "callers": [
            {"name": "default", "calls": 1620, "errors": 11},
            {"name": "ci", "calls": 214, "errors": 3},
            {"name": "research", "calls": 16, "errors": 0},
        ],
    }


def empty() -> dict[str, Any]:
    """The view of a caller who may use nothing."""
    return {"caller": "new", "at": "", "window_s": 900, "servers": [], "callers": []}


def answer(data: object, **changed: Any) -> Reply:
    """Of a tool."""
    said = {
        "is_error": False,
        "text": "",
        "data": data,
        "request_id": "4e5f60718293a4b5",
        "ms": 84.2,
    }
    return ok({**said, **changed})


def _signed(reply: Any) -> Any:
    """As the gateway: no token, no answer."""

    def answered(request: Request) -> Reply:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            message = "This token is not one of a caller. Ask the operator for one."
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": message}}
            return refused(401, error)
        return reply(request) if callable(reply) else reply

    return answered


def _found(request: Request) -> Reply:
    words = request.query.get("query", [""])[0].lower()
    tools = [
        {"server": "slack", "full_name": f"slack_{tool['name']}", **tool}
        for tool in TOOLS
        if words in f"{tool['name']} {tool['description']}".lower()
    ]
    return ok({"tools": tools, "cursor": None})


def play(service: Service) -> None:
    """All routes, with good answers."""
    service.routes["GET /"] = serving_page(PAGE / "index.html")
    for file in (PAGE / "assets").iterdir():
        service.routes[f"GET /assets/{file.name}"] = serving_page(file)
    slack = {
        **next(server for server in fleet()["servers"] if server["name"] == "slack"),
        "instructions": "list_channels and list_users find ids; search_messages reads.",
        "tools": TOOLS,
    }
    service.routes["GET /api/fleet"] = _signed(lambda _: ok(fleet()))
    service.routes["GET /api/servers/slack"] = _signed(ok(slack))
    service.routes["GET /api/tools"] = _signed(_found)
    service.routes["GET /api/dashboards"] = _signed(ok(page_dashboards.listed()))
    for name in read_dashboards():
        service.routes[f"GET /api/dashboards/{name}"] = _signed(page_dashboards.answering(name))
    for tool in TOOLS:
        service.routes[f"POST /api/tools/slack/{tool['name']}"] = _signed(answer({"done": True}))


@contextmanager
def serving() -> Iterator[Service]:
    with upstream.serving() as service:
        play(service)
        yield service
