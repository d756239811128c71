"""Testers that others wrote find no fault with the catalog's servers behind the gateway."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_mcp import MCPTestClient, assert_conformance

from ops import client
from tests.integration.mcp.conftest import (
    DATABASE_URL,
    HARDENED,
    alias,
    described_environment,
    remove,
    run,
)
from tests.support import testers
from tests.support.gateway import TOKEN, trusting
from tests.support.mcp_calls import LEGACY, MODERN, connected
from tests.support.mcp_process import ROOT, free_port
from tests.support.pass_through import adding_token
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

SERVERS = sorted(path.parent.name for path in (ROOT / "mcp_catalog").glob("[a-z]*/server.yaml"))
ALL = "backend"
"""Under this name, all of them as one."""
GIVEN = {"ai_memory": [f"--env=MEMORY_DATABASE_URL={DATABASE_URL}"]}
"""What a server needs besides an account."""
EXPECTED = Path(__file__).with_name("conformance.yaml")
OF_BACKEND = Path(__file__).with_name("conformance_backend.yaml")


@pytest.fixture(scope="module")
def tools(request: pytest.FixtureRequest) -> Path:
    """Where the testers are. That they are installed, and for how long, is seen in any run."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return testers.installed(lambda line: print(f"==> {line}", file=sys.stderr, flush=True))


@dataclass(frozen=True)
class Platform:
    """outputs: as a stack has them. plain_port: from there the conformance tests may call, which
    send an Origin."""

    outputs: dict[str, Any]
    plain_port: int


@pytest.fixture(scope="module")
def platform(
    open_gateway, server_image, backend_image, network: str, postgres
) -> Iterator[Platform]:
    """All servers, with all their tools and without an account, behind one gateway; and the
    backend, which is all of them as one."""
    plain_port = free_port()
    origin = f"http://127.0.0.1:{plain_port}"
    with open_gateway(SERVERS, [origin]) as (gateway, outputs):
        try:
            for server in SERVERS:
                name = alias(server)
                run(
                    f"tested-{server}", server_image(server), *HARDENED, "--network", network,
                    "--network-alias", name, "--env", f"MCP_ALLOWED_HOSTS={name}",
                    *described_environment(server), *everything_allowed(server),
                    *GIVEN.get(server, ()),
                )  # fmt: skip
            name = alias(ALL)
            places = {server: f"{alias(server)}:8000" for server in SERVERS}
            run(
                f"tested-{ALL}", backend_image, *HARDENED, "--network", network,
                "--network-alias", name, "--env", f"MCP_ALLOWED_HOSTS={name}",
                "--env", f"SOPHIA_SERVERS={json.dumps(places)}",
            )  # fmt: skip
            until(gateway.healthy, lambda seen: set(seen.values()) == {1}, "a replica of each")
            until(
                lambda: (
                    {one["status"] for one in gateway.call("GET", "/api/servers").json["servers"]}
                    if gateway.call("GET", "/").status == 200
                    else None
                ),
                lambda seen: seen is not None and not seen & {"away", "starting"},
                "all servers at the backend",
            )
            yield Platform(outputs, plain_port)
        finally:
            for server in (*SERVERS, ALL):
                remove(f"tested-{server}")


def shown(server: str) -> list[dict[str, Any]]:
    """All tools that a server can have."""
    tools: list[dict[str, Any]] = json.loads(
        (ROOT / "mcp_catalog" / server / "tools.json").read_text()
    )["tools"]
    return tools


def named_by_all() -> set[str]:
    """All tools of all servers, as the backend calls them."""
    return {f"{server}_{tool['name']}" for server in SERVERS for tool in shown(server)}


