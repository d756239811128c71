"""`ops orphans` with the real engine and API: what it lists, and what its commands do."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from ops import orphans
from ops.stack import Stack, StackError
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import Launch
from tests.support import node_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with node_stack.stack_of(tmp_path_factory.mktemp("orphans"), node_stack.NODES) as stack:
        try:
            stack.sshds.listen(3)
        except PermissionError:
            pytest.skip("port 22 of loopback addresses can't be listened on by this user")
        stack.wanted["count"] = 1
        stack.cloud.control(
            "PUT", "/capacity", instance_type="gpu_1x_a10", region="us-east-1", count=9
        )
        stack.up()
        yield stack


def looked_at(stack: node_stack.Stack, **changed: str) -> Stack:
    return Stack("dev", "nodes", {**stack.environment, **changed}, stack.folder, ours=False)


def launched(made: node_stack.Stack, name: str, **tags: str) -> str:
    client = LambdaClient(made.cloud.url, made.cloud.api_key)
    return client.launch(
        Launch(name, "gpu_1x_a10", "us-east-1", "operator", "", "", {"project": "nodes"} | tags)
    )


def test_what_no_state_knows_is_listed_and_ended_by_the_command_alone(made, capfd):
    (kept,) = made.rented()
    ours, theirs = launched(made, "lost", stack="dev"), launched(made, "far", stack="alice")
    config = made.folder / "Pulumi.dev.yaml"
    before = config.read_bytes()
    orphans.show(looked_at(made))
    told, errors = capfd.readouterr()
    assert set(made.rented()) == {kept, ours, theirs}, "it ends nothing itself"
    assert config.read_bytes() == before
    assert kept not in told
    assert f"lost  {ours}  gpu_1x_a10  us-east-1" in told
    assert "no stack alice" in told
    assert "2 in no state, $" in told
    assert made.cloud.api_key not in told + errors

    commands = [line.strip() for line in told.splitlines() if line.strip().startswith("printf")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], env=os.environ | made.environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    assert made.rented() == [kept]
    orphans.show(looked_at(made))
    assert capfd.readouterr().out.splitlines() == [
        "no orphans",
        "compared with the state of dev",
    ]


def test_a_missing_stack_backend_passphrase_or_key_is_one_error(made, tmp_path: Path):
    stack = looked_at(made)
    for odd, expected in (
        (
            Stack("none", "nodes", stack.environment, stack.root, ours=False),
            "no stack named 'none'",
        ),
        (looked_at(made, PULUMI_BACKEND_URL=f"file://{tmp_path}/gone"), "no such file"),
        (
            looked_at(made, PULUMI_BACKEND_URL="postgres://me:geheim@127.0.0.1:1/state"),
            "refused\nstack dev was looked for in postgres://127.0.0.1:1/state: ",
        ),
        (looked_at(made, PULUMI_CONFIG_PASSPHRASE_FILE=""), "passphrase"),
        (looked_at(made, LAMBDA_API_KEY=""), "no API key for http"),
    ):
        with pytest.raises(StackError, match=expected) as failed:
            (orphans.show(odd), odd.outputs())
        assert made.cloud.api_key not in str(failed.value)
        assert "geheim" not in str(failed.value)
    assert not (stack.root / "Pulumi.none.yaml").exists()


def test_the_shell_of_the_command_shows_no_key(made):
    command = orphans.terminating("i-1", made.cloud.url)
    words = shlex.split(command)
    assert "curl" in words
    assert made.cloud.api_key not in command
    after = words[words.index("curl") :]
    assert not [word for word in after if "LAMBDA_API_KEY" in word], "curl's own line is public"
