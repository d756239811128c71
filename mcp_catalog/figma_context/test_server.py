"""figma_context against a stand-in for Figma's API that speaks real HTTP.

Shapes: the OpenAPI document of github.com/figma/rest-api-spec (0.43.0), by operation: getFile,
getFileNodes, getImages, getImageFills, getFileStyles, getFileComponents, getFileComponentSets,
getTeamComponents, getLocalVariables, getComments, postComment. Errors, limits and scopes:
developers.figma.com/docs/rest-api (errors, rate-limits, scopes, personal-access-tokens), and what
people report of it: figma/variables-github-action-example#38, RedMadRobot/figma-export#217 and
#240, GLips/Figma-Context-MCP#2 and #92.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.upstream import Reply, Request, Service

TOKEN = "figd_never-shown"
KEY, BRANCH = "hch8YlkgaUJiuu2eYAsN4a", "br8YlkgaUJiuu2eYAsN4br"
LINK = f"https://www.figma.com/design/{KEY}/Shop?node-id=1-2&t=abc"


def rgb(r: float, g: float, b: float, a: float = 1) -> dict[str, float]:
    return {"r": r, "g": g, "b": b, "a": a}


def solid(r: float, g: float, b: float, **more: Any) -> dict[str, Any]:
    return {"blendMode": "NORMAL", "type": "SOLID", "color": rgb(r, g, b), **more}


def box(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    return {"absoluteBoundingBox": {"x": x, "y": y, "width": width, "height": height}}


def node(id: str, kind: str = "FRAME", *children: Any, name: Any = "", **more: Any) -> Any:
    """As Figma gives one, with some fields that nobody needs."""
    below = {"children": list(children)} if children else {}
    return {
        "id": id, "name": name or f"{kind} {id}", "type": kind, "scrollBehavior": "SCROLLS",
        "blendMode": "PASS_THROUGH", "constraints": {"vertical": "TOP", "horizontal": "LEFT"},
        "fills": [], "strokes": [], "strokeWeight": 1.0, "strokeAlign": "INSIDE", "effects": [],
        "absoluteRenderBounds": None, "interactions": [], **box(0, 0, 100, 50), **more, **below,
    }  # fmt: skip


FONT = {
    "fontFamily": "Inter", "fontPostScriptName": None, "fontWeight": 600, "fontSize": 16.0,
    "textAlignHorizontal": "CENTER", "letterSpacing": 0.123456, "lineHeightPx": 24.000001,
    "lineHeightUnit": "PIXELS", "textCase": "UPPER", "textDecoration": "UNDERLINE",
}  # fmt: skip
TITLE = node(
    "1:3", "TEXT", characters="Hi 👋 there", style=FONT, styles={"text": "9:1", "fill": "9:2"},
    fills=[solid(0.1, 0.45, 0.91)], characterStyleOverrides=[0, 0, 0, 0, 0, 7, 7, 7],
    styleOverrideTable={"7": {"fontWeight": 700, "hyperlink": {"type": "URL", "url": "https://x"}}},
    layoutSizingHorizontal="FILL", layoutSizingVertical="HUG",
)  # fmt: skip
ICON = node(
    "1:4", "FRAME", node("1:5", "VECTOR"), node("1:6", "ELLIPSE"), node("1:7", "VECTOR"),
    layoutPositioning="ABSOLUTE", **box(30.456, 10, 24, 24),
)  # fmt: skip
BUTTON = node(
    "1:8", "INSTANCE", node("I1:8;5:2", "TEXT", characters="Buy", style=FONT),
    componentId="5:1", layoutSizingHorizontal="HUG", layoutSizingVertical="FIXED",
    componentProperties={
        "State": {"type": "VARIANT", "value": "Hover"},
        "Label#5:0": {"type": "TEXT", "value": "Buy"},
        "Icon#5:1": {"type": "BOOLEAN", "value": False},
    },
)  # fmt: skip
SCREEN = node(
    "1:2", "FRAME", TITLE, ICON, BUTTON, node("1:9", "FRAME", visible=False), name="Login",
    layoutMode="VERTICAL", itemSpacing=8.0, paddingTop=16.0, paddingBottom=16.0, paddingLeft=24.0,
    paddingRight=24.0, counterAxisAlignItems="CENTER", fills=[solid(1, 1, 1)],
    strokes=[solid(0, 0, 0, opacity=0.2)], rectangleCornerRadii=[8.0, 8.0, 0.0, 0.0],
    effects=[{"type": "DROP_SHADOW", "visible": True, "color": rgb(0, 0, 0, 0.25), "radius": 4.0,
              "blendMode": "NORMAL", "offset": {"x": 0.0, "y": 2.0}}],
    **box(10, 0, 375, 812.4999),
)  # fmt: skip
REFERRED: dict[str, Any] = {
    "components": {"5:1": {"key": "k", "name": "State=Hover", "description": "", "remote": True,
                           "documentationLinks": [], "componentSetId": "5:0"}},
    "componentSets": {"5:0": {"key": "s", "name": "Button", "description": ""}},
    "styles": {
        "9:1": {"key": "a", "name": "Heading", "styleType": "TEXT", "remote": False},
        "9:2": {"key": "b", "name": "Brand/Primary", "styleType": "FILL", "remote": False},
    },
    "schemaVersion": 0,
}  # fmt: skip
ABOUT = {
    "name": "Shop", "lastModified": "2026-11-26T09:00:00Z", "version": "7", "role": "viewer",
    "editorType": "figma", "thumbnailUrl": "https://x/secret", "linkAccess": "view",
}  # fmt: skip
PAGES = node("0:0", "DOCUMENT", node("0:1", "CANVAS", node("1:2", name="Login"), name="Home"))
WHOLE = {**ABOUT, "document": PAGES, **REFERRED}


def parts(*documents: Any, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {one["id"]: {"document": one, **REFERRED} for one in documents}
    return {**ABOUT, "nodes": {**found, **dict.fromkeys(missing)}}


STYLE_NODES = [
    node("9:2", "RECTANGLE", fills=[solid(0.1, 0.45, 0.91)]),
    node("9:1", "TEXT", style=FONT, characters="Ag", fills=[solid(0, 0, 0)]),
]


def nodes(request: Request) -> Reply:
    """Those that are asked for."""
    known = {one["id"]: one for one in (SCREEN, ICON, *STYLE_NODES)}
    ids = request.query["ids"][0].split(",")
    found = [known[id] for id in ids if id in known]
    return replies.ok(parts(*found, missing=tuple(id for id in ids if id not in known)))


def meta(**given: Any) -> Reply:
    return replies.ok({"status": 200, "error": False, "meta": given})


def published(id: str, name: str, group: str | None = None, **more: Any) -> dict[str, Any]:
    inside = {"name": "Button", "nodeId": group} if group else None
    return {
        "key": f"key-{id}", "file_key": KEY, "node_id": id, "name": name, "description": "",
        "thumbnail_url": "https://x/secret", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z", "user": {"id": "1", "handle": "Ann", "img_url": ""},
        "containing_frame": {"pageId": "0:1", "pageName": "Kit", "name": "Buttons",
                             "nodeId": "4:1", "containingComponentSet": inside},
        **more,
    }  # fmt: skip


def variable(id: str, name: str, kind: str, **values: Any) -> dict[str, Any]:
    return {
        "id": id, "name": name, "key": "k", "variableCollectionId": "VariableCollectionId:1:0",
        "resolvedType": kind, "valuesByMode": {f"1:{mode[1]}": one for mode, one in values.items()},
        "remote": False, "description": "", "hiddenFromPublishing": False, "scopes": ["ALL_SCOPES"],
        "codeSyntax": {"WEB": "--blue"},
    }  # fmt: skip


ALIAS = {"type": "VARIABLE_ALIAS", "id": "VariableID:1:1"}
VARIABLES = [
    variable("VariableID:1:1", "blue/500", "COLOR", m0=rgb(0, 0, 1), m1=rgb(0, 0, 1, 0.5)),
    variable("VariableID:1:2", "action", "COLOR", m0=ALIAS, m1={"color": ALIAS, "opacity": 0.5}),
    variable("VariableID:1:3", "gap", "FLOAT", m0=8, m1={"expression": []}),
    variable("VariableID:1:4", "dense", "BOOLEAN", m0=True, m1=None),
    {**variable("VariableID:1:5", "old", "STRING", m0="x"), "deletedButReferenced": True},
]
COLLECTION = {
    "id": "VariableCollectionId:1:0", "name": "Theme", "key": "k", "defaultModeId": "1:0",
    "modes": [{"modeId": "1:0", "name": "Light"}, {"modeId": "1:1", "name": "Dark"}],
    "remote": False, "hiddenFromPublishing": False, "variableIds": [],
}  # fmt: skip


def comment(id: str, message: str, day: int, **more: Any) -> dict[str, Any]:
    return {
        "id": id, "file_key": KEY, "parent_id": "", "message": message, "order_id": None,
        "user": {"id": "1", "handle": "Ann", "img_url": "https://x/secret", "email": "a@b.c"},
        "created_at": f"2026-11-0{day}T09:00:00Z", "resolved_at": None, "reactions": [],
        "client_meta": {"x": 1.0, "y": 2.0}, **more,
    }  # fmt: skip


COMMENTS = [
    comment("13", "Four pixels", 3, parent_id="11"),
    comment("12", "Done", 2, resolved_at="2026-11-04T09:00:00Z", order_id="2"),
    comment("11", "How much?", 1, order_id="1",
            client_meta={"node_id": "1:2", "node_offset": {"x": 0, "y": 0}}),
    comment("14", "Or eight", 4, parent_id="11"),
    comment("16", "To a thread that is gone", 6, parent_id="1"),
]  # fmt: skip
FILE = f"GET /v1/files/{KEY}"

# tests/unit/mcp_catalog/test_stand_ins.py makes these calls in good and in bad moments.
STAND_IN = StandIn(
    "figma_context",
    "FIGMA_API_URL",
    {"FIGMA_API_KEY": TOKEN, "MCP_ALLOW_WRITES": "true"},
    {
        FILE: replies.ok(WHOLE),
        f"{FILE}/nodes": nodes,
        f"GET /v1/files/{BRANCH}/nodes": nodes,
        f"GET /v1/images/{KEY}": replies.ok({"err": None, "images": {"1:2": "https://i/1"}}),
        f"{FILE}/images": meta(images={"ab12": "https://i/2", "cd34": "https://i/3"}),
        f"{FILE}/styles": meta(styles=[
            published("9:1", "Heading", style_type="TEXT"),
            published("9:2", "Brand/Primary", style_type="FILL"),
            published("9:3", "Columns", style_type="GRID", description="d" * 400),
        ]),
        f"{FILE}/component_sets": meta(component_sets=[published("5:0", "Button")]),
        f"{FILE}/components": meta(components=[
            published("5:1", "State=Hover", "5:0"), published("5:9", "State=Plain", "5:0"),
            published("6:1", "Avatar"),
        ]),
        "GET /v1/teams/77/components": meta(
            components=[published("5:1", "State=Hover", "5:0")], cursor={"after": 12345678}
        ),
        f"{FILE}/variables/local": meta(
            variables={one["id"]: one for one in VARIABLES},
            variableCollections={COLLECTION["id"]: COLLECTION},
        ),
        f"{FILE}/comments": replies.ok({"comments": COMMENTS}),
        f"POST /v1/files/{KEY}/comments": replies.ok(comment("20", "Sure", 5)),
    },
    {
        "get_figma_data": {"file": KEY},
        "get_node": {"file": LINK},
        "get_images": {"file": KEY, "node_ids": ["1:2"]},
        "get_styles": {"file": KEY},
        "get_components": {"file": KEY},
        "get_variables": {"file": KEY},
        "get_comments": {"file": KEY},
        "post_comment": {"file": KEY, "message": "Sure"},
    },
    hidden=("https://x/secret", "a@b.c"),
)  # fmt: skip


@pytest.fixture
def figma() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


async def small(figma: Service, *documents: Any, **arguments: Any) -> Any:
    """What get_node makes of nodes."""
    figma.queue.append(replies.ok(parts(*documents)))
    async with STAND_IN.connected(figma) as tools:
        ids = [one["id"] for one in documents]
        return await tools.ok("get_node", file=KEY, node_ids=ids, **arguments)


async def test_a_screen_becomes_a_small_tree(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        design = await tools.ok("get_figma_data", file=LINK)
    [asked] = figma.asked
    assert (asked.path, asked.query) == (f"/v1/files/{KEY}/nodes", {"ids": ["1:2"]})
    assert asked.headers["X-Figma-Token"] == TOKEN
    font = "600 16px/24px Inter; letter-spacing: 0.12px; text-transform: uppercase; "
    font += "text-decoration: underline; text-align: center"
    assert design == {
        "file": "Shop", "last_modified": "2026-11-26T09:00:00Z", "editor": "figma",
        "styles": {"Heading": font, "Brand/Primary": "#1A73E8"},
        "components": {"5:1": "Button: State=Hover (of a library)"},
        "nodes": [{
            "id": "1:2", "name": "Login", "type": "FRAME",
            "layout": "column; gap: 8px; align-items: center; padding: 16px 24px; width: 375px; "
                      "height: 812.5px",
            "fill": "#FFFFFF", "stroke": "1px solid rgba(0, 0, 0, 0.2)",
            "radius": "8px 8px 0 0", "effect": "box-shadow: 0 2px 4px 0 rgba(0, 0, 0, 0.25)",
            "children": [
                {"id": "1:3", "name": "TEXT 1:3", "type": "TEXT", "text": "Hi 👋 there",
                 "runs": [{"text": "Hi 👋"},
                          {"text": " th", "style": "700; link: https://x"}, {"text": "ere"}],
                 "layout": "width: fill; height: hug", "fill": "@Brand/Primary",
                 "text_style": "@Heading"},
                {"id": "1:4", "name": "FRAME 1:4", "type": "IMAGE-SVG",
                 "layout": "width: 24px; height: 24px; position: absolute; left: 20.46px; "
                           "top: 10px"},
                {"id": "1:8", "name": "INSTANCE 1:8", "type": "INSTANCE", "component": "5:1",
                 "layout": "width: hug; height: 50px",
                 "properties": {"State": "Hover", "Label": "Buy", "Icon": "false"},
                 "children": [
                     {"id": "I1:8;5:2", "name": "TEXT I1:8;5:2", "type": "TEXT", "text": "Buy",
                      "layout": "width: 100px; height: 50px; position: absolute; left: 0; top: 0",
                      "text_style": font},
                 ]},
            ],
        }],
    }  # fmt: skip


async def test_a_file_is_its_pages_and_frames_until_more_is_asked_for(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        design = await tools.ok("get_figma_data", file=KEY)
        await tools.ok("get_figma_data", file=KEY, depth=1)
        await tools.ok("get_figma_data", file=LINK, node_id="1-4", depth=3)
    asked = [one.query for one in figma.asked]
    assert asked == [{"depth": ["2"]}, {"depth": ["1"]}, {"ids": ["1:4"], "depth": ["3"]}]
    page = design["nodes"][0]["children"][0]
    assert (page["name"], page["children"][0]["more"]) == ("Home", "below the depth")
    assert "get_node with the ids" in design["note"]


async def test_nodes_that_are_not_there_are_named(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        some = await tools.ok("get_node", file=KEY, node_ids=["1-4", "7:7", "1:4"])
        none = await tools.error("get_node", file=KEY, node_ids=["7:7"])
        nothing = await tools.error("get_node", file=KEY, node_ids=[])
    assert figma.asked[0].query == {"ids": ["1:4,7:7"]}
    assert (len(some["nodes"]), some["missing"]) == (1, ["7:7"])
    assert "the file has no 7:7; get_figma_data lists its frames" in none
    assert "expected ids such as 1:2, or an address with node-id" in nothing


@pytest.mark.parametrize(
    ("file", "key", "id"),
    [
        (f" {KEY}\n", KEY, "1:4"),
        (f"https://www.figma.com/file/{KEY}/Some-Name?node-id=1%3A2", KEY, "1:2"),
        (f"figma.com/board/{KEY}?node-id=I5-1%3B2-3&p=f", KEY, "I5:1;2:3"),
        (f"https://figma.com/design/{KEY}/branch/{BRANCH}/Name?node-id=1-2", BRANCH, "1:2"),
        (f"https://www.figma.com/proto/{KEY}/x?node-id=../../me", KEY, "1:4"),
    ],
)
async def test_a_file_is_named_as_people_copy_it(figma: Service, file: str, key: str, id: str):
    figma.queue.append(replies.ok(parts(node(id))))
    async with STAND_IN.connected(figma) as tools:
        ids = {"node_ids": ["1:4"]} if id == "1:4" else {}
        await tools.ok("get_node", file=file, **ids)
    [asked] = figma.asked
    assert (asked.path, asked.query["ids"]) == (f"/v1/files/{key}/nodes", [id])


@pytest.mark.parametrize(
    ("tool", "changed", "said"),
    [
        ("get_figma_data", {"file": "../me"}, "expected a key such as"),
        ("get_figma_data", {"file": "My design file"}, "expected a key such as"),
        ("get_figma_data", {"file": f"https://evil.example/design/{KEY}"}, "expected a key"),
        ("get_figma_data", {"file": f"https://figma.com.evil.example/file/{KEY}"}, "expected"),
        ("get_figma_data", {"file": "https://[figma.com/file/x"}, "expected a key"),
        ("get_figma_data", {"file": "https://www.figma.com/files/team/1234567/x"}, "expected a"),
        ("get_figma_data", {"file": "https://www.figma.com/community/file/12345"}, "duplicated"),
        ("get_figma_data", {"node_id": "Login"}, "pattern"),
        ("get_figma_data", {"depth": 0}, "greater than or equal to 1"),
        ("get_node", {"node_ids": ["1:2,1:3"]}, "pattern"),
        ("get_node", {"node_ids": ["1:2"] * 10_000}, "at most 50 items"),
        ("get_images", {"scale": 5}, "less than or equal to 4"),
        ("get_images", {"format": "webp"}, "'png', 'svg', 'jpg' or 'pdf'"),
        ("get_images", {"image_refs": ["a/b"]}, "pattern"),
        ("get_components", {"team_id": "77"}, "expected one of them"),
        ("get_components", {"file": None}, "expected one of them"),
        ("get_styles", {"cursor": "MTA="}, "cursor: expected the next_cursor"),
        ("post_comment", {"message": ""}, "at least 1 character"),
        ("post_comment", {"reply_to": "11", "node_id": "1:2"}, "expected one of them"),
    ],
)
async def test_what_can_not_be_is_refused_before_it_is_sent(
    figma: Service, tool: str, changed: dict[str, Any], said: str
):
    async with STAND_IN.connected(figma) as tools:
        assert said in await tools.error(tool, **{**STAND_IN.calls[tool], **changed})
    assert [one for one in figma.asked if "cursor" not in changed] == []


def gradient(kind: str, *handles: tuple[float, float], **more: Any) -> dict[str, Any]:
    stops = [{"position": 0, "color": rgb(1, 0, 0)}, {"position": 1, "color": rgb(0, 0, 1, 0.5)}]
    points = [{"x": x, "y": y} for x, y in handles]
    return {"type": f"GRADIENT_{kind}", "blendMode": "NORMAL", "gradientHandlePositions": points,
            "gradientStops": stops, **more}  # fmt: skip


FILLS: list[tuple[Any, str | None]] = [
    ([gradient("LINEAR", (0.5, 0), (0.5, 1), (0, 0))],
     "linear-gradient(180deg, #FF0000 0%, rgba(0, 0, 255, 0.5) 100%)"),
    ([gradient("LINEAR", (0.25, 0.25), (0.75, 0.75))],
     "linear-gradient(116.57deg, #FF0000 25%, rgba(0, 0, 255, 0.5) 75%)"),
    ([gradient("LINEAR", (0.25, 0.5), (0.75, 0.5), opacity=0.5)],
     "linear-gradient(90deg, rgba(255, 0, 0, 0.5) 25%, rgba(0, 0, 255, 0.25) 75%)"),
    ([gradient("RADIAL", (0.5, 0.5), (1, 0.5), (0.5, 0.75))],
     "radial-gradient(50% 25% at 50% 50%, #FF0000 0%, rgba(0, 0, 255, 0.5) 100%)"),
    ([gradient("ANGULAR", (0.5, 0.5), (1, 0.5), (0.5, 1))],
     "conic-gradient(from 90deg at 50% 50%, #FF0000 0%, rgba(0, 0, 255, 0.5) 100%)"),
    ([{"type": "IMAGE", "scaleMode": "FILL", "imageRef": "ab12", "blendMode": "MULTIPLY"}],
     "image(ab12) cover multiply"),
    ([solid(1, 1, 1), solid(0, 0, 0, visible=False), solid(0, 0, 0, opacity=0.5)],
     "rgba(0, 0, 0, 0.5), #FFFFFF"),
    ([solid(0, 0, 0, boundVariables={"color": ALIAS})], "var(VariableID:1:1, #000000)"),
    ([{"type": "PATTERN"}, {"type": "SOLID"}], "solid, pattern"),
    (None, None),
]  # fmt: skip


async def test_fills_are_css(figma: Service):
    filled = [
        node(f"1:{number}", "RECTANGLE", fills=fills, **box(0, 0, 200, 100))
        for number, (fills, _) in enumerate(FILLS)
    ]
    design = await small(figma, *filled)
    assert [one.get("fill") for one in design["nodes"]] == [css for _, css in FILLS]


LAYOUTS: list[tuple[Any, str]] = [
    ({"layoutMode": "HORIZONTAL", "layoutWrap": "WRAP", "itemSpacing": 8, "counterAxisSpacing": 4,
      "primaryAxisAlignItems": "MAX"}, "row; wrap; gap: 4px 8px; justify-content: flex-end; "),
    ({"layoutMode": "HORIZONTAL", "itemSpacing": 300, "paddingLeft": 1,
      "primaryAxisAlignItems": "SPACE_BETWEEN"},
     "row; justify-content: space-between; padding: 0 0 0 1px; "),
    ({"layoutMode": "GRID", "gridColumnsSizing": "1fr 1fr", "gridRowGap": 8, "gridColumnGap": 8},
     "grid; grid-template-columns: 1fr 1fr; gap: 8px; "),
    ({"overflowDirection": "VERTICAL_SCROLLING"}, "overflow-y: scroll; "),
    ({"layoutMode": "SPIRAL"}, ""),
]  # fmt: skip


async def test_auto_layout_is_flexbox_or_grid(figma: Service):
    turned: Any = {"minWidth": 320, "rotation": -1.570796}
    design = await small(
        figma, *(node(f"1:{n}", **given, **turned) for n, (given, _) in enumerate(LAYOUTS))
    )
    rest = "width: 100px; height: 50px; min-width: 320px; rotate: 90deg"
    assert [one["layout"] for one in design["nodes"]] == [told + rest for _, told in LAYOUTS]


async def test_a_cell_of_a_grid_says_where_it_is(figma: Service):
    cell = node("2:1", gridColumnAnchorIndex=1, gridRowAnchorIndex=0, gridColumnSpan=2)
    design = await small(figma, node("1:1", "FRAME", cell, layoutMode="GRID"))
    [told] = design["nodes"][0]["children"]
    assert told["layout"].endswith("; grid-column: 2 / span 2; grid-row: 1")


async def test_strokes_effects_and_corners_are_css(figma: Service):
    design = await small(figma, node(
        "1:1", "FRAME", opacity=0.333, cornerRadius=4.5, strokes=[solid(0, 0, 0)], strokeDashes=[2],
        individualStrokeWeights={"top": 1, "right": 0, "bottom": 0, "left": 0},
        strokeAlign="OUTSIDE", blendMode="MULTIPLY", effects=[
            {"type": "INNER_SHADOW", "visible": True, "radius": 1, "spread": 2},
            {"type": "LAYER_BLUR", "visible": False, "radius": 9},
            {"type": "BACKGROUND_BLUR", "visible": True, "radius": 9},
            {"type": "GLASS", "visible": True},
        ],
    ))  # fmt: skip
    [one] = design["nodes"]
    assert one["stroke"] == "1px 0 0 dashed #000000 outside"
    effect = "box-shadow: inset 0 0 1px 2px; backdrop-filter: blur(4.5px); glass"
    assert one["effect"] == f"{effect}; mix-blend-mode: multiply"
    assert (one["radius"], one["opacity"]) == ("4.5px", 0.33)


def drawn(count: int = 1, *more: Any, **given: Any) -> Any:
    return node("1:1", "FRAME", *[node(f"2:{n}", "VECTOR") for n in range(count)], *more, **given)


async def test_drawings_are_one_node(figma: Service):
    drawings = [
        drawn(2),
        drawn(1, node("3:1", "GROUP", node("3:2", "RECTANGLE"))),
        drawn(1, node("3:1", "FRAME", node("3:2", "GROUP", node("3:3", "STAR")))),
        drawn(12, layoutMode="HORIZONTAL"),
        node("1:1", "BOOLEAN_OPERATION", node("2:1", "RECTANGLE")),
    ]
    others = [
        drawn(3, layoutMode="HORIZONTAL"),
        drawn(1, node("3:1", "TEXT", characters="New")),
        drawn(1, node("3:1", "RECTANGLE", fills=[{"type": "IMAGE", "imageRef": "a"}])),
        node("1:1", "FRAME", node("2:1", "RECTANGLE")),
    ]
    every = [{**one, "id": f"9:{number}"} for number, one in enumerate(drawings + others)]
    design = await small(figma, *every)
    kinds = [(one["type"], "children" in one) for one in design["nodes"]]
    assert kinds == [("IMAGE-SVG", False)] * 5 + [("FRAME", True)] * 4


async def test_what_nodes_share_stands_in_a_table(figma: Service):
    shadow = {"type": "DROP_SHADOW", "visible": True, "radius": 4, "color": rgb(0, 0, 0)}
    one, two = ({"effects": [shadow], "fills": [solid(n, n, n)]} for n in (0, 1))
    design = await small(
        figma,
        node("1:1", "RECTANGLE", styles={"fill": "9:2"}, **one, **box(0, 0, 100, 40)),
        node("1:2", "RECTANGLE", styles={"fill": "9:2"}, **two, **box(0, 0, 100, 60)),
        node("1:3", "RECTANGLE", styles={"fill": "9:404"}, **two, **box(0, 0, 100, 60)),
    )
    assert design["styles"] == {
        "Brand/Primary": "#000000",
        "Brand/Primary (2)": "#FFFFFF",
        "effect-1": "box-shadow: 0 0 4px 0 #000000",
        "layout-1": "width: 100px; height: 60px",
    }
    assert [one["fill"] for one in design["nodes"]] == [
        "@Brand/Primary", "@Brand/Primary (2)", "#FFFFFF",
    ]  # fmt: skip


async def test_a_large_design_is_cut_level_by_level(figma: Service):
    def rows(number: int) -> Any:
        texts = [node(f"{number}:{n}", "TEXT", characters="x" * 80) for n in range(1, 40)]
        return node(f"{number}:0", "FRAME", *texts, node(f"{number}:99", visible=False))

    design = await small(figma, node("1:1", "FRAME", *[rows(number) for number in range(2, 80)]))
    [top] = design["nodes"]
    assert len(top["children"]) == 78
    assert len(top["children"][0]["children"]) == 39
    assert top["children"][77]["more"] == "39 of 39 children"
    assert "more" not in top
    assert "get_node" in design["note"]
    many = [node(f"1:{n}", "TEXT", characters="é" * 1_999) for n in range(50)]
    design = await small(figma, *many)
    assert 10 < len(design["nodes"]) < 20
    assert "or are not here" in design["note"]


async def test_a_long_text_is_cut_and_an_odd_node_is_none_the_worse(figma: Service):
    design = await small(
        figma,
        node("1:1", "TEXT", characters="x" * 3_000, characterStyleOverrides=[1]),
        node("1:2", "INSTANCE", componentId="404:1", children=None, strokes=None, style=None,
             componentProperties={"Slot": {"type": "SLOT", "value": ["new"]}}, **box(1e7, 0, 1, 1)),
        node("1:3", "NEW_KIND", absoluteBoundingBox=None, opacity=None, name="n" * 200),
        node("1:4", "CONNECTOR", name="yes", characters="yes", absoluteBoundingBox=None,
             connectorStart={"endpointNodeId": "1:3", "magnet": "AUTO"}, connectorEnd={}),
    )  # fmt: skip
    text, instance, new, connector = design["nodes"]
    assert text["text"].endswith("[cut: 2000 of 3000 characters]")
    assert (instance["properties"], design["components"]) == (
        {"Slot": "['new']"}, {"404:1": "unknown"},
    )  # fmt: skip
    assert (new.pop("name")[100:], new) == (
        "… [cut: 100 of 200 characters]", {"id": "1:3", "type": "NEW_KIND"},
    )  # fmt: skip
    assert connector == {
        "id": "1:4", "type": "CONNECTOR", "text": "yes", "connects": "1:3 -> nothing",
    }  # fmt: skip


async def test_images_are_told_node_by_node(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        drawn = await tools.ok("get_images", file=KEY, node_ids=["1-2", "7:7"], scale=2)
        await tools.ok("get_images", file=LINK, format="svg", scale=2)
        every = await tools.ok("get_images", file=KEY)
        some = await tools.ok("get_images", file=LINK, image_refs=["cd34", "zz"])
        figma.queue.append(replies.ok({"err": "Render timeout, try smaller", "images": {}}))
        failed = await tools.error("get_images", file=LINK)
    assert [(one.path[4:10], one.query) for one in figma.asked[:2]] == [
        ("images", {"ids": ["1:2,7:7"], "format": ["png"], "scale": ["2.0"]}),
        ("images", {"ids": ["1:2"], "format": ["svg"]}),
    ]
    assert drawn["images"][0] == {"id": "1:2", "url": "https://i/1"}
    assert "nothing to see in it" in drawn["images"][1]["problem"]
    assert (drawn["expires"], len(every["images"])) == ("after 30 days", 2)
    assert [one.get("url") for one in some["images"]] == ["https://i/3", None]
    assert "Render timeout, try smaller. Ask for fewer nodes" in failed


async def test_styles_have_values_page_by_page(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        first = await tools.ok("get_styles", file=KEY, limit=2)
        second = await tools.ok("get_styles", file=KEY, limit=2, cursor=first["next_cursor"])
        none = await tools.ok("get_styles", file=KEY, query="nowhere")
    assert [(one["name"], one["value"]) for one in first["styles"]] == [
        ("Brand/Primary", "#1A73E8"), ("Columns", None),
    ]  # fmt: skip
    assert first["styles"][1]["description"].endswith("[cut: 300 of 400 characters]")
    assert second["styles"][0]["value"].startswith("600 16px/24px Inter")
    assert (first["total"], second["next_cursor"], none["styles"]) == (3, None, [])
    assert figma.asked[1].query == {"ids": ["9:2,9:3"], "depth": ["1"]}
    assert len(figma.asked) == 5


async def test_variants_stand_below_their_set(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        found = await tools.ok("get_components", file=KEY)
        team = await tools.ok("get_components", team_id="77", limit=1)
        await tools.ok("get_components", team_id="77", cursor=team["next_cursor"])
    avatar, button = found["components"]
    assert (avatar["name"], avatar["variants"], button["key"]) == ("Avatar", [], "key-5:0")
    assert button["variants"][1] == {"name": "State=Plain", "node_id": "5:9"}
    assert (button["page"], button["variant_count"], found["total"]) == ("Kit", 2, 2)
    assert (team["components"][0]["node_id"], team["components"][0]["name"]) == ("5:0", "Button")
    assert figma.asked[-1].query == {"page_size": ["50"], "after": ["12345678"]}


async def test_variables_have_values_by_mode(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        found = await tools.ok("get_variables", file=KEY, limit=3)
        more = await tools.ok("get_variables", file=KEY, cursor=found["next_cursor"])
        gaps = await tools.ok("get_variables", file=KEY, query="GAP", collection="them")
    assert [one["values"] for one in found["variables"] + more["variables"]] == [
        {"Light": "#0000FF", "Dark": "rgba(0, 0, 255, 0.5)"},
        {"Light": "{blue/500}", "Dark": "{blue/500} with opacity 0.5"},
        {"Light": "8", "Dark": "{'expression': []}"},
        {"Light": "true", "Dark": "None"},
    ]
    assert found["collections"][0]["default_mode"] == "Light"
    assert (gaps["total"], gaps["variables"][0]["code"]) == (1, {"WEB": "--blue"})


async def test_comments_are_threads(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        opened = await tools.ok("get_comments", file=LINK)
        one = await tools.ok("get_comments", file=KEY, node_id="1-2", status="all")
        done = await tools.ok("get_comments", file=KEY, status="resolved")
        paged = await tools.ok("get_comments", file=KEY, limit=1, cursor=None)
    assert [thread["id"] for thread in opened["threads"]] == ["16", "11"]
    [thread] = one["threads"]
    assert [reply["message"] for reply in thread["replies"]] == ["Four pixels", "Or eight"]
    assert (thread["number"], thread["node_id"], thread["author"]) == ("1", "1:2", "Ann")
    assert set(thread["replies"][0]) == {"id", "author", "message", "created_at"}
    assert [thread["id"] for thread in done["threads"]] == ["12"]
    assert (paged["total"], bool(paged["next_cursor"])) == (2, True)


async def test_a_comment_has_its_place(figma: Service):
    async with STAND_IN.connected(figma) as tools:
        posted = await tools.ok("post_comment", file=KEY, message="a", node_id="1-2", y=5)
        await tools.ok("post_comment", file=LINK, message="b", reply_to="11")
        await tools.ok("post_comment", file=KEY, message="c")
    assert posted == {
        "id": "20", "author": "Ann", "message": "Sure", "created_at": "2026-11-05T09:00:00Z",
    }  # fmt: skip
    pinned = {"node_id": "1:2", "node_offset": {"x": 0, "y": 5}}
    assert [one.body for one in figma.asked] == [
        {"message": "a", "client_meta": pinned},
        {"message": "b", "comment_id": "11"},
        {"message": "c", "client_meta": {"x": 0, "y": 0}},
    ]
    async with STAND_IN.connected(figma, MCP_ALLOW_WRITES="false") as tools:
        assert set(STAND_IN.calls) - set(await tools.listed()) == {"post_comment"}


def error(status: int, message: str, **headers: str) -> Reply:
    return replies.refused(status, {"status": status, "err": message}, **headers)


SCOPES = "Invalid scope(s): file_content:read, files:read. This endpoint requires the "


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error(403, "Invalid token"), "Invalid token Ask the operator of this server for another "
         "token: FIGMA_API_KEY is wrong, or was revoked."),
        (error(403, "Token expired"), "FIGMA_API_KEY has expired"),
        (error(403, SCOPES + "file_comments:write scope"),
         "FIGMA_API_KEY lacks the scope file_comments:write."),
        (error(403, "File not exportable"), "forbids to copy"),
        (error(404, "Not found"), "Not found There is no such file or team, or the token's"),
        (error(400, "Request too large. If applicable, filter by query params."),
         "Ask with depth 1 or 2 first"),
        (error(429, "Rate limit exceeded", Retry_After="345600"), "try again in 345600 s"),
        (error(403, f"no {TOKEN}"), "no *** The credential does not allow this"),
        (replies.huge(21_000_000), "Ask with depth 1 or 2 first, then for single nodes"),
        (replies.ok({**ABOUT, "nodes": {"1:2": {"document": {"id": 7}}}}), "expected an answer of"),
        (replies.ok({**ABOUT, "nodes": {"1:2": None}}), "the file has no 1:2"),
    ],
)  # fmt: skip
async def test_errors_say_what_to_do(figma: Service, reply: Reply, said: str):
    figma.queue.append(reply)
    async with STAND_IN.connected(figma) as tools:
        assert said in await tools.error("get_node", file=LINK)


@pytest.mark.parametrize("message", ["Limited by Figma plan", SCOPES + "file_variables:read scope"])
async def test_variables_are_for_enterprises(figma: Service, message: str):
    refusal = {"status": 403, "error": True, "message": message}
    figma.queue.append(replies.refused(403, refusal))
    async with STAND_IN.connected(figma) as tools:
        said = await tools.error("get_variables", file=KEY)
    assert message in said
    assert "only to full members of an Enterprise organization" in said


async def test_without_its_token_it_starts_and_says_so(figma: Service):
    async with STAND_IN.connected(figma, FIGMA_API_KEY="") as tools:
        assert "FIGMA_API_KEY is not set" in await tools.error("get_figma_data", file=KEY)
    assert figma.asked == []
