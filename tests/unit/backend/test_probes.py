"""A tool of each server, called in the background by both eras of the protocol."""

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from sophia_backend.probes import Probe, read_probes
from sophia_mcp.errors import NotConfigured, SettingError
from sophia_mcp.policy import reads
from sophia_mcp.settings import read_settings

from tests.support.polling import eventually

from .conftest import Backend, World

pytestmark = pytest.mark.slow

ERAS = ("2026-07-28", "2025-11-25")
WORKS = Probe(tool="add", arguments={"a": 1, "b": 2})
FAILS = Probe(tool="refuse")


async def results(backend: Backend) -> dict[tuple[str, str], float]:
    """What the backend exports, by server and era."""
    lines = (await backend.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith("mcp_probe_success{")]
    return {(line.split('"')[3], line.split('"')[1]): float(line.split()[-1]) for line in found}


async def test_each_is_called_in_both_eras_and_an_error_of_the_tool_counts(world: World, caplog):
    caplog.set_level("INFO")
    ports = {name: await world.server(name) for name in ("good", "bad", "left")}
    probes = {"good": WORKS, "bad": FAILS, "gone": WORKS}
    backend = await world.backend(probes=probes, **ports)

    async def look() -> dict[tuple[str, str], float]:
        return await results(backend)

    wanted = {(name, era): float(name == "good") for name in ("good", "bad") for era in ERAS}
    await eventually(look, lambda seen: seen == wanted, "four results")
    calls = [record for record in caplog.records if record.message == "tool call"]
    assert {record.caller for record in calls} == {"probe"}
    failed = [record for record in caplog.records if record.message == "a probe failed"]
    assert {(one.of, one.reason) for one in failed} == {("bad", "the tool's answer is an error")}
    assert {one.era for one in failed} == set(ERAS)


async def test_what_is_away_or_has_no_credential_or_not_that_tool_has_no_result(world: World):
    ready = True

    async def check() -> None:
        if not ready:
            raise NotConfigured("Toy", ("TOKEN",))

    toy = await world.server("toy", check=check)
    other = await world.server("other")
    probes = {"toy": WORKS, "other": Probe(tool="missing")}
    backend = await world.backend(probes=probes, toy=toy, other=other)

    async def look() -> dict[tuple[str, str], float]:
        return await results(backend)

    both = dict.fromkeys((("toy", era) for era in ERAS), 1.0)
    await eventually(look, lambda seen: seen == both, "a result of toy alone")
    ready = False
    await eventually(look, lambda seen: seen == {}, "no result")


async def test_a_tool_that_fails_fails_its_probe_until_it_works(world: World):
    broken = True

    async def look_up() -> str:
        """Look something up."""
        if broken:
            raise ToolError("no")
        return "yes"

    toy = await world.server("toy", (reads(look_up),))
    backend = await world.backend(probes={"toy": Probe(tool="look_up")}, toy=toy)

    async def look() -> set[float]:
        return set((await results(backend)).values())

    await eventually(look, lambda seen: seen == {0.0}, "a failure")
    broken = False
    await eventually(look, lambda seen: seen == {1.0}, "a success")


def test_they_are_read_from_a_variable():
    text = (
        '{"slack": {"tool": "list_channels", "arguments": {"limit": 1}}, "github": {"tool": "a"}}'
    )
    assert read_probes(read_settings("backend", {"SOPHIA_PROBES": text})) == {
        "slack": Probe(tool="list_channels", arguments={"limit": 1}),
        "github": Probe(tool="a"),
    }
    assert read_probes(read_settings("backend", {})) == {}


@pytest.mark.parametrize("text", ["[]", "{", '{"slack": "list"}', '{"slack": {"tol": "a"}}'])
def test_anything_else_is_an_error_that_shows_an_example(text):
    with pytest.raises(SettingError, match="expected an object such as"):
        read_probes(read_settings("backend", {"SOPHIA_PROBES": text}))
