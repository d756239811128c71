"""Names of tools among those of all servers, and what a definition says about them."""

import pytest
from sophia_backend.tools import MOST_NAME, full_name, read_tool

SCHEMA = {"type": "object"}


def test_a_name_is_that_of_the_server_and_its_own():
    assert full_name("slack", "list_channels", ["slack", "linear"]) == "slack_list_channels"


def test_tools_that_read_alike_have_names_of_their_own_whichever_answers_first():
    servers = ["a", "a_b"]
    assert full_name("a_b", "c", servers) == "a_b_c"
    other = full_name("a", "b_c", servers)
    assert other.startswith("a_b_c_")
    assert other == full_name("a", "b_c", ["a_b", "a"])
    assert full_name("a", "b_c", ["a"]) == "a_b_c"


@pytest.mark.parametrize("tool", ["t" * 64, "t" * 128, "files/read", "größe", "a.b"])
def test_a_name_that_clients_would_refuse_is_changed_and_stays_different(tool: str):
    names = {full_name("server", name, ["server"]) for name in (tool, f"{tool}x", f"{tool}y")}
    assert len(names) == 3
    for name in names:
        assert len(name) <= MOST_NAME
        assert name.isascii()
        assert name.replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("annotations", "kind"),
    [
        ({"readOnlyHint": True}, "read"),
        ({"readOnlyHint": False, "destructiveHint": False}, "write"),
        ({"readOnlyHint": False, "destructiveHint": True}, "destroy"),
        ({}, "destroy"),
        (None, "destroy"),
    ],
)
def test_what_is_not_told_is_the_worst(annotations, kind: str):
    definition = {"name": "t", "inputSchema": SCHEMA, "annotations": annotations}
    assert read_tool("s", definition, ["s"]).kind == kind


@pytest.mark.parametrize(
    "definition",
    [
        None,
        "add",
        {},
        {"name": "t"},
        {"name": 7, "inputSchema": SCHEMA},
        {"name": "t", "input_schema": SCHEMA},
        {"name": "t", "inputSchema": SCHEMA, "description": ["x"]},
        {"name": "t", "inputSchema": {"type": "object", "description": "\ud83d"}},
        {"name": "t", "inputSchema": SCHEMA, "outputSchema": "x"},
    ],
)
def test_what_is_no_tool_is_refused(definition):
    with pytest.raises(ValueError, match=r"."):
        read_tool("s", definition, ["s"])
