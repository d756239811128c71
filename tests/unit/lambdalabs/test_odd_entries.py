"""Entries that differ from the API's documentation do no harm, and never cost a machine."""

from __future__ import annotations

import asyncio

import pytest

from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_spec import InstanceInputs, InstanceOutputs
from providers.lambdalabs.models import Machine
from providers.lambdalabs.pacer import Pacer
from providers.lambdalabs.ssh_key import SshKey, SshKeyInputs, SshKeyOutputs
from providers.runtime.declare import Context

INPUTS = InstanceInputs("node-1", ["gpu_1x_a10"], ["us-east-1"], "key", account_key="k-1")
OUTPUTS = InstanceOutputs("active", "gpu_1x_a10", "us-east-1")
LIST, ONE, KEYS = (f"GET /api/v1/{path}" for path in ("instances", "instances/i-1", "ssh-keys"))
KEY = {"id": "k-1", "name": "key", "public_key": "ssh-ed25519 AAAA"}
KIND = {"name": "gpu_1x_a10", "price_cents_per_hour": None, "specs": {}}
ODD = {"id": "i-1", "status": "active", "instance_type": KIND, "region": {"name": "us-east-1"}}


@pytest.fixture
def account(script):
    script.on(KEYS, script.ok([KEY]))
    return Account(LambdaClient(script.url, "k"), Pacer(1000.0, 0.0), patience=0.0)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
async def context(warnings):
    urn = "urn:pulumi:dev::sophia::lambdalabs:index:Instance::node-1"
    return Context(urn, 10.0, asyncio.Event(), lambda text: None, warnings.append)


@pytest.mark.parametrize("odd", [ODD, ODD | {"status": None}, {"id": "i-1"}])
async def test_an_own_machine_whose_entry_is_odd_is_there(script, account, context, odd):
    script.on(LIST, script.ok([odd]))
    found = await Instance(account).read(context, "i-1", INPUTS, OUTPUTS)
    assert found is not None
    assert Instance.stale(INPUTS, found.outputs) is None


@pytest.mark.parametrize("odd", [None, {"status": "active"}, ODD | {"id": 7}])
async def test_an_own_machine_whose_entry_was_left_out_is_asked_for(
    script, account, context, warnings, odd
):
    script.on(LIST, script.ok([odd]))
    script.on(ONE, script.ok(ODD))
    for _ in range(2):
        assert await Instance(account).read(context, "i-1", INPUTS, OUTPUTS) is not None
    assert script.calls(ONE) == 2
    [warning] = warnings
    assert "skipped one that can't be read, entry 1 of 1" in warning


async def test_somebody_elses_odd_entry_does_not_matter(script, account, context, warnings):
    """A create lists all machines of the account; this one finds the machine it launched before."""
    ours = ODD | {"id": "i-2", "name": "node-1"}
    script.on(LIST, script.ok([{"status": "active"}, ours]))
    made = await Instance(account).create(context, INPUTS)
    assert made.id == "i-2"
    assert len(warnings) == 1


async def test_a_key_that_can_not_be_read_is_not_gone(script, account, context, warnings):
    script.on(KEYS, script.ok([KEY | {"id": None}]))
    key = SshKeyInputs("key", "ssh-ed25519 AAAA"), SshKeyOutputs("")
    assert await SshKey(account).read(context, "k-1", *key) is not None
    assert len(warnings) == 1
    script.on(KEYS, script.ok([KEY | {"id": "k-2"}]))
    assert await SshKey(account).read(context, "k-1", *key) is None


async def test_a_read_that_is_redirected_or_blocked_believes_the_state(
    script, account, context, warnings
):
    """The state has the old address, and is read before the program can set the new one."""
    for answer in (
        (301, b"", {"Location": "https://elsewhere.example/api/v1/instances"}),
        (403, b"<html>", {"Content-Type": "text/html"}),
    ):
        script.on(LIST, answer)
        found = await Instance(account).read(context, "i-1", INPUTS, OUTPUTS)
        assert found is not None
        assert found.outputs == OUTPUTS
    assert all("not checked" in warning for warning in warnings)
    assert len(warnings) == 2


def test_the_machines_that_can_be_read_are_listed(script, account):
    script.on(LIST, script.ok([None, ODD]))
    machines = account.client.machines()
    assert list(machines) == [Machine.parse(ODD)]
    assert len(machines.left_out) == 1
