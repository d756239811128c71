"""The whole platform on real nodes. The tests run in this order: each finds the platform up and
leaves it up, but for the last."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulator import cloud
from tests.support import docker, scanning
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.load import Target, load
from tests.support.mcp_calls import LEGACY, MODERN, connected, http_client
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

AI_MEMORY, CHANGED = "sophia-dev-ai_memory", "sophia-dev-lambda_labs_cli"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@pytest.fixture(scope="module")
def told() -> dict[int, dict[str, Any]]:
    return {}


@pytest.fixture
def outputs(platform: Checkout, told: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """The stack's; it is asked again once its state has been written."""
    (state,) = (platform.home / "pulumi").rglob("stacks/sophia/dev.json")
    written = state.stat().st_mtime_ns
    if written not in told:
        told[written] = platform.outputs()
    return told[written]


def changed(plan: str) -> set[str]:
    """`type name` of what a `pulumi preview --json` would touch."""
    steps = [s for s in json.loads(plan)["steps"] if s["op"] not in ("same", "refresh")]
    return {re.sub(r".*[:$]([^:$]+:[^:$]+:[^:$]+)::", r"\1 ", step["urn"]) for step in steps}


def edited(path: Path, change: Callable[[str], str]) -> contextlib.ExitStack:
    """The file with `change` made to it, until the returned stack closes."""
    original = path.read_text()
    path.write_text(change(original))
    undo = contextlib.ExitStack()
    undo.callback(path.write_text, original)
    return undo


async def test_a_killed_up_is_gone_on_with(platform, interrupted, outputs):
    nodes = docker.nodes(platform.home)
    assert len(nodes) == len(outputs["nodes"]), f"one machine a node, got {nodes}"
    assert set(interrupted) <= set(nodes), "what an interrupted run had launched is used"


WELL_KNOWN = {f"tcp/{port}" for port in (1, 2375, 2376, 2377, 5000, 5432, 7946, 8080, 9323, 65535)}


def listening(node: str) -> set[str]:
    """The ports of a node at which anything listens for others than itself."""
    told = docker.docker("exec", node, "ss", "-Hltn")
    places = [line.split()[3].rpartition(":") for line in told.splitlines()]
    return {f"tcp/{port}" for host, _, port in places if not host.startswith("127.")}


