"""lambda_labs_cli against a stand-in for Lambda Cloud that speaks real HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings

from mcp_catalog.lambda_labs_cli.server import build
from tests.support import upstream as replies
from tests.support.stand_in import StandIn
from tests.support.tool_calls import Tools
from tests.support.upstream import Service

KEY = "secret_sophia_0123"
ALLOWED = {
    "MCP_ALLOW_WRITES": "true",
    "MCP_ALLOW_DESTRUCTIVE": "restart_instances,terminate_instances",
    "LAMBDA_MAX_USD_PER_HOUR": "25",
}


def machine_type(name: str, cents: int, gpus: int) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{gpus}x something",
        "gpu_description": "something",
        "price_cents_per_hour": cents,
        "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": gpus},
    }


def region(name: str) -> dict[str, str]:
    return {"name": name, "description": "Somewhere"}


A10, H100 = machine_type("gpu_1x_a10", 75, 1), machine_type("gpu_8x_h100_sxm5", 2392, 8)
CPU = machine_type("cpu_4x_general", 20, 0)
TYPES = {
    "gpu_8x_h100_sxm5": {"instance_type": H100, "regions_with_capacity_available": []},
    "gpu_1x_a10": {
        "instance_type": A10,
        "regions_with_capacity_available": [region("us-west-1"), region("us-east-1")],
    },
    "cpu_4x_general": {"instance_type": CPU, "regions_with_capacity_available": [region("us-1")]},
}
WORKER = {
    "id": "0920582c7ff041399e34823a0be62549",
    "name": "worker-1",
    "ip": "198.51.100.2",
    "private_ip": "192.0.2.100",
    "status": "active",
    "ssh_key_names": ["a key"],
    "file_system_names": [],
    "region": region("us-west-1"),
    "instance_type": A10,
    "hostname": "headnode1",
    "jupyter_token": "53968f128c4a4489b688c2c0a181d083",
    "jupyter_url": "https://jupyter.example/?token=53968f128c4a4489b688c2c0a181d083",
    "tags": [{"key": "stack", "value": "prod"}, {"key": "node", "value": "worker-1"}],
}
BOOTING = {
    "id": "1" * 32, "status": "booting", "region": region("us-west-1"), "instance_type": H100,
}  # fmt: skip
ENDED = {**BOOTING, "id": "2" * 32, "status": "terminating"}
IMAGES = [
    {"id": f"i{n}", "family": "lambda-stack-24-04", "name": f"stack-{n}", "version": str(n),
     "architecture": "x86_64", "region": region(place), "description": "",
     "created_time": "2026-01-01T00:00:00Z", "updated_time": f"2026-01-0{n}T00:00:00Z"}
    for n, place in ((1, "us-west-1"), (3, "us-east-1"), (2, "us-west-1"))
]  # fmt: skip


FILE_SYSTEM = {
    "id": "f1", "name": "data", "mount_point": "/lambda/nfs/data", "is_in_use": False,
    "region": region("us-west-1"), "created": "2026-01-01T00:00:00Z",
}  # fmt: skip
DATA = {
    "instance-types": TYPES,
    "instances": [WORKER, BOOTING, ENDED],
    f"instances/{WORKER['id']}": WORKER,
    "ssh-keys": [{"id": "k1", "name": "laptop", "public_key": "ssh-ed25519 AAAA"}],
    "file-systems": [FILE_SYSTEM],
    "images": IMAGES,
}
OPERATION = "POST /api/v1/instance-operations"


def changed(word: str, status: str) -> Any:
    return lambda request: replies.ok(
        {"data": {word: [{**BOOTING, "id": i, "status": status}
                         for i in request.body["instance_ids"]]}}
    )  # fmt: skip


STAND_IN = StandIn(
    "lambda_labs_cli",
    "LAMBDA_API_URL",
    {"LAMBDA_API_KEY": KEY, **ALLOWED},
    {
        **{f"GET /api/v1/{path}": replies.ok({"data": value}) for path, value in DATA.items()},
        f"{OPERATION}/launch": replies.ok({"data": {"instance_ids": ["3" * 32]}}),
        f"{OPERATION}/restart": changed("restarted_instances", "booting"),
        f"{OPERATION}/terminate": changed("terminated_instances", "terminating"),
    },
    {
        "list_instance_types": {},
        "cheapest_available_instance": {"gpus": 1},
        "list_instances": {},
        "get_instance": {"instance_id": WORKER["id"]},
        "list_ssh_keys": {},
        "list_file_systems": {},
        "list_images": {},
        "launch_instance": {
            "instance_type": "cpu_4x_general", "ssh_key_name": "laptop", "name": "mine",
        },
        "restart_instances": {"instance_ids": [BOOTING["id"]]},
        "terminate_instances": {"instance_ids": [BOOTING["id"]]},
    },
    below="/api/v1",
    hidden=("53968f128c4a4489b688c2c0a181d083",),
)  # fmt: skip


@pytest.fixture
def cloud() -> Iterator[Service]:
    with STAND_IN.serving() as service:
        yield service


@asynccontextmanager
async def connected(cloud: Service, **variables: str) -> AsyncIterator[Tools]:
    nothing = dict.fromkeys(ALLOWED, "")
    async with STAND_IN.connected(cloud, **{**nothing, **variables}) as tools:
        yield tools


async def test_types_come_cheapest_first_with_their_capacity(cloud: Service):
    async with connected(cloud) as tools:
        types = (await tools.ok("list_instance_types"))["instance_types"]
    assert [kind["name"] for kind in types] == ["cpu_4x_general", "gpu_1x_a10", "gpu_8x_h100_sxm5"]
    assert types[1] == {
        "name": "gpu_1x_a10",
        "description": "1x something",
        "usd_per_hour": 0.75,
        "gpus": 1,
        "vcpus": 30,
        "memory_gib": 200,
        "storage_gib": 1400,
        "regions_with_capacity": ["us-east-1", "us-west-1"],
    }
    assert (types[2]["usd_per_hour"], types[2]["regions_with_capacity"]) == (23.92, [])
    assert cloud.asked[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"available_only": True}, {"cpu_4x_general": 1, "gpu_1x_a10": 2}),
        ({"region": "us-1"}, {"cpu_4x_general": 1, "gpu_1x_a10": 0, "gpu_8x_h100_sxm5": 0}),
        ({"region": "us-west-1", "available_only": True}, {"gpu_1x_a10": 1}),
        ({"region": "europe-1", "available_only": True}, {}),
    ],
)
async def test_region_and_capacity_narrow_the_list(cloud: Service, arguments, expected):
    async with connected(cloud) as tools:
        types = (await tools.ok("list_instance_types", **arguments))["instance_types"]
    assert {kind["name"]: len(kind["regions_with_capacity"]) for kind in types} == expected


async def test_the_cheapest_that_is_free_and_fits(cloud: Service):
    async with connected(cloud) as tools:
        assert (await tools.ok("cheapest_available_instance"))["name"] == "gpu_1x_a10"
        anything = await tools.ok("cheapest_available_instance", gpus=0)
        assert anything["name"] == "cpu_4x_general"
        said = await tools.error("cheapest_available_instance", gpus=8)
    assert "no machine with 8 GPUs and 0 GiB is free in any region now" in said


async def test_instances_are_short_and_without_credentials(cloud: Service):
    async with connected(cloud) as tools:
        listed = await tools.ok("list_instances")
        one = await tools.ok("get_instance", instance_id=WORKER["id"])
    assert [machine["name"] for machine in listed["instances"]] == [None, None, "worker-1"]
    assert one == listed["instances"][2]
    assert {key: one[key] for key in ("status", "instance_type", "region", "usd_per_hour")} == {
        "status": "active",
        "instance_type": "gpu_1x_a10",
        "region": "us-west-1",
        "usd_per_hour": 0.75,
    }
    assert listed["usd_per_hour"] == 24.67, "what is ending costs no more"
    assert "53968f" not in str(listed)


async def test_an_id_that_there_is_not_is_said_with_what_to_do(cloud: Service):
    fault = {"code": "global/object-does-not-exist", "message": "No such instance."}
    cloud.routes["GET /api/v1/instances/none"] = replies.refused(404, {"error": fault})
    async with connected(cloud) as tools:
        said = await tools.error("get_instance", instance_id="none")
        await tools.error("get_instance", instance_id="../ssh-keys")
    assert "(404): global/object-does-not-exist: No such instance. Check the id" in said
    assert cloud.asked[-1].path == "/api/v1/instances/..%2Fssh-keys"


async def test_keys_file_systems_and_images(cloud: Service):
    async with connected(cloud) as tools:
        (key,) = (await tools.ok("list_ssh_keys"))["result"]
        (files,) = (await tools.ok("list_file_systems"))["result"]
        images = (await tools.ok("list_images"))["result"]
        western = (await tools.ok("list_images", region="us-west-1"))["result"]
    assert key == {"name": "laptop", "public_key": "ssh-ed25519 AAAA"}
    assert (files["name"], files["region"]) == ("data", "us-west-1")
    assert [image["name"] for image in images] == ["stack-3", "stack-2", "stack-1"]
    assert [image["name"] for image in western] == ["stack-2", "stack-1"]


async def test_nothing_that_costs_or_destroys_is_there_by_default(cloud: Service):
    async with connected(cloud) as tools:
        listed = await tools.listed()
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.values())
    async with connected(cloud, MCP_ALLOW_WRITES="true") as tools:
        assert set(await tools.listed()) - set(listed) == {"launch_instance"}
    async with connected(cloud, **ALLOWED) as tools:
        assert set(await tools.listed()) - set(listed) == {
            *("launch_instance", "restart_instances", "terminate_instances")
        }


async def test_a_launch_goes_where_there_is_capacity(cloud: Service):
    arguments = {"instance_type": "cpu_4x_general", "ssh_key_name": "laptop", "name": "mine"}
    async with connected(cloud, **ALLOWED) as tools:
        made = await tools.ok("launch_instance", **arguments, image_family="lambda-stack-24-04")
    assert made == {
        "instance_id": "3" * 32,
        "region": "us-1",
        "usd_per_hour": 0.2,
        "account_usd_per_hour": 24.87,
    }
    assert cloud.asked[-1].body == {
        "region_name": "us-1",
        "instance_type_name": "cpu_4x_general",
        "ssh_key_names": ["laptop"],
        "file_system_names": [],
        "name": "mine",
        "tags": [{"key": "launched-by", "value": "lambda_labs_cli"}],
        "image": {"family": "lambda-stack-24-04"},
    }


@pytest.mark.parametrize(
    ("arguments", "cap", "said"),
    [
        ({"instance_type": "gpu_1x_a10"}, "25", "would cost $25.42 an hour, above the cap of $25"),
        ({"instance_type": "cpu_4x_general"}, "0", "above the cap of $0 (LAMBDA_MAX_USD_PER_HOUR)"),
        ({"instance_type": "gpu_8x_h100_sxm5"}, "99", "regions with capacity: none now"),
        ({"instance_type": "gpu_1x_a10", "region": "us-1"}, "99", "capacity: us-east-1, us-west-1"),
        ({"instance_type": "tpu"}, "99", "expected one of cpu_4x_general, gpu_1x_a10, gpu_8x"),
    ],
)
async def test_a_launch_that_may_not_be_is_refused_before_it_is_sent(
    cloud: Service, arguments: dict[str, str], cap: str, said: str
):
    variables = {**ALLOWED, "LAMBDA_MAX_USD_PER_HOUR": cap}
    async with connected(cloud, **variables) as tools:
        assert said in await tools.error(
            "launch_instance", ssh_key_name="laptop", name="mine", **arguments
        )
    assert all(asked.method == "GET" for asked in cloud.asked)


@pytest.mark.parametrize("reply", [replies.silent(), replies.refused(503)])
async def test_a_launch_is_never_sent_twice(cloud: Service, reply: replies.Reply):
    cloud.routes["POST /api/v1/instance-operations/launch"] = reply
    async with connected(cloud, **ALLOWED) as tools:
        said = await tools.error(
            "launch_instance", instance_type="cpu_4x_general", ssh_key_name="k", name="mine"
        )
    assert "may have taken effect" in said or "503" in said
    assert [asked.method for asked in cloud.asked].count("POST") == 1


@pytest.mark.parametrize(
    ("tool", "status"), [("restart_instances", "booting"), ("terminate_instances", "terminating")]
)
async def test_machines_are_restarted_and_ended_but_not_the_platforms(
    cloud: Service, tool: str, status: str
):
    async with connected(cloud, **ALLOWED) as tools:
        (ended,) = (await tools.ok(tool, instance_ids=[BOOTING["id"]]))["instances"]
        said = await tools.error(tool, instance_ids=[BOOTING["id"], WORKER["id"]])
    assert (ended["id"], ended["status"]) == (BOOTING["id"], status)
    assert "is worker-1 of the platform's stack prod: only its own program may do that" in said
    assert [asked.method for asked in cloud.asked].count("POST") == 1


async def test_a_refused_key_is_said_without_it(cloud: Service):
    fault = {"code": "global/invalid-api-key", "message": f"{KEY} is invalid.", "suggestion": "Go."}
    cloud.routes["GET /api/v1/instances"] = replies.refused(401, {"error": fault})
    async with connected(cloud) as tools:
        said = await tools.error("list_instances")
    assert "Lambda Cloud refused (401): global/invalid-api-key: *** is invalid. Go." in said


async def test_without_a_key_it_starts_and_says_so(cloud: Service):
    async with connected(cloud, LAMBDA_API_KEY="") as tools:
        assert "LAMBDA_API_KEY is not set" in await tools.error("list_instances")
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("name", "value"), [("LAMBDA_API_URL", "cloud"), ("LAMBDA_MAX_USD_PER_HOUR", "2.5")]
)
def test_it_does_not_start_with_a_setting_that_is_none(name: str, value: str):
    with pytest.raises(SettingError, match=f"{name}: expected"):
        build(read_settings("lambda_labs_cli", {name: value}))
