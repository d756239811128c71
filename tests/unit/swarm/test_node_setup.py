"""What a change of a node's setup needs, and what is refused before any node is touched."""

import asyncio
import dataclasses
import json
import subprocess
import tomllib

import pytest

from providers.runtime import codec
from providers.runtime.declare import Context
from providers.runtime.difference import difference
from providers.swarm import node_setup
from providers.swarm.docker_config import DAEMON, HAND_OUT_GPUS, Step, step, with_gpus
from providers.swarm.errors import ConnectionFailed, Unanswered
from providers.swarm.keypair import generate
from providers.swarm.node_setup import NodeSetup, NodeSetupInputs, SetupFile, _write

OLD, NEW = generate().public_key, generate().public_key
SETUP = NodeSetupInputs(
    node="manager-1",
    instance_id="i-1",
    address="192.0.2.1",
    host_key=generate().public_key,
    user="ubuntu",
    authorized_keys=[OLD],
    files=[SetupFile(DAEMON, '{"debug": true}')],
)


@pytest.mark.parametrize(
    ("running", "wanted", "needed"),
    [
        ('{"debug": true}', '{ "debug":true }', Step.NONE),
        ("{}", '{"debug": true}', Step.RELOAD),
        ('{"labels": ["a=b"], "debug": true}', '{"debug": true}', Step.RELOAD),
        ("{}", '{"log-driver": "json-file"}', Step.RESTART),
        ("{}", '{"debug": true, "log-driver": "json-file"}', Step.RESTART),
        ('{"exec-opts": []}', "{}", Step.RESTART),
        ("by hand", "{}", Step.RESTART),
    ],
)
def test_docker_restarts_only_for_what_it_cannot_take_in(running, wanted, needed):
    assert step(running, wanted) is needed


PLACEHOLDER = json.dumps(
    {"default-runtime": "nvidia", "node-generic-resources": ["rack=1", "NVIDIA-GPU=*"], "debug": 1}
)


def test_a_nodes_gpus_stand_where_the_configuration_asks_for_them():
    found = json.loads(with_gpus(PLACEHOLDER, ["GPU-a", "GPU-b"]))
    assert found["node-generic-resources"] == ["rack=1", "NVIDIA-GPU=GPU-a", "NVIDIA-GPU=GPU-b"]
    assert (found["default-runtime"], found["debug"]) == ("nvidia", 1)


def test_without_gpus_nvidias_runtime_is_not_the_default_one():
    assert json.loads(with_gpus(PLACEHOLDER, [])) == {
        "node-generic-resources": ["rack=1"],
        "debug": 1,
    }
    alone = '{"default-runtime": "nvidia", "node-generic-resources": ["NVIDIA-GPU=*"]}'
    assert json.loads(with_gpus(alone, [])) == {}


def test_a_configuration_that_asks_for_no_gpus_stays_as_it_is_written():
    assert (
        with_gpus('{ "default-runtime":"nvidia" }', ["GPU-a"]) == '{ "default-runtime":"nvidia" }'
    )


@pytest.mark.parametrize(
    "before",
    [
        "",
        'disable = true\n#swarm-resource = "DOCKER_RESOURCE_GPU"\n[cli]\na = 1\n',
        "[cli]\na = 1\n",
    ],
)
def test_the_runtime_is_told_swarms_variable_above_all_tables(tmp_path, before):
    file = tmp_path / "runtime" / "config.toml"
    script = HAND_OUT_GPUS.replace("/etc/nvidia-container-runtime/config.toml", str(file))
    if before:
        file.parent.mkdir()
        file.write_text(before)
    for _ in range(2):
        subprocess.run(["sh", "-c", script], check=True)
        found = tomllib.loads(file.read_text())
        assert found.pop("swarm-resource") == "DOCKER_RESOURCE_NVIDIA-GPU"
        assert found == tomllib.loads(before)


@pytest.mark.parametrize(
    "change",
    [
        {"authorized_keys": [NEW]},
        {"files": [SetupFile(DAEMON, "{}"), SetupFile("/etc/other", "text")]},
        {"files": []},
        {"address": "192.0.2.2"},
    ],
    ids=["key", "files", "no files", "address"],
)
def test_settings_change_a_living_node(change):
    new = dataclasses.replace(SETUP, **change)
    found = difference(NodeSetup, codec.encode(SETUP), {}, codec.encode(new))
    assert found.changed
    assert (found.replaces, found.stale) == ([], None)


def faults(**change):
    return [fault.path for fault in NodeSetup.check(dataclasses.replace(SETUP, **change))]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"authorized_keys": []}, "authorizedKeys"),
        ({"authorized_keys": ["ssh-ed25519"]}, "authorizedKeys[0]"),
        ({"user": "root; reboot"}, "user"),
        ({"files": [SetupFile("etc/x", "")]}, "files[0].path"),
        ({"files": [SetupFile("/etc/../x", "")]}, "files[0].path"),
        ({"files": [SetupFile(DAEMON, "{")]}, "files[0].content"),
        ({"files": [SetupFile(DAEMON, "[]")]}, "files[0].content"),
    ],
)
def test_what_would_lock_out_or_stop_docker_is_refused(change, path):
    assert faults() == []
    assert faults(**change) == [path]


class Booting:
    """A machine whose checks of the first boot have these results; Docker answers afterwards."""

    def __init__(self, *looks):
        self.looks = list(looks)

    async def run(self, script, **options):
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    async def request(self, method, path, **options):
        return {}

    async def close(self):
        pass


async def booted(monkeypatch, node):
    setup = NodeSetup(None)
    monkeypatch.setattr(setup, "_node", lambda inputs: node)
    monkeypatch.setattr(node_setup, "_SILENCE", 0.0)
    monkeypatch.setattr(node_setup, "_LOOK", 0.01)
    context = Context("urn::setup", 30.0, asyncio.Event(), progress=print, warn=print)
    await setup._booted(context, SETUP)


async def test_a_machine_that_is_slow_to_tell_of_its_first_boot_is_waited_for(monkeypatch):
    slow = Unanswered("a script on 192.0.2.1: no end within 90 s")
    node = Booting(slow, "running", slow, slow, "ended")
    await booted(monkeypatch, node)
    assert node.looks == []


async def test_a_machine_that_lets_nobody_in_any_more_is_told(monkeypatch):
    with pytest.raises(ConnectionFailed, match="away"):
        await booted(monkeypatch, Booting("running", *[ConnectionFailed("away")] * 9))


def test_what_runs_at_each_boot_starts_now_and_ends_with_its_file():
    unit = "/etc/systemd/system/one.service"
    begun = _write({unit: "[Service]", "/etc/systemd/system/one.service.d/x.conf": ""}, frozenset())
    assert begun.endswith("systemctl enable --quiet one.service\nsystemctl restart one.service")
    ended = _write({}, frozenset({unit})).splitlines()
    assert ended.index("systemctl disable --quiet --now one.service") < ended.index(f"rm -f {unit}")
    assert "restart one.service" not in str(ended)
