"""What the servers' images contain, what they don't, and how they run."""

from pathlib import Path

import pytest
from mcp import Client

from simulator import cloud
from tests.support.docker import docker
from tests.support.mcp_process import free_port
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]


def size(image: str) -> int:
    return int(docker("image", "inspect", "-f", "{{.Size}}", image))


def in_image(image: str, *command: str) -> str:
    return docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", image, *command)


@pytest.mark.parametrize("name", ["ai_memory_image", "lambda_labs_cli_image"])
def test_an_image_is_small_unprivileged_and_closed(
    request: pytest.FixtureRequest, debian: str, name: str
):
    image = request.getfixturevalue(name)
    assert size(image) - size(debian) < 150_000_000
    assert in_image(image, "id", "-u") == "10001"
    assert (
        in_image(image, "python", "-c", "import importlib.util as u; print(u.find_spec('pip'))")
        == "None"
    )
    assert in_image(image, "find", "/opt", "-name", "*.whl") == ""
    assert in_image(image, "find", "/opt", "-writable", "!", "-type", "l") == ""
    # Every package is compiled: a read-only root can't do it, and each start would pay for it.
    uncompiled = in_image(
        image, "python", "-c",
        "import pathlib; print([str(p) for p in pathlib.Path('/opt').rglob('*.py')"
        " if not p.is_relative_to('/opt/server/mcp_catalog')"
        " and not list((p.parent / '__pycache__').glob(p.stem + '.*.pyc'))])",
    )  # fmt: skip
    assert uncompiled == "[]"


@pytest.mark.parametrize(
    ("name", "secret"),
    [("ai_memory_image", "MEMORY_DATABASE_URL"), ("lambda_labs_cli_image", "LAMBDA_API_KEY")],
)
def test_without_its_secret_it_is_healthy_and_names_it(
    request: pytest.FixtureRequest, name: str, secret: str
):
    image = request.getfixturevalue(name)
    container = docker("run", "--detach", "--health-interval", "1s", image)
    try:
        until(
            lambda: docker("inspect", "-f", "{{json .State.Health}}", container),
            lambda health: '"healthy"' in health and f"{secret} is not set" in health,
            "healthy without its secret",
        )
    finally:
        docker("rm", "--force", container)


async def test_lambda_labs_cli_reads_the_simulated_cloud(
    lambda_labs_cli_image: str, tmp_path: Path
):
    port = free_port()
    with cloud.running(tmp_path, api_only=True) as simulated:
        container = docker(
            "run", "--detach", "--network", "host", "--read-only", "--tmpfs", "/tmp",
            "--env", f"PORT={port}", "--env", f"LAMBDA_API_URL={simulated.url}",
            "--env", f"LAMBDA_API_KEY={simulated.api_key}", "--health-interval", "1s",
            lambda_labs_cli_image,
        )  # fmt: skip
        try:
            until(
                lambda: docker("inspect", "-f", "{{.State.Health.Status}}", container),
                lambda status: status == "healthy",
                "lambda_labs_cli healthy",
            )
            async with Client(f"http://127.0.0.1:{port}/mcp") as client:
                types = await client.call_tool("list_instance_types", {"available_only": True})
                instances = await client.call_tool("list_instances", {})
        finally:
            docker("rm", "--force", container)
    names = {kind["name"] for kind in types.structured_content["instance_types"]}
    assert "gpu_1x_a10" in names
    assert instances.structured_content == {"instances": [], "usd_per_hour": 0}
