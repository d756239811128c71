"""openrouter_search against a stand-in for OpenRouter's API that speaks real HTTP.

Shapes and errors: openrouter.ai/docs/api (list-all-models-and-their-properties,
list-all-endpoints-for-a-model, list-all-providers, get-current-api-key, get-remaining-credits,
get-request-&-usage-metadata-for-a-generation, create-a-chat-completion),
/docs/api-reference/errors, /limits, /docs/features/plugins/web-search, /provider-selection
(max_price), and the OpenAPI document in its TypeScript SDK.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_catalog.openrouter_search import catalogue
from tests.support import upstream as replies
from tests.support.polling import eventually
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Service

KEY = "sk-or-v1-never-shown"
CHAT = "POST /api/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]


def model(key: str, prompt: str, completion: str, **more: Any) -> dict[str, Any]:
    return {
        "id": key, "canonical_slug": f"{key}-2026-01-01", "name": key.split("/")[1].upper(),
        "created": 1_760_000_000, "description": "Thinks.", "context_length": 200_000,
        "architecture": {
            "modality": "text->text", "input_modalities": ["text", "image"],
            "output_modalities": ["text"], "tokenizer": "GPT", "instruct_type": None,
        },
        "pricing": {"prompt": prompt, "completion": completion, "request": "0", "image": "0"},
        "top_provider": {
            "context_length": 200_000, "max_completion_tokens": 64_000, "is_moderated": True,
        },
        "per_request_limits": None, "default_parameters": None,
        "supported_parameters": ["max_tokens", "temperature", "tools", "structured_outputs"],
        "links": {"details": f"/api/v1/models/{key}/endpoints"},
        **more,
    }  # fmt: skip


SONNET = model("anthropic/claude-sonnet-4.5", "0.000003", "0.000015", created=1_760_000_001)
MINI = model("openai/gpt-5-mini", "0.00000025", "0.000002", context_length=400_000)
FREE = model(
    "openai/gpt-oss-20b:free", "0", "0", supported_parameters=["max_tokens"],
    description="Open weights; claude writes of it.",
)  # fmt: skip
AUTO = model("openrouter/auto", "-1", "-1", context_length=2_000_000, top_provider=None)
EMBEDDING = model(
    "openai/text-embedding-3-small", "0.00000002", "0", supported_parameters=None,
    architecture={"input_modalities": ["text"], "output_modalities": ["embeddings"]},
)  # fmt: skip
BARE: dict[str, Any] = {"id": "acme/bare", "pricing": {}, "architecture": None, "name": None}
LISTED = [SONNET, MINI, FREE, AUTO, EMBEDDING, BARE]


def endpoint(provider: str, prompt: str, **more: Any) -> dict[str, Any]:
    return {
        "name": f"{provider} | x", "model_id": "x", "provider_name": provider,
        "tag": provider.lower(), "context_length": 200_000, "status": 0, "quantization": "fp8",
        "pricing": {"prompt": prompt, "completion": "0.000015", "discount": 0},
        "max_completion_tokens": 64_000, "supported_parameters": ["tools"],
        "latency_last_30m": {"p50": 800.5, "p75": 900, "p90": 990, "p99": 1500},
        "throughput_last_30m": None, "uptime_last_30m": 99.5, "uptime_last_1d": None, **more,
    }  # fmt: skip


ENDPOINTS = {
    "id": SONNET["id"], "name": "x", "created": 1, "description": "", "architecture": {},
    "endpoints": [endpoint("Vertex", "0.000004"), endpoint("Anthropic", "0.000003")],
}  # fmt: skip
PROVIDERS = [
    {"name": "OpenAI", "slug": "openai", "privacy_policy_url": "https://openai.com/privacy",
     "headquarters": "US", "datacenters": ["US", "IE"], "status_page_url": None},
    {"name": "Anthropic", "slug": "anthropic", "privacy_policy_url": None, "datacenters": None},
]  # fmt: skip
GENERATION = {
    "id": "gen-3bhGkxlo4XFrqiabUM7NDtwDzWwG", "model": "openai/gpt-5-mini", "total_cost": 0.0015,
    "provider_name": None, "created_at": "2026-07-15T23:33:19.433273+00:00", "latency": 1250,
    "native_tokens_prompt": 10, "native_tokens_completion": 25, "native_tokens_reasoning": 5,
    "finish_reason": "stop", "generation_time": None, "user_agent": "Mozilla/5.0",
}  # fmt: skip
INFO = {
    "label": "sk-or-v1-au7...890", "limit": 100, "limit_remaining": 74.5, "limit_reset": "monthly",
    "usage": 25.5, "usage_daily": 2.5, "usage_monthly": 25.5, "is_free_tier": False,
    "expires_at": None, "creator_user_id": "user_2dHFtVWx2n56w6HkM0000000000",
}  # fmt: skip
MANAGEMENT = {"error": {"code": 403, "message": "Only management keys can perform this operation"}}


def said(content: Any = "Hi.", finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/gpt-5-mini-2026",
        "provider": "OpenAI",
        "choices": [
            {"index": 0, "finish_reason": finish,
             "message": {"role": "assistant", "content": content, **more}},
        ],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 15, "total_tokens": 25, "cost": 0.0012,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }  # fmt: skip


def cited(url: str, content: str | None = None) -> dict[str, Any]:
    citation = {"url": url, "title": "A page", "content": content, "start_index": 1, "end_index": 2}
    return {"type": "url_citation", "url_citation": citation}


def found(data: object) -> Reply:
    return replies.ok({"data": data})


# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "openrouter_search",
    "OPENROUTER_API_URL",
    {"OPENROUTER_API_KEY": KEY, "OPENROUTER_SEARCH_MODEL": MINI["id"], "MCP_ALLOW_WRITES": "true"},
    {
        "GET /api/v1/models": found(LISTED),
        "GET /api/v1/models/anthropic/claude-sonnet-4.5/endpoints": found(ENDPOINTS),
        "GET /api/v1/providers": found(PROVIDERS),
        "GET /api/v1/generation": found(GENERATION),
        "GET /api/v1/key": found(INFO),
        "GET /api/v1/credits": found({"total_credits": 100.5, "total_usage": 25.75}),
        CHAT: replies.ok(said()),
    },
    {
        "list_models": {},
        "search_models": {"query": "claude", "supports": ["tools"]},
        "get_model": {"model": SONNET["id"]},
        "compare_models": {"model_ids": [SONNET["id"], MINI["id"]]},
        "list_model_endpoints": {"model": SONNET["id"]},
        "list_providers": {},
        "get_generation": {"generation_id": GENERATION["id"]},
        "get_credits": {},
        "chat_completion": {"model": MINI["id"], "messages": HELLO},
        "web_search": {"query": "What is new?"},
    },
    below="/api/v1",
    hidden=("sk-or-v1-au7", "user_2dHF"),
)


@pytest.fixture
def api() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def sent(api: Service) -> list[Any]:
    return [one.body for one in api.asked if one.method == "POST"]


def ids(page: dict[str, Any]) -> list[str]:
    return [one["id"] for one in page["models"]]


async def test_prices_are_numbers_per_million_tokens(api: Service):
    async with STAND_IN.connected(api) as tools:
        first = (await tools.ok("list_models"))["models"][0]
        whole = await tools.ok("get_model", model=AUTO["id"])
    assert (first["prompt_usd"], first["completion_usd"]) == (3, 15)
    assert first["features"] == ["tools", "structured_outputs"]
    assert "description" not in first
    assert (whole["prompt_usd"], whole["description"]) == (None, "Thinks.")
    assert api.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    assert api.asked[0].query == {"output_modalities": ["all"], "sort": ["most-popular"]}


async def test_the_list_is_asked_for_once_in_a_while(api: Service, monkeypatch: pytest.MonkeyPatch):
    async with STAND_IN.connected(api) as tools:
        await asyncio.gather(*(tools.ok("list_models") for _ in range(5)))
        assert len(api.asked) == 1
    monkeypatch.setattr(catalogue, "KEPT_S", 0.0)
    async with STAND_IN.connected(api) as tools:
        await tools.ok("list_models")
        await tools.ok("list_models")
    assert len(api.asked) == 3


SEARCHES: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"query": "Claude"}, [SONNET, FREE]),
    ({"query": "gpt 20b"}, [FREE]),
    ({"query": "nothing has this"}, []),
    ({"free_only": True}, [FREE]),
    ({"max_prompt_usd": 0.25, "max_completion_usd": 2}, [MINI, FREE]),
    ({"min_context": 300_000}, [MINI, AUTO]),
    ({"supports": ["tools", "structured_outputs"], "sort": "cheapest"}, [MINI, SONNET, AUTO]),
    ({"output": "embeddings"}, [EMBEDDING]),
    ({"input": "image", "sort": "newest"}, [SONNET, MINI, FREE, AUTO]),
    ({"sort": "context"}, [AUTO, MINI, SONNET, FREE]),
    ({"sort": "intelligence", "query": "claude"}, [SONNET, FREE]),
]


async def test_a_search_filters_and_sorts(api: Service):
    async with STAND_IN.connected(api) as tools:
        for asked, expected in SEARCHES:
            page = await tools.ok("search_models", **asked)
            assert ids(page) == [one["id"] for one in expected], asked
            assert page["total"] == len(expected)


async def test_pages_lead_to_all_and_to_nothing_else(api: Service):
    text = "long " * 1_000
    many = [model(f"acme/m{n}", "0.000001", "0.000002", description=text) for n in range(250)]
    api.routes["GET /api/v1/models"] = found(many)
    seen: list[list[str]] = []
    cursor = None
    async with STAND_IN.connected(api) as tools:
        while cursor or not seen:
            page = await tools.ok("list_models", limit=100, cursor=cursor)
            seen, cursor = [*seen, ids(page)], page["next_cursor"]
        for bad in ("WyItMSJd", "WyJhIl0=", "5"):
            assert "cursor: expected" in await tools.error("list_models", cursor=bad)
    assert [key for page in seen for key in page] == [one["id"] for one in many]
    assert [len(page) for page in seen] == [100, 100, 50]


async def test_what_no_model_has_is_told(api: Service):
    async with STAND_IN.connected(api) as tools:
        unknown = await tools.error("search_models", supports=["tools", "functions"])
        typo = await tools.error("get_model", model="anthropic/claude-sonet-4.5")
        short = await tools.error("get_model", model="acme/gpt-5-mini")
        outside = await tools.error("get_model", model="../credits")
    assert "no model has functions" in unknown
    assert "did you mean anthropic/claude-sonnet-4.5" in typo
    assert MINI["id"] in short
    assert len(api.asked) == 1
    assert "OpenRouter has no" in outside


async def test_a_model_is_found_by_its_variants(api: Service):
    variants = {
        "anthropic/claude-sonnet-4.5:nitro": SONNET,
        "Anthropic/Claude-Sonnet-4.5": SONNET,
        "openai/gpt-5-mini-2026-01-01": MINI,
        "openai/gpt-oss-20b:free:online": FREE,
    }
    async with STAND_IN.connected(api) as tools:
        for asked, expected in variants.items():
            assert (await tools.ok("get_model", model=asked))["id"] == expected["id"]
        assert "has no" in await tools.error("get_model", model=f"{SONNET['id']}:free")


async def test_models_are_compared_by_what_a_call_costs(api: Service):
    long = {"min_prompt_tokens": 200_000, "prompt": "0.000006"}
    dear = {**SONNET, "pricing": {**SONNET["pricing"], "request": "0.01", "overrides": [long]}}
    api.routes["GET /api/v1/models"] = found([dear, MINI, AUTO])
    asked = [AUTO["id"], dear["id"], MINI["id"], MINI["id"]]
    async with STAND_IN.connected(api) as tools:
        few = await tools.ok("compare_models", model_ids=asked, prompt_tokens=1_000_000)
        await tools.error("compare_models", model_ids=[dear["id"]])
    assert [(one["model"]["id"], one["example_usd"]) for one in few["result"]] == [
        (MINI["id"], pytest.approx(0.252)),
        (dear["id"], pytest.approx(6 + 0.015 + 0.01)),
        (AUTO["id"], None),
    ]


async def test_endpoints_come_cheapest_first(api: Service):
    async with STAND_IN.connected(api) as tools:
        listed = await tools.ok("list_model_endpoints", model=f"{SONNET['id']}:nitro")
        named = await tools.ok("list_providers", query="open")
    assert [one["provider"] for one in listed["result"]] == ["Anthropic", "Vertex"]
    assert listed["result"][0]["latency_ms"] == 800.5
    assert listed["result"][0]["tokens_per_second"] is None
    assert [one["slug"] for one in named["result"]] == ["openai"]


async def test_credits_without_a_management_key_are_those_of_the_key(api: Service):
    async with STAND_IN.connected(api) as tools:
        await tools.ok("chat_completion", model=MINI["id"], messages=HELLO)
        whole = await tools.ok("get_credits")
        api.routes["GET /api/v1/credits"] = replies.refused(403, MANAGEMENT)
        part = await tools.ok("get_credits")
        api.routes["GET /api/v1/credits"] = replies.refused(401, MANAGEMENT)
        assert "401" in await tools.error("get_credits")
    assert whole["account"] == {"total_credits": 100.5, "total_usage": 25.75}
    assert whole["server_spent_today"] == 0.0012
    assert (part["account"], part["key"]["limit_remaining"]) == (None, 74.5)


async def test_a_generation_that_is_not_known_yet_says_so(api: Service):
    api.routes["GET /api/v1/generation"] = replies.refused(404, {"error": {"message": "no"}})
    async with STAND_IN.connected(api) as tools:
        assert "some seconds" in await tools.error("get_generation", generation_id="gen-1")


async def test_an_answer_comes_with_what_it_cost(api: Service):
    async with STAND_IN.connected(api) as tools:
        answer = await tools.ok(
            "chat_completion", model=MINI["id"], messages=HELLO, max_tokens=500, temperature=0.5,
            reasoning_effort="low", json_schema={"type": "object"}, providers=["openai"],
        )  # fmt: skip
    [body] = sent(api)
    limits = body["provider"].pop("max_price")
    schema = {"name": "answer", "strict": True, "schema": {"type": "object"}}
    assert body == {
        "model": MINI["id"], "messages": HELLO, "max_tokens": 500, "temperature": 0.5,
        "provider": {"only": ["openai"]}, "reasoning": {"effort": "low"},
        "response_format": {"type": "json_schema", "json_schema": schema},
    }  # fmt: skip
    assert limits["completion"] / limits["prompt"] == pytest.approx(8)
    assert 11 * limits["prompt"] + 500 * limits["completion"] == pytest.approx(100_000)
    assert answer == {
        "text": "Hi.", "note": None, "citations": [], "model": "openai/gpt-5-mini-2026",
        "provider": "OpenAI", "generation_id": "gen-1", "finish_reason": "stop",
        "prompt_tokens": 10, "completion_tokens": 15, "reasoning_tokens": 5, "usd": 0.0012,
        "usd_estimated": pytest.approx(0.001003, abs=1e-6), "server_spent_today": 0.0012,
        "key_left": 74.4988,
    }  # fmt: skip


ODD: list[tuple[Any, str | None, dict[str, Any], str, str | None]] = [
    ("Half", "length", {}, "Half", "cut at max_tokens: raise it."),
    (None, "length", {}, "", "lower reasoning_effort"),
    (None, None, {}, "", "said nothing"),
    (None, "stop", {"refusal": "No."}, "No.", None),
    ([{"type": "text", "text": "A"}, {"type": "image"}, "B"], "stop", {}, "A", None),
    ("x" * 30_000, "stop", {"annotations": None}, "x" * 24_000 + "… [cut", None),
    ("It", "a_new_reason", {}, "It", None),
]


async def test_odd_answers(api: Service):
    api.routes["GET /api/v1/key"] = replies.refused(500, {})
    async with STAND_IN.connected(api) as tools:
        for content, finish, more, text, note in ODD:
            api.routes[CHAT] = replies.ok(said(content, finish, **more))
            answer = await tools.ok("chat_completion", model=MINI["id"], messages=HELLO)
            assert answer["text"].startswith(text)
            assert answer["key_left"] is None
            assert (answer["note"] is None) == (note is None)
            assert (note or "") in (answer["note"] or "")


async def test_a_search_has_its_pages_once_and_its_price(api: Service):
    pages = [cited("https://a.example", "y" * 900), cited("https://b.example")]
    file = {"type": "file", "file": {"hash": "x"}}
    api.routes[CHAT] = replies.ok(said(annotations=[*pages, pages[0], file]))
    async with STAND_IN.connected(api) as tools:
        answer = await tools.ok(
            "web_search", query="What?", max_results=3, include_domains=["a.example"]
        )
        await tools.ok("chat_completion", model=f"{FREE['id']}:online", messages=HELLO)
    assert [one["url"] for one in answer["citations"]] == ["https://a.example", "https://b.example"]
    assert "[cut: 500 of 900" in answer["citations"][0]["excerpt"]
    assert answer["usd_estimated"] > 0.007
    search, online = sent(api)
    web = {"id": "web", "engine": "exa"}
    assert search["plugins"] == [{**web, "max_results": 3, "include_domains": ["a.example"]}]
    assert search["model"] == MINI["id"]
    assert (online["model"], online["plugins"]) == (FREE["id"], [{**web, "max_results": 5}])


@pytest.mark.parametrize(
    ("asked", "settings", "expected"),
    [
        ({"max_tokens": 8_000}, {}, "OPENROUTER_MAX_USD_PER_CALL"),
        ({"messages": [{"role": "user", "content": "x" * 200_000}]}, {}, "might cost $0.2150"),
        ({}, {"OPENROUTER_MAX_USD_PER_DAY": "0.01"}, "OPENROUTER_MAX_USD_PER_DAY"),
        ({"model": MINI["id"]}, {"OPENROUTER_MAX_USD_PER_CALL": "0"}, "above the $0 that"),
        ({"model": f"{FREE['id']}:online"}, {"OPENROUTER_MAX_USD_PER_CALL": "0"}, "$0.0070"),
        ({"model": EMBEDDING["id"]}, {}, "does not answer with text"),
        ({"model": "gpt-5"}, {}, "pattern"),
        ({"messages": []}, {}, "at least 1 item"),
        ({"messages": [{"role": "tool", "content": "x"}]}, {}, "'system', 'user' or 'assistant'"),
    ],
)
async def test_what_might_cost_too_much_is_never_sent(
    api: Service, asked: dict[str, Any], settings: dict[str, str], expected: str
):
    arguments = {"model": SONNET["id"], "messages": HELLO, **asked}
    async with STAND_IN.connected(api, **settings) as tools:
        assert expected in await tools.error("chat_completion", **arguments)
    assert sent(api) == []


async def test_a_model_that_knows_no_max_tokens_is_estimated_by_its_longest_answer(api: Service):
    endless = {**SONNET, "supported_parameters": ["temperature"]}
    api.routes["GET /api/v1/models"] = found([endless])
    async with STAND_IN.connected(api) as tools:
        text = await tools.error("chat_completion", model=SONNET["id"], messages=HELLO)
    assert "might cost $0.9600" in text


async def test_of_a_router_the_limit_is_the_estimate(api: Service):
    async with STAND_IN.connected(api, OPENROUTER_MAX_USD_PER_DAY="0.15") as tools:
        call = {"model": AUTO["id"], "messages": HELLO}
        answers = [await tools.ok("chat_completion", **call) for _ in range(2)]
    async with STAND_IN.connected(api, OPENROUTER_MAX_USD_PER_CALL="0") as tools:
        free = await tools.ok("chat_completion", model=FREE["id"], messages=HELLO)
    assert [one["usd_estimated"] for one in answers] == [0.1, 0.1]
    assert free["usd_estimated"] == 0
    limits = sent(api)[0]["provider"]["max_price"]
    assert limits["prompt"] == limits["completion"] == pytest.approx(0.1e6 / 1_011)


async def test_calls_at_once_do_not_pass_the_days_limit_together(api: Service):
    going_on = threading.Event()
    body = replies.ok(said()).body

    def act(_: Service, connection: socket.socket) -> None:
        going_on.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async def asked() -> int:
        return len(sent(api))

    api.routes[CHAT] = Reply(act=act)
    call = {"model": AUTO["id"], "messages": HELLO}
    settings = {"OPENROUTER_MAX_USD_PER_CALL": "0.08", "OPENROUTER_MAX_USD_PER_DAY": "0.08"}
    async with STAND_IN.connected(api, **settings) as tools:
        first = asyncio.create_task(tools.ok("chat_completion", **call))
        await eventually(asked, bool, "the first call arrives")
        refused = await tools.error("chat_completion", model=SONNET["id"], messages=HELLO)
        going_on.set()
        await first
        await tools.ok("chat_completion", model=SONNET["id"], messages=HELLO)
    assert "of today's $0.08 are spent" in refused
    assert len(sent(api)) == 2


def problem(code: int, **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Provider returned error", "metadata": metadata}}


BROKEN = {**said("Ha"), "choices": [{"finish_reason": "error", "message": {}, **problem(502)}]}
FALLBACK = {"error": {"message": "gone", "availability": {"fallback_models": ["a/b"]}}}


@pytest.mark.parametrize(
    ("reply", "expected", "spent"),
    [
        (replies.refused(402, problem(402)), "search_models with free_only", 0),
        (replies.refused(403, problem(403, reasons=["violence"])), "Because of: violence.", 0),
        (replies.refused(403, problem(403, patterns=["ignore"])), "Because of: ignore.", 0),
        (replies.refused(408, problem(408)), "take a faster model", 0),
        (replies.refused(429, problem(429, raw="slow down", provider_name="Acme")),
         "Acme says: slow down", 0),
        (replies.refused(400, problem(400, raw={"error": KEY})), '{"error": "***"}', 0),
        (replies.refused(404, FALLBACK), "OpenRouter suggests a/b.", 0),
        (replies.refused(503, problem(503)), "None within the price", 0.002003),
        (replies.refused(529, problem(529)), "It may have cost up to $0.0020", 0.002003),
        (replies.ok(problem(502, raw="down")), "The provider says: down", 0),
        (replies.ok(BROKEN), "OpenRouter's chat refused: 502", 0.0012),
        (replies.ok({"error": f"bad {KEY}"}), "bad ***", 0),
        (replies.ok({"id": "gen-1", "choices": []}), "without choices", 0),
        (replies.ok({"choices": [{"error": "down"}], "usage": None}), "refused: down", 0),
        (replies.page("Sign in"), "HTML page", 0.002003),
        (replies.reset(), "It may have cost up to", 0.002003),
    ],
)  # fmt: skip
async def test_an_error_is_asked_for_once_and_says_what_next(
    api: Service, reply: Reply, expected: str, spent: float
):
    api.routes[CHAT] = reply
    async with STAND_IN.connected(api) as tools:
        text = await tools.error("chat_completion", model=MINI["id"], messages=HELLO)
        left = await tools.ok("get_credits")
    assert expected.lower() in text.lower()
    assert KEY not in text
    assert len(sent(api)) == 1
    assert left["server_spent_today"] == pytest.approx(spent, abs=1e-6)


async def test_a_slow_model_ends_in_time_and_may_have_cost(api: Service):
    api.routes[CHAT] = replies.hanging()
    async with STAND_IN.connected(api, GRACE_SECONDS="2") as tools:
        text = await tools.error("chat_completion", model=MINI["id"], messages=HELLO)
        left = await tools.ok("get_credits")
    assert "no answer" in text
    assert "It may have cost up to $0.0020" in text
    assert left["server_spent_today"] > 0.002
    assert len(sent(api)) == 1


def test_a_model_has_nearly_as_long_as_a_tool(api: Service):
    chat = STAND_IN.built(api, GRACE_SECONDS="65")._upstreams[-1]
    assert 58.5 > chat._limits.read_s == chat._limits.deadline_s > 55


async def test_it_spends_only_where_that_is_allowed(api: Service):
    async with STAND_IN.connected(api, MCP_ALLOW_WRITES="false") as tools:
        assert not {"chat_completion", "web_search"} & (await tools.listed()).keys()


async def test_without_its_key_it_starts_and_says_so(api: Service):
    async with STAND_IN.connected(api, OPENROUTER_API_KEY="") as tools:
        assert "OPENROUTER_API_KEY is not set" in await tools.error("list_models")
        text = await tools.error("chat_completion", model=MINI["id"], messages=HELLO)
        assert "OPENROUTER_API_KEY is not set" in text
    assert api.asked == []
