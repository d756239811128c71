"""lambda_labs_cli against a stand-in for Lambda Cloud that speaks real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from mcp import Client
from sophia_mcp.errors import MissingSecretError, SettingError
from sophia_mcp.settings import read_settings

from mcp_catalog.lambda_labs_cli.api import LambdaApi
from mcp_catalog.lambda_labs_cli.errors import Refused, Unreachable
from mcp_catalog.lambda_labs_cli.server import build

KEY = "secret_sophia_0123"


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
TYPES = {
    "gpu_8x_h100_sxm5": {"instance_type": H100, "regions_with_capacity_available": []},
    "gpu_1x_a10": {
        "instance_type": A10,
        "regions_with_capacity_available": [region("us-west-1"), region("us-east-1")],
    },
}
INSTANCES = [
    {
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
    },
    {"id": "1" * 32, "status": "booting", "region": region("us-west-1"), "instance_type": H100},
]


class Cloud:
    """Answers are (status, headers, body); `queue` goes first, then what the API would say."""

    def __init__(self) -> None:
        self.queue: list[tuple[int, dict[str, str], str]] = []
        self.asked: list[str] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = cloud.answer(self.path, self.headers["Authorization"])
                cloud.asked.append(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/api/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, str], str]:
        if self.queue:
            return self.queue.pop(0)
        if authorization != f"Bearer {KEY}":
            fault = {
                "code": "global/invalid-api-key",
                "message": "API key was invalid, expired, or deleted.",
                "suggestion": "Check your API key or create a new one, then try again.",
            }
            return 401, {}, json.dumps({"error": fault})
        data = {"/api/v1/instance-types": TYPES, "/api/v1/instances": INSTANCES}[path]
        return 200, {}, json.dumps({"data": data})

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.close()


@asynccontextmanager
async def connected(cloud: Cloud, key: str = KEY):
    server = build(read_settings("toy", {"LAMBDA_API_URL": cloud.url, "LAMBDA_API_KEY": key}))
    async with Client(server) as client:
        yield client


@asynccontextmanager
async def api(url: str, patience: float = 15):
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=f"{url}/", headers=headers, timeout=1) as http:
        yield LambdaApi(http, patience)


async def test_types_come_cheapest_first_with_their_capacity(cloud: Cloud):
    async with connected(cloud) as client:
        result = await client.call_tool("list_instance_types", {})
    cheap, dear = result.structured_content["instance_types"]
    assert cheap == {
        "name": "gpu_1x_a10",
        "description": "1x something",
        "usd_per_hour": 0.75,
        "gpus": 1,
        "vcpus": 30,
        "memory_gib": 200,
        "storage_gib": 1400,
        "regions_with_capacity": ["us-east-1", "us-west-1"],
    }
    assert (dear["usd_per_hour"], dear["regions_with_capacity"]) == (23.92, [])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"available_only": True}, {"gpu_1x_a10": ["us-east-1", "us-west-1"]}),
        ({"region": "us-west-1"}, {"gpu_1x_a10": ["us-west-1"], "gpu_8x_h100_sxm5": []}),
        ({"region": "us-west-1", "available_only": True}, {"gpu_1x_a10": ["us-west-1"]}),
        ({"region": "europe-1", "available_only": True}, {}),
    ],
)
async def test_region_and_capacity_narrow_the_list(cloud: Cloud, arguments, expected):
    async with connected(cloud) as client:
        result = await client.call_tool("list_instance_types", arguments)
    types = result.structured_content["instance_types"]
    assert {t["name"]: t["regions_with_capacity"] for t in types} == expected


async def test_instances_are_short_and_without_credentials(cloud: Cloud):
    async with connected(cloud) as client:
        result = await client.call_tool("list_instances", {})
    listed = result.structured_content
    assert [machine["name"] for machine in listed["instances"]] == [None, "worker-1"]
    assert listed["instances"][1] == {
        "id": "0920582c7ff041399e34823a0be62549",
        "name": "worker-1",
        "status": "active",
        "instance_type": "gpu_1x_a10",
        "region": "us-west-1",
        "ip": "198.51.100.2",
        "private_ip": "192.0.2.100",
        "usd_per_hour": 0.75,
    }
    assert listed["usd_per_hour"] == 24.67
    assert "53968f" not in str(result)


async def test_a_refusal_keeps_code_and_suggestion_and_is_not_repeated(cloud: Cloud):
    async with connected(cloud, key="wrong") as client:
        result = await client.call_tool("list_instances", {})
    assert result.is_error
    text = result.content[0].text
    assert "401 global/invalid-api-key" in text
    assert "Suggestion: Check your API key" in text
    assert cloud.asked == ["/api/v1/instances"]


async def test_a_rate_limit_is_waited_for_as_long_as_it_says(cloud: Cloud):
    cloud.queue = [(429, {"Retry-After": "0"}, ""), (503, {"Retry-After": "0"}, "<html>busy")]
    async with api(cloud.url) as lambda_api:
        assert len(await lambda_api.instances()) == 2
    assert len(cloud.asked) == 3


async def test_patience_ends(cloud: Cloud):
    cloud.queue = [(429, {"Retry-After": "60"}, "")]
    async with api(cloud.url) as lambda_api:
        with pytest.raises(Refused, match="429") as caught:
            await lambda_api.instances()
    assert caught.value.status == 429


async def test_nobody_there_is_said_with_the_address():
    async with api("http://127.0.0.1:9/api/v1", patience=0) as lambda_api:
        with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/api/v1/ does not answer"):
            await lambda_api.instances()


@pytest.mark.parametrize("body", ["<html>hello</html>", '{"data": {"a": {}}}', "{}"])
async def test_an_answer_that_is_not_the_apis_is_said_so(cloud: Cloud, body: str):
    cloud.queue = [(200, {}, body)]
    async with api(cloud.url) as lambda_api:
        with pytest.raises(Unreachable, match="is LAMBDA_API_URL its address"):
            await lambda_api.offers()


def test_it_does_not_start_without_a_key(tmp_path):
    with pytest.raises(MissingSecretError, match="LAMBDA_API_KEY"):
        build(read_settings("toy", {}, tmp_path))


def test_it_does_not_start_with_an_address_that_is_none(tmp_path):
    environment = {"LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": "cloud"}
    with pytest.raises(SettingError, match="LAMBDA_API_URL: expected an http"):
        build(read_settings("toy", environment, tmp_path))
