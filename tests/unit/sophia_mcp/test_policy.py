import pytest
from sophia_mcp.errors import SettingError
from sophia_mcp.policy import Policy, destroys, offered, read_policy, reads, writes
from sophia_mcp.settings import read_settings


async def look() -> None: ...


async def change() -> None: ...


async def wipe() -> None: ...


TOOLS = [reads(look), writes(change), destroys(wipe)]


def names(policy: Policy) -> list[str]:
    return [tool.name for tool in offered(TOOLS, policy)]


def test_nothing_that_writes_is_there_unless_it_is_allowed():
    assert names(Policy()) == ["look"]
    assert names(Policy(writes=True)) == ["look", "change"]
    assert names(Policy(writes=True, destructive=("wipe",))) == ["look", "change", "wipe"]


def test_what_is_named_as_destructive_is_not_there_while_writes_are_off():
    assert names(Policy(destructive=("wipe",))) == ["look"]


def test_lists_narrow_and_never_widen():
    assert names(Policy(allow=("change", "look"))) == ["look"]
    assert names(Policy(writes=True, allow=("wipe",))) == []
    assert names(Policy(writes=True, deny=("look",))) == ["change"]
    assert names(Policy(writes=True, allow=("look",), deny=("look",))) == []


def test_every_unknown_name_is_said_in_one_line_with_what_is_known():
    with pytest.raises(SettingError) as caught:
        offered(
            TOOLS, Policy(destructive=("change",), allow=("fly", "look"), deny=("swim", "sing"))
        )
    assert str(caught.value) == (
        "MCP_ALLOW_DESTRUCTIVE: got change, expected destructive tools among wipe; "
        "MCP_TOOLS_ALLOW: got fly, expected tools among change, look, wipe; "
        "MCP_TOOLS_DENY: got swim, sing, expected tools among change, look, wipe"
    )


def test_a_server_that_destroys_nothing_says_so():
    with pytest.raises(SettingError, match="among none: this server has none of them"):
        offered(TOOLS[:1], Policy(destructive=("wipe",)))


def test_it_is_read_from_the_environment():
    assert read_policy(read_settings("toy", {})) == Policy()
    environment = {
        "MCP_ALLOW_WRITES": "true",
        "MCP_ALLOW_DESTRUCTIVE": "a, b",
        "MCP_TOOLS_ALLOW": "c",
        "MCP_TOOLS_DENY": "d,",
    }
    assert read_policy(read_settings("toy", environment)) == Policy(
        True, ("a", "b"), ("c",), ("d",)
    )
    with pytest.raises(SettingError, match="MCP_ALLOW_WRITES: expected true or false, got 'yes'"):
        read_policy(read_settings("toy", {"MCP_ALLOW_WRITES": "yes"}))
