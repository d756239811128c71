from __future__ import annotations

import asyncio

import asyncssh
import pytest

from providers.lambdalabs import errors, ssh_key
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_spec import InstanceInputs
from providers.lambdalabs.ssh_key import SshKey, SshKeyInputs, SshKeyOutputs


def public(comment: str = "") -> str:
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    return key.export_public_key().decode().strip()


INPUTS = SshKeyInputs("sophia-dev-key", public("of the operator"))


def ids(account) -> list[str]:
    registered = account.client.ssh_keys()
    return [key.id for key in registered]


@pytest.fixture
def context(told):
    return told.context(SshKey.token)


async def test_a_key_is_registered_read_and_deleted(account, context):
    keys = SshKey(account)
    made = await keys.create(context, INPUTS)
    assert made.outputs.fingerprint.startswith("SHA256:")
    [registered] = account.client.ssh_keys()
    assert (registered.id, registered.name) == (made.id, INPUTS.name)
    assert await keys.read(context, made.id, INPUTS, made.outputs)
    await keys.delete(context, made.id, INPUTS, made.outputs)
    assert account.client.ssh_keys() == []
    assert await keys.read(context, made.id, INPUTS, made.outputs) is None
    await keys.delete(context, made.id, INPUTS, made.outputs)


async def test_the_same_key_of_the_same_name_is_adopted(account, context):
    there = account.client.add_ssh_key(INPUTS.name, INPUTS.public_key.rsplit(" ", 1)[0] + " other")
    made = await SshKey(account).create(context, INPUTS)
    assert made.id == there.id
    assert len(account.client.ssh_keys()) == 1


async def test_another_key_of_the_same_name_is_refused(account, context):
    there = account.client.add_ssh_key(INPUTS.name, public())
    with pytest.raises(errors.KeyConflict, match="another key of that name") as raised:
        await SshKey(account).create(context, INPUTS)
    assert "Give this key another name" in str(raised.value)
    assert ids(account) == [there.id]


async def test_a_lost_answer_is_looked_for_not_repeated(account, cloud, context):
    cloud.control("POST", "/faults", operation="addSSHKey", effect="lost-answer")
    made = await SshKey(account).create(context, INPUTS)
    assert ids(account) == [made.id]
    assert cloud.control("GET", "/calls")["addSSHKey"] == 1


async def test_a_lost_request_is_made_again(account, cloud, context):
    cloud.control("POST", "/faults", operation="addSSHKey", effect="lost-request")
    made = await SshKey(account).create(context, INPUTS)
    assert ids(account) == [made.id]


async def test_a_key_in_use_is_not_deleted_and_its_users_are_named(
    account, context, told, monkeypatch
):
    monkeypatch.setattr(ssh_key, "IN_USE_SECONDS", 0.1)
    keys = SshKey(account)
    made = await keys.create(context, INPUTS)
    machine = InstanceInputs("node-1", ["gpu_1x_a10"], ["us-east-1"], INPUTS.name)
    await Instance(account).create(told.context(Instance.token), machine)
    with pytest.raises(errors.KeyInUse, match=r"in use by node-1 \((booting|active)\)") as raised:
        await keys.delete(context, made.id, INPUTS, made.outputs)
    assert raised.value.code == "ssh-keys/key-in-use"
    assert "Terminate these machines" in str(raised.value)
    assert len(account.client.ssh_keys()) == 1


async def test_a_deletion_waits_for_machines_that_are_going_away(account, context, told):
    keys = SshKey(account)
    made = await keys.create(context, INPUTS)
    inputs = InstanceInputs("node-1", ["gpu_1x_a10"], ["us-east-1"], INPUTS.name)
    machine = await Instance(account).create(told.context(Instance.token), inputs)

    work = asyncio.create_task(keys.delete(context, made.id, INPUTS, made.outputs))
    async with asyncio.timeout(5):
        while not told.progress:
            await asyncio.wait([work], timeout=0.01)
    assert "in use by node-1" in told.progress[0]
    account.client.terminate(machine.id)
    await work
    assert ids(account) == []


async def test_another_key_comes_beside_the_one_that_machines_have(account, context, told):
    keys = SshKey(account)
    made = await keys.create(context, INPUTS)
    first = SshKeyOutputs(made.outputs.fingerprint)  # as the first version recorded it
    wanted = InstanceInputs("node-1", ["gpu_1x_a10"], ["us-east-1"], INPUTS.name)
    machine = await Instance(account).create(told.context(Instance.token), wanted)

    second = SshKeyInputs(f"{INPUTS.name}-2", public())
    for _ in range(2):  # again, as after an interrupted run
        outputs = await keys.update(context, made.id, INPUTS, first, second)
        assert outputs.fingerprint == ssh_key.fingerprint(second.public_key)
        assert ids(account) == [made.id, outputs.key_id]
    assert outputs.former_ids == []
    assert await keys.read(context, made.id, second, outputs)

    # Former ones go as soon as they can, the first one, which tells the account, at the end.
    third = SshKeyInputs(f"{INPUTS.name}-3", public())
    outputs = await keys.update(context, made.id, second, outputs, third)
    assert ids(account) == [made.id, outputs.key_id]
    account.client.terminate(machine.id)
    await keys.delete(context, made.id, third, outputs)
    assert ids(account) == []


async def test_a_key_that_is_gone_is_a_success_whatever_the_api_calls_it(account, cloud, context):
    keys = SshKey(account)
    made = await keys.create(context, INPUTS)
    refusal = {"operation": "deleteSSHKey", "effect": "error", "status": 400}
    cloud.control("POST", "/faults", **refusal, code="global/invalid-parameters")
    with pytest.raises(errors.InvalidParameters):
        await keys.delete(context, made.id, INPUTS, made.outputs)
    await keys.delete(context, made.id, INPUTS, made.outputs)
    cloud.control("POST", "/faults", **refusal, code="global/invalid-parameters")
    await keys.delete(context, made.id, INPUTS, made.outputs)