def test_only_ssh_and_the_gateway_answer_strangers_and_swarms_ports_its_nodes(platform, outputs):
    simulated = cloud.find(platform.home / "simulator")
    made = simulated.settings
    machines = {one["id"]: one for one in simulated.control("GET", "/instances")}
    gateway = f"tcp/{urlsplit(outputs['gateway_url']).port}"
    containers = {node["instance_id"]: f"{made.simulator}-{machines[node['instance_id']]['title']}"
                  for node in outputs["nodes"].values()}  # fmt: skip
    seen, right = {}, {}
    with ThreadPoolExecutor(4) as pool:  # silence takes two seconds
        for number, (name, node) in enumerate(outputs["nodes"].items()):
            manager, id = node["role"] == "manager", node["instance_id"]
            ports = sorted(WELL_KNOWN | listening(containers[id]) | {gateway})
            assert {"tcp/7946", "tcp/22"} < set(ports)
            right[name, "world"] = {"tcp/22": "open"} | ({gateway: "open"} if manager else {})
            seen[name, "world"] = pool.submit(
                scanning.from_outside,
                *(made.simulator, str(made.network[251 + number]), node["address"], ports),
            )
            if made.encrypts:
                continue  # ESP comes by a rule that lets nodes in to every port
            others = {"tcp/7946": "open"} | ({"tcp/2377": "open"} if manager else {})
            other = next(name for one, name in containers.items() if one != id)
            for address in (node["address"], machines[id]["private_ip"]):
                right[name, address] = right[name, "world"] | others
                seen[name, address] = pool.submit(scanning.from_node, other, address, ports)
    assert {where: found.result() for where, found in seen.items()} == right


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_memory_is_stored_and_found(outputs, mode):
    async with connected(outputs, "ai_memory", mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {"store_memory", "search_memories"} <= tools
        stored = await client.call_tool("store_memory", {"content": f"zebra seen in {mode}"})
        assert not stored.is_error, stored
        found = await client.call_tool("search_memories", {"query": "zebra"})
        assert f"zebra seen in {mode}" in json.dumps(found.structured_content)


async def test_both_replicas_answer(outputs):
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while len(seen) < 2:
            async with connected(outputs, "ai_memory", seen=seen.add) as client:
                await client.list_tools()


async def test_a_server_reaches_its_upstream(outputs):
    async with connected(outputs, "lambda_labs_cli") as client:
        answer = await client.call_tool("list_instances", {})
        assert not answer.is_error, answer
        listed = json.dumps(answer.structured_content)
    assert all(node["instance_id"] in listed for node in outputs["nodes"].values())


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_all_servers_are_one_at_the_backend(outputs, mode):
    everything = {"mcp_endpoints": {"all": f"{outputs['gateway_url']}/mcp"}}
    async with connected(outputs | everything, "all", mode) as client:
        tools, cursor = set(), None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools |= {tool.name for tool in page.tools}
            if not (cursor := page.next_cursor):
                break
        for server in outputs["mcp_endpoints"]:
            assert any(name.startswith(f"{server}_") for name in tools), server
        answer = await client.call_tool("lambda_labs_cli_list_instances", {})
        assert not answer.is_error, answer


async def test_the_fleet_is_seen_by_callers_and_its_page_by_everybody(outputs):
    url = outputs["gateway_url"]
    async with http_client(outputs) as client:
        fleet = (await client.get(f"{url}/api/fleet")).json()
        seen = {server["name"]: server for server in fleet["servers"]}
        assert {*seen} == {*outputs["mcp_endpoints"]}
        assert {one["status"] for one in seen.values()} <= {"ok", "not_configured"}
        assert seen["ai_memory"]["replicas"] == 2
        assert [caller["name"] for caller in fleet["callers"]] == ["default"]
        del client.headers["authorization"]
        page = await client.get(f"{url}/")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert (await client.get(f"{url}/api/fleet")).status_code == 401


CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 5432), 3) as connection:
        connection.sendall(bytes.fromhex("0000000804d2162f"))
        print("reached" if connection.recv(1) in (b"N", b"S") else "somebody else")
except OSError as error:
    print(error)
"""
"""Asks as PostgreSQL's clients do. A connection alone proves nothing: some networks accept any."""


def test_only_those_with_its_password_reach_the_database_which_has_no_way_out(platform):
    ((home, database),) = docker.tasks(platform.home, "sophia-dev-database")
    shown = docker.docker(
        *("exec", home, "docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}"),
        database,
    )
    (place,) = [network["IPAddress"] for network in json.loads(shown).values()]

    def told(service: str, target: str) -> str:
        node, container = docker.tasks(platform.home, service)[0]
        asked = ("exec", node, "docker", "exec", container, "python3", "-c", CONNECT, target)
        return docker.docker(*asked).strip()

    assert told(AI_MEMORY, place) == told(AI_MEMORY, "tasks.sophia-dev-database") == "reached"
    for target in (place, "tasks.sophia-dev-database"):
        assert told("sophia-dev-lambda_labs_cli", target) != "reached"
    routes = docker.docker("exec", home, "docker", "exec", database, "cat", "/proc/net/route")
    ways_out = [line for line in routes.splitlines()[1:] if line.split()[1] == "00000000"]
    assert ways_out == []


async def test_refusals_are_clear_and_logged(platform, outputs):
    url = outputs["mcp_endpoints"]["ai_memory"]
    async with http_client(outputs, token="wrong") as client:
        assert (await client.post(url, json=CALL)).status_code == 401
    async with http_client(outputs) as client:
        missing = await client.post(f"{outputs['gateway_url']}/mcp/unheard_of", json=CALL)
        assert missing.status_code == 404
        large = await client.post(url, content=b"x" * (5 * 1024 * 1024))
        assert large.status_code == 413
        assert (await client.get(f"{outputs['gateway_url']}/health")).status_code == 200
    log = until(
        lambda: platform.run("ops", "logs", "gateway"),
        lambda text: all(re.search(rf"\b{code}\b", text) for code in (401, 404, 413)),
        "the refusals in the gateway's log",
    )
    assert outputs["gateway_token"] not in log


