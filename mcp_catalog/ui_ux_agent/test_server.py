"""ui_ux_agent: its tools as a client calls them, and against a stand-in for OpenRouter.

Published examples: the contrast ratios of WebAIM's checker and WCAG's Understanding 1.4.3, the Lc
values of apca-w3's own test (README of apca-w3 0.1.9), Design Tokens Format Module 2025.10, the
answer of create-a-chat-completion at openrouter.ai/docs/api.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Service

from . import review
from .colours import WHITE, Colour, apca, parsed, ratio
from .palette import palette

KEY = "sk-or-v1-never-shown"
CHAT = "POST /api/v1/chat/completions"
BUTTON = "Here:\n```html\n<button>Buy</button>\n```\nPut it into a form."


def said(content: Any = BUTTON, finish: str | None = "stop") -> dict[str, Any]:
    return {
        "id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/gpt-5-mini-2026",
        "choices": [
            {"index": 0, "finish_reason": finish,
             "message": {"role": "assistant", "content": content}},
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 15, "cost": 0.0012},
    }  # fmt: skip


CSS = ":root { --brand: #3b82f6 } a { color: var(--brand); padding: 15px 16px }"
# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments. The audits,
# which need a browser, are called in test_audits.py.
STAND_IN = StandIn(
    "ui_ux_agent",
    "OPENROUTER_API_URL",
    {
        "OPENROUTER_API_KEY": KEY,
        "MCP_ALLOW_WRITES": "true",
        "MCP_TOOLS_DENY": "audit_html,audit_accessibility",
    },
    {CHAT: replies.ok(said())},
    {"generate_component": {"description": "A button that buys", "framework": "react"}},
    below="/api/v1",
    alone={
        "check_contrast": {"foreground": "#777", "background": "white"},
        "suggest_palette": {"base": "rebeccapurple"},
        "extract_design_tokens": {"source": CSS, "format": "css"},
        "review_component": {"code": "<img src=x>", "format": "html"},
    },
)


@pytest.fixture
def api() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


async def ok(api: Service, tool: str, **arguments: Any) -> Any:
    async with STAND_IN.connected(api) as tools:
        return await tools.ok(tool, **arguments)


async def error(api: Service, tool: str, **arguments: Any) -> str:
    async with STAND_IN.connected(api) as tools:
        return await tools.error(tool, **arguments)


def colour(text: str) -> Colour:
    found = parsed(text)
    assert found, text
    return found


@pytest.mark.parametrize(
    ("text", "background", "lc"),
    [
        ("#888", "#fff", 63.06), ("#fff", "#888", -68.54), ("#000", "#aaa", 58.15),
        ("#aaa", "#000", -56.24), ("#112233", "#ddeeff", 91.67), ("#ddeeff", "#112233", -93.07),
        ("#112233", "#444", 8.32), ("#444", "#112233", -7.53),
    ],
)  # fmt: skip
def test_apca_agrees_with_its_published_examples(text: str, background: str, lc: float):
    assert round(apca(colour(text), colour(background)), 2) == lc


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("black", "white", 21.0), ("#777", "#fff", 4.48), ("#767676", "#fff", 4.54),
        ("#949494", "#fff", 3.03), ("#ff0000", "#fff", 4.00), ("#0000ff", "#fff", 8.59),
    ],
)  # fmt: skip
def test_ratios_agree_with_wcags(one: str, other: str, expected: float):
    assert round(ratio(colour(one), colour(other)), 2) == expected
    assert ratio(colour(one), colour(other)) == ratio(colour(other), colour(one))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#abc", "#aabbcc"), ("RebeccaPurple", "#663399"), ("rgb(26 43 60 / 50%)", "#1a2b3c80"),
        ("rgba(26, 43, 60, 1)", "#1a2b3c"), ("hsl(120deg 100% 25%)", "#008000"),
        ("oklch(62.8% 0.2577 29.23)", "#ff0000"), ("hwb(0 0% 0%)", "#ff0000"),
        ("transparent", "#00000000"),
    ],
)  # fmt: skip
def test_colours_are_read_in_each_form_of_css(text: str, expected: str):
    assert colour(text).hex == expected


@pytest.mark.parametrize(
    "text", ["", "nope", "#12", "rgb(", "color()", "currentColor", "url(x)", "#ggg", "lab(1 2 3)"]
)
async def test_what_is_no_colour_is_refused_with_examples(api: Service, text: str):
    given = await error(api, "check_contrast", foreground=text.ljust(3), background="#fff")
    assert "expected a colour of CSS such as #1a2b3c" in given


async def test_what_fails_comes_with_the_nearest_colours_that_pass(api: Service):
    failed = await ok(api, "check_contrast", foreground="#777", background="#fff")
    passed = await ok(api, "check_contrast", foreground="#777", background="#fff", use="ui")
    assert (failed["ratio"], failed["passes"]["text_aa"], failed["required"]) == (4.47, False, 4.5)
    changed = {one["change"]: one for one in failed["suggestions"]}
    # White has no lighter one, so only the text can change.
    assert changed["foreground"] == {"change": "foreground", "color": "#767676", "ratio": 4.54}
    assert ratio(colour(changed["background"]["color"]), colour("#777777")) >= 4.5
    assert passed["suggestions"] == []
    hopeless = await ok(api, "check_contrast", foreground="#808080", background="#777", level="AAA")
    assert hopeless["suggestions"] == []


async def test_translucent_colours_are_judged_as_they_are_seen(api: Service):
    half = {"foreground": "#00000080", "background": "#ffffff00"}
    on_white = await ok(api, "check_contrast", **half)
    on_black = await ok(api, "check_contrast", **half, behind="black")
    assert (on_white["foreground"], on_white["background"]) == ("#7f7f7f", "#ffffff")
    assert on_black["ratio"] == 1.0


@pytest.mark.parametrize("base", ["#3b82f6", "#000", "#fff", "#ffff00", "#777", "#ff0000", "#123"])
def test_all_pairs_of_a_palette_pass(base: str):
    made = palette(colour(base))
    assert made.brand[made.base_step] == colour(base).hex
    for pair in (*made.light, *made.dark):
        back = colour(pair.background_hex)
        assert ratio(colour(pair.foreground_hex), back) >= pair.required >= 3, pair
    assert {pair.use for pair in made.light} >= {"text", "muted text", "link", "label on a button"}
    lightest = ratio(colour(made.brand["brand-50"]), WHITE)
    assert lightest < ratio(colour(made.brand["brand-950"]), WHITE)


STYLES = """
:root { --space-2: 8px; --radius: .5rem; --shadow-card: 0 1px 2px rgb(0 0 0 / 5%) }
.a { margin: 0 auto 8px; gap: var(--space-2); border-radius: 8px; font: 700 16px/1.5 "Inter", x }
@media print { .a { background: linear-gradient(red, #f00 20%); & b { color: #fe0000 } } }
"""


@pytest.mark.parametrize("form", ["css", "html"])
async def test_tokens_of_styles_come_with_counts_and_near_duplicates(api: Service, form: str):
    source = STYLES if form == "css" else f"<style>{STYLES}</style><p style='color:red'>"
    found = await ok(api, "extract_design_tokens", source=source, format=form)
    made = found["tokens"]
    assert made["spacing"] == {
        "space-2": {"$type": "dimension", "$value": {"value": 8, "unit": "px"}}
    }
    assert made["color"]["ff0000"]["$value"] == {
        "colorSpace": "srgb", "components": [1.0, 0.0, 0.0], "hex": "#ff0000",
    }  # fmt: skip
    assert made["shadow"]["shadow-card"]["$value"]["blur"] == {"value": 2, "unit": "px"}
    assert set(made) == {"spacing", "radius", "shadow", "color", "font-size"}
    assert found["uses"]["spacing.space-2"] == 2
    assert found["uses"]["color.ff0000"] == (2 if form == "css" else 3)
    pairs = {frozenset((one["one"], one["other"])) for one in found["similar"]}
    assert pairs == {
        frozenset({"color.ff0000", "color.fe0000"}),
        frozenset({"radius.radius", "radius.8px"}),
    }


async def test_json_of_older_drafts_becomes_the_format_of_2025(api: Service):
    source = {
        "color": {"$type": "color", "a": {"$value": "#f00"}, "b": {"$value": "{color.a}"}},
        "size": {"s": {"value": "10px"}, "odd": {"value": "1em"}, "none": {"value": None}},
        "font": {"family": {"$type": "fontFamily", "$value": "Inter, serif"}},
        "broken": {"$type": "dimension", "$value": {"value": "x"}},
    }
    found = await ok(api, "extract_design_tokens", source=json.dumps(source), format="json")
    made = found["tokens"]
    assert made["color"]["a"]["$value"]["hex"] == "#ff0000"
    assert made["color"]["b"] == {"$type": "color", "$value": "{color.a}"}
    assert made["size"] == {"s": {"$type": "dimension", "$value": {"value": 10, "unit": "px"}}}
    assert made["font"]["family"]["$value"] == ["Inter", "serif"]
    assert found["uses"]["color.a"] == 1
    assert "1 values were left out" in found["note"]


@pytest.mark.parametrize(
    ("source", "form", "expected"),
    [
        ("{", "json", "expected JSON"), ("[1]", "json", "expected a JSON object"),
        ("{" * 5_000, "css", "nested too deeply"), ("x", "sass", "'css', 'html' or 'json'"),
        ('{"a":' * 20_000, "json", "expected JSON"),
    ],
)  # fmt: skip
async def test_what_can_not_be_read_is_said(api: Service, source: str, form: str, expected: str):
    assert expected in await error(api, "extract_design_tokens", source=source, format=form)


JSX = """
export function Card({ items, ...rest }: Props<string>) {
  const many = a < b && items.length > 2;
  return (
    <div onClick={() => { if (many > 1) go(); }}>
      <h1>{title}</h1><h3 style={{ color: '#999', backgroundColor: "#fff" }}>Sub</h3>
      <img src={src} /><img {...rest} /><img src={src} alt={`a "${b}" > c`} />
      <button onClick={() => a > b}><Icon /></button><button type="button" />
      <label htmlFor="q">Q</label><input id="q" /><label>x <input /></label>
      <input tabIndex={3} aria-lable="x" aria-hidden="maybe" />
      {items.map((one) => <a key={one} href={one.url}></a>)}
    </div>
  );
}
"""
HTML = """<html><meta name=viewport content="width=device-width, maximum-scale=1"><style>
a:focus { outline: none } a:hover { outline: 0; box-shadow: 0 0 0 2px }
.btn { width: 20px; transition: all .3s }
.btn { height: 20px; min-height: 24px }
</style><h2></h2><p style="color:#777; background:#888">x</p><i id=a></i><b id=a></b>
<iframe src=x></iframe><i role=foo></i><a href=x aria-hidden=true>x</a><img alt="" src=x>
<button type=button><img alt="Go" src=x></button><svg><path/></svg><a onclick="x">x</a>
"""


@pytest.mark.parametrize(
    ("code", "form", "expected"),
    [
        (JSX, "jsx", [
            (5, "keyboard"), (6, "heading-order"), (6, "contrast"), (7, "image-alt"),
            (8, "button-type"), (8, "name"), (10, "label"), (10, "tabindex"),
            (10, "aria-attribute"), (10, "aria-value"), (11, "name"),
        ]),
        (HTML, "html", [
            (1, "html-lang"), (1, "zoom"), (2, "focus-visible"), (3, "target-size"),
            (3, "reduced-motion"), (5, "empty-heading"), (5, "duplicate-id"), (5, "contrast"),
            (6, "frame-title"), (6, "aria-role"), (6, "aria-hidden-focus"), (7, "keyboard"),
        ]),
        ("p { animation: x 1s }\n@media (prefers-reduced-motion: reduce) { * { animation: none } }",
         "css", []),
        ("", "html", []),
    ],
)  # fmt: skip
def test_a_review_finds_it_and_says_where(code: str, form: review.Kind, expected: object):
    found = review.issues(code, form)
    assert [(one.line, one.rule) for one in found] == expected


async def test_a_review_is_short_and_takes_any_text(api: Service):
    many = await ok(api, "review_component", code="<img>" * 300, format="html")
    assert (len(many["issues"]), many["total"], many["note"]) == (100, 300, "The first 100.")
    for odd in ("<div>" * 8_000, "={" * 20_000, "</x>" * 20_000, "<\0><a" * 9_000):
        await ok(api, "review_component", code=odd, format="jsx")


async def test_a_model_reviews_only_where_it_is_asked_to(api: Service):
    api.routes[CHAT] = replies.ok(said("1. Line 1: no text."))
    plain = await ok(api, "review_component", code="<img src=x>", format="html")
    assert (plain["model_review"], api.asked) == (None, [])
    asked = await ok(api, "review_component", code="<img src=x>", format="html", ask_model=True)
    assert (asked["model_review"], asked["usd"]) == ("1. Line 1: no text.", 0.0012)
    assert "1: image-alt" in api.asked[0].body["messages"][1]["content"]
    async with STAND_IN.connected(api, MCP_ALLOW_WRITES="false") as reading:
        call = {"code": "<p>", "format": "html", "ask_model": True}
        assert "MCP_ALLOW_WRITES" in await reading.error("review_component", **call)
        assert "generate_component" not in await reading.listed()


async def test_a_component_is_written_within_the_budget_and_reviewed(api: Service):
    made = await ok(
        api,
        "generate_component",
        description="Buys",
        design_tokens={"a": {"$value": 1}},
        max_tokens=900,
    )
    assert made["code"] == "<button>Buy</button>"
    assert made["notes"].split() == ["Here:", "Put", "it", "into", "a", "form."]
    assert [one["rule"] for one in made["issues"]] == ["button-type"]
    assert (made["usd"], made["note"]) == (0.0012, None)
    (asked,) = api.asked
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["model"] == "~openai/gpt-mini-latest"
    assert '{"a": {"$value": 1}}' in asked.body["messages"][1]["content"]
    most = asked.body["provider"]["max_price"]
    assert most["prompt"] == most["completion"]
    assert 900 * most["completion"] / 1e6 < 0.10
    api.routes[CHAT] = replies.ok(said("```html\n<p>half", "length"))
    half = await ok(api, "generate_component", description="Half")
    assert (half["code"], half["note"][:11]) == ("<p>half", "It was cut:")


@pytest.mark.parametrize(
    ("reply", "expected", "spent"),
    [
        (replies.refused(402, {"error": {"message": "no credit", "code": 402}}), "no credit", 0),
        (replies.ok({"error": {"message": "down", "code": 502}}), "gave no text: {'message'", 0),
        (replies.ok(said(None)), "gave no text: stop", 0.0012),
        (replies.refused(503, {"error": {"message": "busy"}}), "may have cost up to $0.10", 0.1),
        (replies.reset(), "may have cost up to $0.10", 0.1),
    ],
)
async def test_an_error_is_asked_for_once_and_says_what_it_may_have_cost(
    api: Service, reply: Reply, expected: str, spent: float
):
    api.routes[CHAT] = reply
    day = {"OPENROUTER_MAX_USD_PER_DAY": "0.1"}
    async with STAND_IN.connected(api, **day) as tools:
        call = {"description": "A button"}
        assert expected in await tools.error("generate_component", **call)
        assert len(api.asked) == 1
        api.routes[CHAT] = replies.ok(said())
        if spent:
            text = await tools.error("generate_component", **call)
            assert f"${spent:.4f} of today's $0.1 are spent" in text
            assert len(api.asked) == 1
        else:
            await tools.ok("generate_component", **call)


async def test_a_model_needs_a_key_and_nothing_else_does(api: Service):
    without = STAND_IN.built(api, OPENROUTER_API_KEY="")
    await without.check()
    async with STAND_IN.connected(api, OPENROUTER_API_KEY="") as tools:
        text = await tools.error("generate_component", description="A button")
        assert "OPENROUTER_API_KEY is not set" in text
        await tools.ok("check_contrast", foreground="black", background="white")
    assert api.asked == []
