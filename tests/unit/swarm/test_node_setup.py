"""What a change of a node's setup takes, and what is refused before any node is touched."""

import dataclasses

import pytest

from providers.runtime import codec
from providers.runtime.difference import difference
from providers.swarm.docker_config import DAEMON, Step, step
from providers.swarm.keypair import generate
from providers.swarm.node_setup import NodeSetup, NodeSetupInputs, SetupFile

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