SHOWN = """
containers=$(docker ps --all --quiet) images=$(docker image ls --quiet)
docker inspect $containers $images
for image in $images; do docker history --no-trunc "$image"; done
for container in $containers; do
    docker logs "$container" 2>&1
    docker top "$container" -o args 2>/dev/null
done
docker service ls --quiet 2>/dev/null | xargs --no-run-if-empty docker service inspect
"""
"""What Docker tells somebody on a node of containers, their logs, processes, images, services."""


def test_secrets_are_nowhere_in_plain_text(platform, outputs, canaries):
    secrets = {"a token": outputs["gateway_token"], **canaries}
    secrets["an ssh key"] = outputs["ssh_private_key"].splitlines()[1]
    shown = {
        node: docker.docker("exec", node, "sh", "-c", SHOWN) for node in docker.nodes(platform.home)
    }
    for server in outputs["mcp_endpoints"]:
        assert any(f"sophia-dev-{server}." in text for text in shown.values()), server
    shown["the state"] = "".join(p.read_text() for p in (platform.home / "pulumi").rglob("*.json"))
    shown["the catalog's configuration"] = (platform.root / "Pulumi.dev.yaml").read_text()
    assert {
        (name, place) for name, secret in secrets.items() for place in shown
        if secret in shown[place]
    } == set()  # fmt: skip
    assert "postgresql://" not in "".join(
        text for place, text in shown.items() if place != "the state"
    )
    node, container = docker.tasks(platform.home, "sophia-dev-slack")[0]
    held = docker.docker(
        "exec", node, "docker", "exec", container, "cat", "/run/secrets/SLACK_BOT_TOKEN"
    )
    assert held == canaries["SLACK_BOT_TOKEN"], "it is what is looked for"


def test_the_audit_finds_nothing_that_nobody_has_accepted(platform):
    assert ", 0 fail" in platform.run("ops.audit")


def test_up_again_changes_nothing(platform):
    output = platform.run("ops", "up")
    assert re.search(r"Resources:\n\s+\d+ unchanged", output), output
    command = output.partition("Try it:\n")[2].splitlines()[0]
    tried = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "The platform came up" in tried.stdout, tried.stderr


def test_a_second_clone_sees_the_same_platform_and_nothing_to_change(platform, tmp_path):
    second = copy_of_the_tree(tmp_path, platform.home, platform.variables)
    assert changed(second.pulumi("preview", "--json")) == set()
    assert second.outputs() == platform.outputs()


def test_servers_go_with_their_folders_and_the_others_run_on(platform, outputs):
    """Those that stay are enough for what follows."""
    kept = {"ai_memory", "lambda_labs_cli", "postgres", "slack"}
    before = {name: docker.tasks(platform.home, f"sophia-dev-{name}") for name in kept}
    for name in outputs["mcp_endpoints"].keys() - kept:
        shutil.rmtree(platform.root / "mcp_catalog" / name)
    platform.run("ops", "up")
    assert platform.outputs()["mcp_endpoints"].keys() == kept
    assert {name: docker.tasks(platform.home, f"sophia-dev-{name}") for name in kept} == before
    assert docker.tasks(platform.home, "sophia-dev-github") == []


def test_refresh_finds_nothing(platform):
    platform.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


async def test_calls_go_on_while_a_replica_is_killed(platform, outputs):
    (node, container), *others = docker.tasks(platform.home, AI_MEMORY)
    assert others, "two replicas"
    async with connected(outputs, "ai_memory") as client:
        await client.list_tools()
        docker.docker("exec", node, "docker", "kill", container)
        async with asyncio.timeout(60):
            while len(docker.tasks(platform.home, AI_MEMORY)) < 2 or container in str(
                docker.tasks(platform.home, AI_MEMORY)
            ):
                assert not (await client.call_tool("get_memory_stats", {})).is_error
    # It runs again; drift is over once it is healthy, too.
    until(
        lambda: changed(platform.pulumi("preview", "--json")),
        lambda touched: touched == set(),
        "a platform that is as it should be",
    )


