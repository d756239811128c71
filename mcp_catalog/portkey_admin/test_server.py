"""portkey_admin against a stand-in for Portkey's admin API that speaks real HTTP.

Shapes: the OpenAPI document in Portkey-AI/openapi (openapi.yaml), and portkey.ai/docs:
/api-reference/admin-api/introduction and /error, /api-reference/inference-api/config-object,
/product/enterprise-offering/org-management/api-keys-authn-and-authz. The document says configs
come as {"success", "data"}; the service gives them flat, with the config as a text of JSON (the
recorded answers of CodesWhat/portkey-admin-mcp). The tests have both.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sophia_mcp.pages import cursor

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

KEY = "pk-admin-key-never-shown"
CANARY = "c4n4ry"
WS, WS_ID = "ws-shared-e2a85b", "6e5a9f93-ae3a-46b4-a87d-2464d373ef7e"
SLUG = "pc-router-250449"
NAMED = {
    "id": "ffccf32d-649e-410a-ad59-ccce5eed317c", "name": "Router", "status": "active",
    "workspace_id": WS_ID, "organisation_id": "02dc3530", "created_at": "2026-04-12T17:07:59.000Z",
    "last_updated_at": "2026-04-12T17:07:59.000Z",
}  # fmt: skip
BUDGET = {
    "credit_limit": 10, "type": "cost", "alert_threshold": 8, "periodic_reset": "monthly",
    "next_usage_reset_at": "2026-12-01T00:00:00Z",
}  # fmt: skip
RATE = {"type": "requests", "unit": "rpm", "value": 60}

SECRETS = {
    "api_key": f"{CANARY}-1", "apiKey": f"{CANARY}-2", "Authorization": f"{CANARY}-3",
    "aws_secret_access_key": f"{CANARY}-4", "aws_session_token": f"{CANARY}-5",
    "aws_access_key_id": f"{CANARY}-6", "custom_headers": {"x-team": f"{CANARY}-7"},
    "vertex_service_account_json": {"client_email": f"{CANARY}-8"},
    "custom_host": f"https://ann:{CANARY}-9@llm.example/v1?sig={CANARY}-10",
    "override_params": {"extra": [f"Bearer {CANARY}-11-0123"], "azure_ad_token": f"{CANARY}-12"},
    "input_guardrails": [{"default.webhook": {"headers": f'{{"a": "{CANARY}-13"}}'}}],
    "body": f'{{"a": 1, "api_key": "{CANARY}-14"}}', "note": f"it was sk-{CANARY}0123456789abcdef",
}  # fmt: skip
SHOWN = {
    "strategy": {"mode": "fallback", "on_status_codes": [429]},
    "targets": [
        {"virtual_key": "openai-prod", "weight": 1, "override_params": {"max_tokens": 5}},
        {
            "provider": "@azure",
            "forward_headers": ["x-trace"],
            "input_guardrails": ["pg-pii-1"],
            "override_params": {"tokenizer": "o200k"},
        },
    ],
    "cache": {"mode": "simple", "max_age": 3600},
}
CONFIG = {**SHOWN, "targets": [*SHOWN["targets"], {"provider": "openai", **SECRETS}]}
WHOLE = {
    **NAMED, "slug": SLUG, "is_default": 0, "config": json.dumps(CONFIG), "format": "json",
    "type": "ORG_CONFIG", "version_id": "f506242b", "object": "config",
}  # fmt: skip
PROVIDER = {
    **NAMED, "slug": "openai-prod", "provider": "openai",
    "note": f"key sk-{CANARY}0123456789abcdef",
    "integration_id": "openai", "usage_limits": BUDGET, "rate_limits": [RATE], "expires_at": None,
    "key": CANARY, "masked_api_key": f"{CANARY}*****X7a",
    "model_config": {"awsSecretAccessKey": CANARY}, "object": "virtual-key",
}  # fmt: skip
API_KEY = {
    **NAMED, "key": f"{CANARY}*****3AX", "type": "workspace-service", "user_id": None,
    "description": None, "scopes": ["configs.read", "logs.list"], "rate_limits": [],
    "usage_limits": {"is_expired_alerts_sent": True}, "expires_at": None,
    "defaults": {"metadata": {"team": "web", "api_token": CANARY}, "config_id": SLUG},
}  # fmt: skip
WORKSPACE = {
    **NAMED, "id": WS_ID, "slug": WS, "name": "Shared", "is_default": 1, "defaults": None,
    "usage_limits": [{**BUDGET, "type": "tokens"}], "rate_limits": None,
}  # fmt: skip
POLICY = {
    "id": "p-1", "name": None, "status": "active", "workspace_id": WS_ID, **BUDGET,
    "conditions": [{"key": "metadata.team", "value": "web"}], "group_by": [{"key": "api_key"}],
}  # fmt: skip
PROMPT = {
    **NAMED, "slug": "pp-sum-5cd6b6", "collection_id": "98fa680b", "model": "gpt-5",
    "prompt_version": 3, "prompt_version_description": None, "string": "x" * 30_000,
    "variable_components": {"variables": ["text"], "partials": []},
    "parameters": {"max_tokens": 9, "api_key": CANARY}, "virtual_key": "openai-prod",
    "tools": [{"type": "function", "function": {"name": "find"}}, None], "functions": None,
}  # fmt: skip


def listed(*entries: object, total: int | None = None) -> Reply:
    counted = len(entries) if total is None else total
    return replies.ok({"object": "list", "total": counted, "data": [*entries]})


def graph(summary: dict[str, Any], *points: dict[str, Any]) -> Reply:
    timed = [{"timestamp": f"2026-11-0{n}T00:00:00Z", **one} for n, one in enumerate(points, 1)]
    return replies.ok({"summary": summary, "data_points": timed, "object": "analytics-graph"})


ERRORS = [{"status_code": 429, "count": 3}]
GRAPHS = {
    "requests": graph({"total": 30}, {"total": 10}, {"total": 20}),
    "tokens": graph({"total": "900", "avg": 30.5}, {"total": 300, "avg": 30}),
    "users": graph({"total": 2}, {"total": 1}, {"total": 2}),
    "cost": graph({"total": 1234.5, "avg": 41}, {"total": 1234.5, "avg": 41}),
    "errors": graph({"total": 3}, {"total": 3}),
    "errors/rate": graph({"rate": 10}, {"rate": 10}),
    "errors/status-codes": replies.ok({"summary": {"total_errors": 3}, "data_points": ERRORS}),
    "requests/rescued": graph({"retry": 2, "fallback": 1}, {"retry": [], "fallback": 1}),
    "latency": graph({"avg": 900, "p50": 800, "p90": 1500, "p99": 4000}, {"p50": 1, "p99": 2}),
    "cache/hit-rate": graph(
        {"total": 7, "rate": 23},
        {"cumulative_simple_cache_savings": 50, "cumulative_semantic_cache_savings": 25},
    ),
}
GROUP = {"requests": "12", "cost": "250.5", "object": "analytics-group"}

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "portkey_admin",
    "PORTKEY_BASE_URL",
    {"PORTKEY_API_KEY": KEY, "MCP_ALLOW_WRITES": "true"},
    {
        "GET /v1/configs": listed(*[{**NAMED, "slug": f"pc-{n}", "is_default": n == 0}
                                    for n in range(3)]),
        f"GET /v1/configs/{SLUG}": replies.ok(WHOLE),
        f"GET /v1/configs/{SLUG}/versions": listed({**WHOLE, "updated_by": "7a17687e"}),
        "POST /v1/configs": replies.ok({"success": True, "data": {"id": "1", "version_id": "2"}}),
        f"PUT /v1/configs/{SLUG}": replies.ok({"success": True, "data": {"version_id": "3"}}),
        "GET /v1/providers": listed(PROVIDER),
        "GET /v1/virtual-keys": listed(PROVIDER),
        "GET /v1/integrations": listed({**NAMED, "ai_provider_id": "openai", "masked_key": CANARY}),
        "GET /v1/models": listed({"id": "@openai-prod/gpt-5", "canonical_slug": "gpt-5"}),
        "GET /v1/guardrails": listed({**NAMED, "slug": "pg-pii-1"}),
        "GET /v1/prompts": listed(PROMPT),
        "GET /v1/prompts/pp-sum-5cd6b6": replies.ok(PROMPT),
        "GET /v1/api-keys": listed(API_KEY),
        "GET /v1/admin/workspaces": listed(WORKSPACE),
        f"GET /v1/admin/workspaces/{WS}": replies.ok(WORKSPACE),
        f"GET /v1/admin/workspaces/{WS_ID}": replies.ok(WORKSPACE),
        "GET /v1/policies/usage-limits": listed(POLICY),
        "GET /v1/policies/rate-limits": listed({**POLICY, **RATE, "credit_limit": None}),
        "GET /v1/policies/usage-limits/p-1/entities": listed(
            {"id": "e", "value_key": "metadata._user:ann", "current_usage": 7.5}
        ),
        **{f"GET /v1/analytics/graphs/{name}": reply for name, reply in GRAPHS.items()},
        "GET /v1/analytics/groups/users": listed({"user": "ann", **GROUP}),
        "GET /v1/analytics/groups/ai-models": listed({"ai_model": "gpt-5", "requests": "12"}),
        "GET /v1/analytics/groups/metadata/team": listed(
            {"metadata_value": "web", **GROUP, "avg_tokens": 31, "last_seen": None}
        ),
    },
    {
        "list_configs": {"limit": 2},
        "get_config": {"slug": SLUG},
        "list_config_versions": {"slug": SLUG},
        "create_config": {"name": "New", "config": {"retry": {"attempts": 3}}},
        "update_config": {"slug": SLUG, "name": "Renamed"},
        "list_providers": {},
        "list_virtual_keys": {},
        "list_integrations": {},
        "list_models": {},
        "list_guardrails": {},
        "list_prompts": {},
        "get_prompt": {"prompt": "pp-sum-5cd6b6"},
        "list_api_keys": {},
        "list_workspaces": {},
        "list_limit_policies": {},
        "list_policy_usage": {"policy_id": "p-1"},
        "get_usage_analytics": {},
        "get_cost_analytics": {},
        "get_health_analytics": {},
        "get_grouped_analytics": {"by": "user"},
    },
    below="/v1",
    hidden=(CANARY,),
)  # fmt: skip


@pytest.fixture
def portkey() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


def query(portkey: Service, number: int = -1) -> dict[str, str]:
    return {name: given[0] for name, given in portkey.asked[number].query.items()}


async def test_secrets_in_a_config_are_hidden_and_the_rest_is_not(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        flat = await tools.ok("get_config", slug=SLUG)
        portkey.queue.append(replies.ok({"success": True, "data": {"config": CONFIG}}))
        documented = await tools.ok("get_config", slug=SLUG)
        [version] = (await tools.ok("list_config_versions", slug=SLUG))["items"]
    *shown, secret = flat["config"].pop("targets")
    assert {**flat["config"], "targets": shown} == SHOWN
    assert secret.pop("provider") == "openai"
    assert secret.keys() == SECRETS.keys()
    assert secret["custom_host"] == "https://[hidden]@llm.example/v1?[hidden]"
    assert secret["note"] == "it was [hidden]"
    assert CANARY not in json.dumps([flat, documented, version])
    assert documented["slug"] == SLUG
    assert documented["config"] == version["config"]
    assert portkey.asked[0].headers["x-portkey-api-key"] == KEY


@pytest.mark.parametrize(
    "text", ["sk-ant-api03-0123456789abcdef", "AKIA0123456789ABCDEF", "Basic YW5uOnNlY3JldA==",
             "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", "-----BEGIN PRIVATE KEY-----\nMII",
             "https://hooks.example/x?token=0123", "[hidden]"],
)  # fmt: skip
async def test_a_config_with_a_secret_is_never_sent(portkey: Service, text: str):
    target = {"provider": "openai", "override_params": {"user": text}}
    async with STAND_IN.connected(portkey) as tools:
        said = await tools.error("create_config", name="New", config=target)
        named = await tools.error("update_config", slug=SLUG, config={"apiKey": CANARY})
    assert "config.override_params.user: got a secret" in said
    assert "config.apiKey: got a secret" in named
    assert text == "[hidden]" or text not in said
    assert CANARY not in named
    assert portkey.asked == []


async def test_what_is_nested_too_deep_is_hidden_and_not_sent(portkey: Service):
    deep = f'{{"retry": {"[" * 900}"{CANARY}"{"]" * 900}}}'
    portkey.routes[f"GET /v1/configs/{SLUG}"] = replies.ok({**WHOLE, "config": deep})
    targets = '{"strategy": {"mode": "single"}, "targets": [' * 300 + "]}" * 300
    async with STAND_IN.connected(portkey) as tools:
        assert CANARY not in json.dumps(await tools.ok("get_config", slug=SLUG))
        said = await tools.error("create_config", name="New", config=targets)
    assert "more than 40 levels" in said
    assert len(said) < 1_000
    assert len(portkey.asked) == 1


CONDITIONAL = {"mode": "conditional", "conditions": [{"query": {}, "then": "b"}], "default": "a"}
A_B = [{"name": "a", "provider": "@a"}, {"name": "b", "virtual_key": "b"}]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "config: expected at least one of strategy with targets"),
        ({"strategy": {"mode": "random"}, "targets": [{}]},
         "config.strategy.mode: Input should be 'single', 'loadbalance', 'fallback' or"),
        ({"targets": [{"provider": "@a"}]}, "config: Value error, expected both strategy and"),
        ({"strategy": {"mode": "fallback"}, "targets": []}, "config.targets: List should have at"),
        ({"strategy": {"mode": "fallback"}, "targets": ["@a"]}, "config.targets.0: Input should"),
        ({"retry": {"attempts": 6}, "cache": {"max_age": 60}}, "config.cache.mode: Field required"),
        ({"retry": {"attempts": 6}, "cache": {"max_age": 60}}, "config.retry.attempts: Input"),
        ({"retry": {"attempts": 3, "on_status_codes": ["429"]}}, "on_status_codes.0: Input should"),
        ({"strategy": {**CONDITIONAL, "default": "c"}, "targets": A_B}, "names of targets, got c"),
        ({"strategy": {"mode": "conditional"}, "targets": A_B}, "expected conditions and default"),
        ("not JSON", "valid dictionary"),
    ],
)  # fmt: skip
async def test_what_is_no_config_is_refused_with_all_that_is_wrong(
    portkey: Service, config: object, said: str
):
    async with STAND_IN.connected(portkey) as tools:
        assert said in await tools.error("create_config", name="New", config=config)
    assert portkey.asked == []


async def test_a_config_is_sent_as_given(portkey: Service):
    config = {"strategy": CONDITIONAL, "targets": A_B, "new_option": [1]}
    async with STAND_IN.connected(portkey) as tools:
        created = await tools.ok(
            "create_config", name="New", config=json.dumps(config), workspace=WS, is_default=True
        )
        renamed = await tools.ok("update_config", slug=SLUG, name="Renamed")
        portkey.queue.append(replies.ok(WHOLE))
        await tools.ok("update_config", slug=SLUG, config={"retry": {"attempts": 1}})
        nothing = await tools.error("update_config", slug=SLUG)
    assert created == {"id": "1", "slug": None, "version_id": "2"}
    assert renamed == {"slug": SLUG, "version_id": "3"}
    assert [asked.body for asked in portkey.asked] == [
        None,
        {"name": "New", "config": config, "isDefault": 1, "workspace_id": WS_ID},
        {"name": "Renamed"},
        {"config": {"retry": {"attempts": 1}}},
    ]
    assert "expected a name, a config or a status" in nothing


async def test_it_writes_only_where_that_is_allowed(portkey: Service):
    async with STAND_IN.connected(portkey, MCP_ALLOW_WRITES="false") as tools:
        assert set(STAND_IN.calls) - set(await tools.listed()) == {"create_config", "update_config"}


async def test_a_list_leads_on_where_portkey_knows_pages_and_where_it_does_not(portkey: Service):
    def paged(asked: Request) -> Reply:
        page, size = int(asked.query["current_page"][0]), int(asked.query["page_size"][0])
        every = [{**NAMED, "slug": f"pp-{n}", "id": str(n)} for n in range(5)]
        return listed(*every[page * size : (page + 1) * size], total=5)

    portkey.routes["GET /v1/prompts"] = paged
    async with STAND_IN.connected(portkey) as tools:
        for tool, limit, slugs in (("list_configs", 2, "pc-012"), ("list_prompts", 2, "pp-01234")):
            seen, page = [], await tools.ok(tool, limit=limit)
            seen += page["items"]
            while page["next_cursor"]:
                page = await tools.ok(tool, limit=50, cursor=page["next_cursor"])
                seen += page["items"]
            assert "".join(one["slug"][3:] for one in seen) == slugs[3:]
            assert page["total"] == len(seen)
        portkey.queue.append(listed(total=90))
        assert (await tools.ok("list_prompts", search="a b"))["next_cursor"] is None
        assert query(portkey)["search"] == "a b"
        for wrong in ("2", cursor("0", "0"), cursor("1", "1000")):
            assert "cursor: expected" in await tools.error("list_prompts", cursor=wrong)
        portkey.queue.append(replies.ok({"data": None}))
        assert (await tools.ok("list_models", provider="openai-prod"))["items"] == []
    assert query(portkey) == {"offset": "0", "limit": "50", "provider": "openai-prod"}


async def test_limits_are_shown_with_their_unit_and_keys_without_their_value(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        [provider] = (await tools.ok("list_providers", workspace=WS))["items"]
        assert query(portkey)["workspace_id"] == WS
        [key] = (await tools.ok("list_api_keys"))["items"]
        [workspace] = (await tools.ok("list_workspaces"))["items"]
        [budget] = (await tools.ok("list_limit_policies"))["items"]
        [rate] = (await tools.ok("list_limit_policies", kind="rate"))["items"]
        [used] = (await tools.ok("list_policy_usage", policy_id="p-1"))["items"]
    monthly = {"amount": 10, "unit": "usd", "alert_at": 8, "resets": "monthly",
               "resets_every_days": None, "next_reset_at": "2026-12-01T00:00:00Z"}  # fmt: skip
    assert provider["budgets"] == budget["budgets"] == [monthly]
    assert provider["rate_limits"] == [{"amount": 60, "of": "requests", "per": "minute"}]
    assert provider["note"] == "key [hidden]"
    assert key["metadata"] == {"team": "web", "api_token": "[hidden]"}
    assert (key["budgets"], key["default_config"]) == ([], SLUG)
    assert workspace["budgets"] == [{**monthly, "unit": "tokens"}]
    assert (rate["budgets"], rate["rate_limits"]) == ([], provider["rate_limits"])
    assert (budget["rate_limits"], budget["group_by"][0]["key"]) == ([], "api_key")
    assert used == {"who": "metadata._user:ann", "used": 7.5}


async def test_a_prompt_is_cut_and_names_its_variables_and_tools(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        prompt = await tools.ok("get_prompt", prompt="pp-sum-5cd6b6")
    assert prompt["template"].endswith("[cut: 20000 of 30000 characters]")
    assert (prompt["variables"], prompt["tools"], prompt["version"]) == (["text"], ["find"], 3)
    assert prompt["parameters"] == {"max_tokens": 9, "api_key": "[hidden]"}


async def test_costs_are_in_dollars_and_say_of_what_time(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        cost = await tools.ok("get_cost_analytics", start="2026-11-01", end="2026-11-07")
        first = query(portkey)
        await tools.ok("get_cost_analytics", start="2026-11-01T09:30:00+05:30", end="2026-11-02")
        [group] = (await tools.ok("get_grouped_analytics", by="user"))["groups"]
    assert (cost["cost_usd"], cost["usd_per_request"]) == (12.345, 0.41)
    assert cost["points"][0]["at"] == "2026-11-01T00:00:00Z"
    assert cost["points"][0]["cost_usd"] == 12.345
    assert cost["time_range"] == {"start": "2026-11-01T00:00:00Z", "end": "2026-11-07T23:59:59Z"}
    assert first == {
        "time_of_generation_min": "2026-11-01T00:00:00+00:00",
        "time_of_generation_max": "2026-11-07T23:59:59+00:00",
    }
    assert query(portkey, 1)["time_of_generation_min"] == "2026-11-01T09:30:00+05:30"
    assert (group["name"], group["requests"], group["cost_usd"]) == ("ann", 12, 2.505)


async def test_the_last_seven_days_are_the_default(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        usage = await tools.ok("get_usage_analytics")
        early = await tools.ok("get_cost_analytics", end="2026-03-08")
    start, end = (datetime.fromisoformat(usage["time_range"][at]) for at in ("start", "end"))
    assert end - start == timedelta(days=7)
    assert abs(datetime.now(UTC) - end) < timedelta(minutes=1)
    assert early["time_range"]["start"] == "2026-03-01T23:59:59Z"
    assert (usage["requests"], usage["tokens"], usage["tokens_per_request"]) == (30, 900, 30.5)
    assert usage["points"] == [
        {"at": "2026-11-01T00:00:00Z", "requests": 10, "tokens": 300, "users": 1},
        {"at": "2026-11-02T00:00:00Z", "requests": 20, "tokens": None, "users": 2},
    ]


async def test_health_is_of_errors_latency_and_cache(portkey: Service):
    async with STAND_IN.connected(portkey) as tools:
        health = await tools.ok("get_health_analytics", workspace=WS_ID)
        portkey.queue.extend([replies.ok({"summary": None, "data_points": None})] * 6)
        empty = await tools.ok("get_health_analytics", workspace=WS)
    assert health["errors_by_status"] == ERRORS
    assert (health["error_percent"], health["rescued_by_retry"], health["p99_ms"]) == (10, 2, 4000)
    assert (health["cache_hits"], health["cache_saved_usd"]) == (7, 0.75)
    assert health["points"] == [
        {"at": "2026-11-01T00:00:00Z", "errors": 3, "p50_ms": 1, "p99_ms": 2}
    ]
    assert (empty["errors"], empty["cache_saved_usd"], empty["points"]) == (None, None, [])
    assert portkey.asked[0].path == f"/v1/admin/workspaces/{WS_ID}"
    assert health["workspace"] == query(portkey, 1)["workspace_slug"] == WS


async def test_filters_are_sent_as_portkey_names_them(portkey: Service):
    filters = {
        "models": ["openai/gpt-5", "together-ai/meta/llama"], "configs": [SLUG],
        "status_codes": [429, 500], "metadata": {"_user": "ann"},
    }  # fmt: skip
    async with STAND_IN.connected(portkey) as tools:
        await tools.ok("get_grouped_analytics", by="metadata", metadata_key="team", filters=filters)
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"configs": ["a,b"]}, "should match pattern"),
            ({"models": ["gpt-5"]}, "should match pattern"),
            ({"team": "web"}, "Extra inputs are not permitted"),
            ({"prompts": []}, "at least 1 item"),
        ]
        for given, said in wrong:
            assert said in await tools.error("get_cost_analytics", filters=given)
    sent = query(portkey)
    assert sent["ai_org_model"] == "openai__gpt-5,together-ai__meta/llama"
    assert (sent["configs"], sent["status_code"]) == (SLUG, "429,500")
    assert json.loads(sent["metadata"]) == {"_user": "ann"}
    assert "prompt_slug" not in sent
    assert len(portkey.asked) == 1


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("get_cost_analytics", {"start": "2026-11-08", "end": "2026-11-07"},
         "start: expected a time before the end, 2026-11-07T23:59:59+00:00, got 2026-11-08"),
        ("get_cost_analytics", {"start": "2099-01-01"}, "start: expected a time before the end"),
        ("get_cost_analytics", {"end": "0001-01-01"}, "end: expected a time since 2000"),
        ("get_cost_analytics", {"start": "last week"}, "start: expected Day or moment, like 2026"),
        ("get_cost_analytics", {"end": "11/07/2026"}, "end: expected Day or moment, like 2026"),
        ("get_grouped_analytics", {"by": "metadata"}, "metadata_key: expected with by=metadata"),
        ("get_grouped_analytics", {"by": "metadata", "metadata_key": ".."}, "an id or a name"),
        ("get_config", {"slug": "../api-keys"}, "String should match pattern"),
        ("get_config", {"slug": "My router"}, "String should match pattern"),
        ("list_api_keys", {"workspace": "Shared Team"}, "String should match pattern"),
        ("list_prompts", {"limit": 101}, "less than or equal to 100"),
        ("update_config", {"name": " "}, "String should match pattern"),
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused_before_it_is_sent(
    portkey: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(portkey) as tools:
        assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed})
    assert portkey.asked == []


def error(status: int, code: str, message: str, **headers: str) -> Reply:
    body = {"success": False, "data": {"message": message, "errorCode": code}}
    return replies.refused(status, body, **headers)


@pytest.mark.parametrize(
    ("tool", "reply", "said"),
    [
        ("get_cost_analytics", error(403, "AB03", "Not enough permissions"),
         "Portkey refused (403): AB03: Not enough permissions The credential does not allow this"),
        ("get_cost_analytics", error(403, "AB03", "No"), "needs the scope analytics.view. A"),
        ("list_providers", error(401, "AB05", f"Bad {KEY}"), "AB05: Bad *** The credential is"),
        ("list_models", replies.refused(401), "the scope completions.write. A workspace's key"),
        ("list_workspaces", replies.page("Sign in", 403), "needs the scope workspaces.list"),
        ("get_config", error(404, "AB08", "Gone"), "AB08: Gone Check the id or the slug"),
        ("create_config", error(409, "AB07", "Exists"), "There is one already"),
        ("create_config", error(400, "AB01", "Bad"), "AB01: Bad Change the arguments."),
        ("create_config", error(402, "AB09", "Used up"), "Portkey's plan is used up"),
        ("create_config", error(429, "AB06", "Slow down"), "Too many requests: wait a minute"),
        ("list_prompts", error(429, "AB06", "Slow down", Retry_After="60"), "again in 60 s"),
        ("get_config", replies.ok({**WHOLE, "config": "{half"}), "at config: Value error, expect"),
        ("get_config", replies.ok({**WHOLE, "config": [1]}), "at config: Input should be an obj"),
        ("get_cost_analytics", replies.ok({"data_points": {}}), "at data_points: Input should"),
        ("list_providers", listed({**PROVIDER, "rate_limits": [{"value": "many"}]}),
         "expected an answer of its API"),
    ],
)  # fmt: skip
async def test_errors_say_what_to_do(portkey: Service, tool: str, reply: Reply, said: str):
    portkey.queue.append(reply)
    async with STAND_IN.connected(portkey) as tools:
        text = await tools.error(tool, **STAND_IN.calls[tool])
    assert said in text
    assert KEY not in text


async def test_without_its_key_it_starts_and_says_so(portkey: Service):
    async with STAND_IN.connected(portkey, PORTKEY_API_KEY="") as tools:
        assert "PORTKEY_API_KEY is not set" in await tools.error("list_configs")
    assert portkey.asked == []