def everything_allowed(server: str) -> list[str]:
    destructive = [
        tool["name"] for tool in shown(server) if tool["annotations"].get("destructiveHint")
    ]
    return [
        "--env=MCP_ALLOW_WRITES=true",
        f"--env=MCP_ALLOW_DESTRUCTIVE={','.join(destructive)}",
    ]


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("server", [*SERVERS, ALL])
def test_inspector_finds_no_fault_with_a_tools_schema(
    platform: Platform, tools: Path, tmp_path: Path, monkeypatch, server: str, era: str
):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    files = client.write_files(platform.outputs)
    if server == ALL:
        config = json.loads((files / "mcp.json").read_text())
        entry = dict(config["mcpServers"][SERVERS[0]], url=f"{platform.outputs['gateway_url']}/mcp")
        (files / "mcp.json").write_text(json.dumps({"mcpServers": {ALL: entry}}))
    done = subprocess.run(
        testers.command(
            *(tools, "inspector", "--cli", "--config", str(files / "mcp.json")),
            *("--server", server, "--protocol-era", era, "--method", "tools/list", "--strict"),
        ),
        env=testers.environment(tmp_path, NODE_EXTRA_CA_CERTS=str(files / "ca.pem")),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    # What begins so is about Inspector: where it would keep secrets.
    found = [line for line in done.stderr.splitlines() if not line.startswith("[mcp-inspector] ")]
    assert (done.returncode, found) == (0, []), done.stderr
    listed = {tool["name"] for tool in json.loads(done.stdout)["tools"]}
    wanted = named_by_all() if server == ALL else {tool["name"] for tool in shown(server)}
    assert listed == wanted


@pytest.mark.parametrize(("mode", "version"), [(MODERN, "2026-07-28"), (LEGACY, "2025-11-25")])
@pytest.mark.parametrize("server", [*SERVERS, ALL, f"{ALL}?tools=search"])
async def test_names_descriptions_and_schemas_are_as_clients_expect(
    platform: Platform, server: str, mode: str, version: str
):
    one = {server: f"{platform.outputs['gateway_url']}/mcp{server.removeprefix(ALL)}"}
    outputs = {**platform.outputs, "mcp_endpoints": {**one, **platform.outputs["mcp_endpoints"]}}
    async with connected(outputs, server, mode) as connection:
        await assert_conformance(MCPTestClient(connection), spec_version=version, strict=True)


@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
@pytest.mark.parametrize(
    "path",
    ["/mcp", "/mcp/ai_memory"]
    + [
        pytest.param(f"/mcp/{server}", marks=pytest.mark.long)
        for server in SERVERS
        if server != "ai_memory"
    ],
)
async def test_a_server_conforms_to_the_protocol(
    platform: Platform, tools: Path, tmp_path: Path, version: str, path: str
):
    """Each time one server represents all, and `make test-long` asks each: they share the runtime
    that answers here. The backend answers by itself."""
    host, _, port = platform.outputs["gateway_url"].removeprefix("https://").partition(":")
    trust = trusting(platform.outputs["ca_certificate"])
    expected = expected_of(path)
    (tmp_path / "expected.yaml").write_text(yaml.safe_dump({"server": expected}))
    command = testers.command(
        *(tools, "conformance", "server", "--suite", "all", "--spec-version", version),
        *("--url", f"http://127.0.0.1:{platform.plain_port}{path}"),
        *("--expected-failures", str(tmp_path / "expected.yaml")),
        *("--output-dir", str(tmp_path / "results")),
    )
    environment = testers.environment(tmp_path)
    async with adding_token(platform.plain_port, (host, int(port)), trust, TOKEN):
        tester = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=PIPE, stderr=STDOUT
        )
        try:
            out, _ = await asyncio.wait_for(tester.communicate(), 120)
        finally:
            if tester.returncode is None:
                tester.kill()
                await tester.wait()
    _, _, verdict = out.decode().rpartition("=== SUMMARY ===")
    verdict = re.sub(r"^(✓|✗|  ~) .*\n", "", verdict, flags=re.MULTILINE)
    assert tester.returncode == 0, f"{unexpected(tmp_path / 'results', expected)}\n{verdict}"


def expected_of(path: str) -> list[str]:
    """The tester's expected findings at this path."""
    expected: list[str] = yaml.safe_load(EXPECTED.read_text())["server"]
    if path == "/mcp":
        expected += yaml.safe_load(OF_BACKEND.read_text())["server"]
    return expected


def unexpected(results: Path, expected: list[str]) -> str:
    """Unexpected failures, in the tester's words."""
    lines = []
    for file in sorted(results.glob("server-*/checks.json")):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name.removeprefix("server-"))
        for check in json.loads(file.read_text()):
            place = f"{scenario}:{check['id']}"
            if check["status"] in ("FAILURE", "WARNING") and place not in expected:
                lines.append(f"{place}: {check.get('errorMessage')}")
    return "\n".join(lines)