def test_a_renamed_stack_replaces_nothing(platform):
    platform.pulumi("stack", "rename", "other")
    try:
        steps = json.loads(platform.pulumi("preview", "--json", stack="other"))["steps"]
    finally:
        platform.pulumi("stack", "rename", "dev", stack="other")
    assert {step["op"] for step in steps} <= {"same", "refresh", "update"}


def test_keys_and_tokens_rotate_while_everything_runs(platform):
    configuration = platform.root / "Pulumi.dev.yaml"
    before, key = docker.tasks(platform.home, AI_MEMORY), platform.outputs()["ssh_private_key"]
    rotated = "  sophia:rotate: {loginKey: 2, joinTokens: 2}\n"
    text = configuration.read_text().replace("config:\n", f"config:\n{rotated}", 1)
    configuration.write_text(text)
    platform.run("ops", "up")
    assert platform.outputs()["ssh_private_key"] != key
    assert docker.tasks(platform.home, AI_MEMORY) == before
    assert changed(platform.pulumi("preview", "--json")) == set()

    def only_key() -> str:
        (keys,) = {
            docker.docker("exec", node, "cat", "/home/ubuntu/.ssh/authorized_keys")
            for node in docker.nodes(platform.home)
        }
        (key,) = keys.splitlines()
        return key

    rotated_to = only_key()
    # By force the pair forgets the former one; the last `up` has handed it out.
    refused = platform.pulumi("up", "--yes", "--skip-preview", "--replace", "**::login", ok=False)
    assert "the account has another key of that name" in refused
    configuration.write_text(text.replace("loginKey: 2", "loginKey: 3"))
    platform.run("ops", "up")
    assert only_key() != rotated_to
    assert docker.tasks(platform.home, AI_MEMORY) == before


async def listing(outputs: dict[str, Any], server: str, over: asyncio.Event) -> list[str]:
    """Asks for the server's tools all the time. What came instead of them."""
    faults = []
    async with http_client(outputs) as client:
        client.headers["accept"] = "application/json, text/event-stream"
        while not over.is_set():
            answer = await client.post(outputs["mcp_endpoints"][server], json=CALL)
            if answer.status_code != 200 or '"tools"' not in answer.text:
                faults.append(f"{answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(0.05)
    return faults


async def test_passwords_and_credentials_rotate_and_no_call_fails(platform, outputs, canaries):
    """Of the database, with two replicas of its client; of Slack, with one. Machines forget their
    former login key meanwhile."""
    configuration = platform.root / "Pulumi.dev.yaml"
    text = configuration.read_text()
    configuration.write_text(text.replace("sophia:rotate: {", "sophia:rotate: {database: 2, "))
    canaries["SLACK_BOT_TOKEN"] = f"canary-{token_hex(12)}"
    (database,) = docker.tasks(platform.home, "sophia-dev-database")
    before = docker.tasks(platform.home, AI_MEMORY), docker.tasks(platform.home, "sophia-dev-slack")

    def roles() -> set[str]:
        node, container = database
        told = docker.docker(
            *("exec", node, "docker", "exec", container, "psql", "-U", "postgres", "-qAtc"),
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'sophia%'",
        )
        return set(told.split())

    former, over = roles(), asyncio.Event()
    target = Target(
        outputs["mcp_endpoints"]["ai_memory"], "get_memory_stats",
        authority=outputs["ca_certificate"], token=outputs["gateway_token"],
    )  # fmt: skip
    slack = asyncio.create_task(listing(outputs, "slack", over))
    try:
        async with load(target, clients=2) as calls:
            await asyncio.to_thread(platform.run, "ops", "up")
    finally:
        over.set()
    assert await slack == []
    assert [call.fault for call in calls if call.fault] == []
    assert len(calls) > 50
    now = docker.tasks(platform.home, AI_MEMORY), docker.tasks(platform.home, "sophia-dev-slack")
    assert not {*before[0], *before[1]} & {*now[0], *now[1]}, "all replicas are new"
    assert docker.tasks(platform.home, "sophia-dev-database") == [database], "it never restarted"
    assert len(former) == len(roles()) == 1
    assert former != roles()
    assert changed(platform.pulumi("preview", "--json")) == set()


GROUP = """    - name: core
      count: 1
      role: worker
      tier: primary
      instanceTypes: [cpu_4x_general]
      regions: [us-east-1]
"""


def test_launch_preferences_and_a_group_in_front_replace_nothing(platform):
    def more(text: str) -> str:
        text = text.replace("[us-east-1, us-west-1]", "[us-west-3, us-east-1, us-west-1]", 1)
        text = text.replace("[cpu_4x_general]", "[gpu_1x_a10, cpu_4x_general]", 1)
        return text.replace("sophia:nodeGroups:\n", "sophia:nodeGroups:\n" + GROUP, 1)

    with edited(platform.root / "Pulumi.dev.yaml", more):
        steps = json.loads(platform.pulumi("preview", "--json"))["steps"]
        done = {(step["op"], step["urn"].rsplit("::", 1)[-1]) for step in steps}
    assert ("create", "core-1-instance") in done
    assert not [item for item in done if "replace" in item[0] or "delete" in item[0]]
    touched = {name for op, name in done if op not in ("same", "refresh")}
    restarted = [name for name in touched if name.endswith("-service")]
    assert restarted == []


LOST = r"volume database would be lost: .*\bconfirmDataLoss database-"
LOSSES = {
    "generation": (lambda text: text.replace("count: 3", 'count: 3\n      generation: "2"')),
    "other group": (lambda text: text.replace("name: manager", "name: chief")),
    "replace token": (
        lambda text: text.replace("count: 3", "count: 3\n      replace: {manager-1: 2}")
    ),
    "moved": (
        lambda text: text.replace("config:\n", "config:\n  sophia:volumes: {database: manager-2}\n")
    ),
}


OTHER_GROUP = "other group"
"""It touches most, so an `up` tries it."""


@pytest.mark.parametrize("change", [name for name in LOSSES if name != OTHER_GROUP])
def test_what_would_lose_the_database_is_refused_in_the_preview(platform, change):
    with edited(platform.root / "Pulumi.dev.yaml", LOSSES[change]):
        output = platform.pulumi("preview", ok=False)
    assert re.search(LOST, output)


def test_an_up_that_would_lose_the_database_changes_nothing(platform):
    with edited(platform.root / "Pulumi.dev.yaml", LOSSES[OTHER_GROUP]):
        applied = platform.pulumi("up", "--yes", "--skip-preview", ok=False)
    assert re.search(LOST, applied)
    assert changed(platform.pulumi("preview", "--json")) == set(), "nothing was changed"


def test_a_changed_server_changes_nothing_else(platform):
    """It stays changed, and the next `up` applies it."""
    source = platform.root / "mcp_catalog" / "lambda_labs_cli" / "server.py"
    source.write_text(source.read_text() + "# changed\n")
    touched = changed(platform.pulumi("preview", "--json"))
    assert touched
    assert all("lambda_labs_cli" in name for name in touched), touched


async def test_a_new_server_is_one_folder_and_three_minutes_and_leaves_the_others(platform):
    """And so does the server that was changed above."""
    began = time.monotonic()
    before = {name: docker.tasks(platform.home, name) for name in (AI_MEMORY, CHANGED)}
    done = platform.make("new-server", "NAME=made_here")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = platform.root / "mcp_catalog" / "made_here"
    try:
        platform.run("ops", "up")
        assert time.monotonic() - began < 180
        assert docker.tasks(platform.home, AI_MEMORY) == before[AI_MEMORY]
        assert not {*docker.tasks(platform.home, CHANGED)} & {*before[CHANGED]}, "it is new"
        async with connected(platform.outputs(), "made_here") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"list_things", "get_thing"}, "nothing that writes"
            answer = await client.call_tool("list_things", {})
        assert "MADE_HERE_API_KEY is not set" in json.dumps(answer.model_dump(mode="json"))
    finally:
        shutil.rmtree(folder)  # the next `up` takes it away


def test_a_failing_image_is_a_failure_and_the_old_version_serves_on(platform, outputs):
    main = platform.root / "mcp_catalog" / "ai_memory" / "server.py"
    before = docker.tasks(platform.home, AI_MEMORY)
    with edited(main, lambda text: 'raise SystemExit("kaputt: wrong build")\n' + text):
        output = platform.run("ops", "up", ok=False)
    assert "kaputt: wrong build" in output, "the log lines"
    assert re.search(r"rolled back|exit(ed)? .*1", output), "the cause"
    assert set(docker.tasks(platform.home, AI_MEMORY)) & set(before), "the old version serves"
    platform.run("ops", "up")
    assert len(docker.tasks(platform.home, AI_MEMORY)) == 2
    assert "made_here" not in platform.outputs()["mcp_endpoints"], "its folder is gone"


def test_a_lost_node_is_healed_by_a_plain_up(platform, outputs):
    (database, _), *_ = docker.tasks(platform.home, "sophia-dev-database")
    replicas = [node for node, _ in docker.tasks(platform.home, AI_MEMORY)]
    candidates = [*replicas, *docker.nodes(platform.home)]
    lost = next(n for n in candidates if n != database and "manager" in n)
    docker.docker("kill", lost)
    platform.pulumi("up", "--yes", "--skip-preview", seconds=900)
    running = docker.docker("ps", "--filter", f"label={docker.label(platform.home)}",
                            "--filter", "label=sophia.instance", "-q")  # fmt: skip
    assert len(running.split()) == len(outputs["nodes"])
    manager = next(n for n in docker.nodes(platform.home) if n != lost)
    listed = docker.docker("exec", database, "docker", "node", "ls", "--format", "{{.Status}}")
    assert listed.split() == ["Ready"] * len(outputs["nodes"]), manager
    healed = platform.outputs()
    assert healed["nodes"].keys() == outputs["nodes"].keys()
    assert "mcp-ai_memory" in platform.run("ops", "logs", "gateway")
    assert "the database is ready" in platform.run("ops", "logs", "ai_memory"), "one log is lost"


async def test_the_memory_survived_it_all(platform):
    async with connected(platform.outputs(), "ai_memory") as client:
        found = await client.call_tool("search_memories", {"query": "zebra"})
        assert "zebra seen in" in json.dumps(found.structured_content)


def test_the_databases_machine_is_given_up_only_when_that_is_confirmed(platform):
    (home, _), *_ = docker.tasks(platform.home, "sophia-dev-database")
    assert "manager-1" in home
    lost = platform.outputs()["nodes"]["manager-1"]["instance_id"]
    docker.docker("kill", home)
    refused = platform.pulumi("up", "--yes", "--skip-preview", ok=False, seconds=900)
    (id,) = set(re.findall(r"confirmDataLoss (database-[0-9a-f]{8})", refused))
    assert home in docker.nodes(platform.home), "the machine and its disk are still there"

    def confirmed(text: str) -> str:
        return text.replace("config:\n", f"config:\n  sophia:confirmDataLoss: {id}\n")

    # A refresh only looks, and so does what `destroy` begins with.
    platform.pulumi("refresh", "--yes", "--skip-preview", "--target", "**manager-1-instance")
    with edited(platform.root / "Pulumi.dev.yaml", confirmed):
        platform.pulumi("up", "--yes", "--skip-preview", seconds=900)
    now = platform.outputs()["nodes"]["manager-1"]["instance_id"]
    assert now != lost, "another machine"
    assert docker.tasks(platform.home, "sophia-dev-database")
    left = changed(platform.pulumi("preview", "--json"))
    kinds = {name.split()[0].rsplit(":", 1)[-1] for name in left}
    assert kinds <= {"Instance", "Volume", "VolumeHome"}, (
        f"taking the confirmation away touches what it allowed, and nothing else: {left}"
    )
    assert len(left) <= 3


def test_destroy_leaves_nothing(platform):
    platform.pulumi("destroy", "--yes", "--skip-preview")
    assert docker.nodes(platform.home) == []
    platform.run("ops", "down")
    assert docker.left_overs(platform.home) == {"containers": [], "volumes": [], "networks": []}
    processes = subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout
    assert str(platform.home) not in processes
