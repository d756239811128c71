"""How many calls the reads and waits of a whole group of machines cost."""

from __future__ import annotations

import asyncio

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_name import InstanceName, InstanceNameInputs
from providers.lambdalabs.instance_ready import InstanceReady, InstanceReadyInputs
from providers.lambdalabs.instance_spec import InstanceInputs, InstanceOutputs
from providers.lambdalabs.models import Listed, Machine
from providers.lambdalabs.pacer import Pacer
from simulator import cloud as simulator

NODES = 6
OUTPUTS = InstanceOutputs("booting", "gpu_1x_a10", "us-east-1")


def inputs(number: int) -> InstanceInputs:
    return InstanceInputs(
        f"node-{number}", ["gpu_1x_a10"], ["us-east-1"], "key", tags={"stack": "dev"}
    )


def calls(cloud) -> dict[str, int]:
    counted = cloud.control("GET", "/calls")
    cloud.control("DELETE", "/calls")
    return counted


def shared(cloud, **more: object) -> Account:
    client = LambdaClient(cloud.url, cloud.api_key)
    return Account(client, Pacer(1000.0, 0.0), poll_seconds=0.25, **more)


async def launched(account, told, sshd) -> list[str]:
    account.client.add_ssh_key("key", sshd.public_key)
    instances = Instance(account)
    made = await asyncio.gather(
        *(instances.create(told.context(Instance.token, str(n)), inputs(n)) for n in range(NODES))
    )
    return [one.id for one in made]


def wait(id: str, sshd) -> InstanceReadyInputs:
    return InstanceReadyInputs(id, "ubuntu", sshd.private_key, sshd.host_key, gpu_probe=False)


async def test_reading_all_nodes_is_one_call(cloud, told, sshd):
    account = shared(cloud)
    ids = await launched(account, told, sshd)
    ready = InstanceReady(account)
    made = [await ready.create(told.context(InstanceReady.token, id), wait(id, sshd)) for id in ids]
    fresh = shared(cloud)  # as another run's process
    looks = []
    for number, (id, one) in enumerate(zip(ids, made, strict=True)):
        context = told.context(Instance.token, str(number))
        looks.append(Instance(fresh).read(context, id, inputs(number), OUTPUTS))
        context = told.context(InstanceReady.token, str(number))
        looks.append(InstanceReady(fresh).read(context, id, wait(id, sshd), one.outputs))
    calls(cloud)
    assert None not in await asyncio.gather(*looks)
    assert calls(cloud) == {"listInstances": 1}


async def test_booting_machines_are_polled_by_one_call_a_period(tmp_path, told, sshd):
    with simulator.running(tmp_path, boot_seconds=1.5) as cloud:
        account = shared(cloud)
        ids = await launched(account, told, sshd)
        calls(cloud)
        ready = InstanceReady(account)
        began = account.pacer.clock()
        await asyncio.gather(
            *(ready.create(told.context(InstanceReady.token, id), wait(id, sshd)) for id in ids)
        )
        periods = (account.pacer.clock() - began) / account.poll_seconds
        counted = calls(cloud)
        assert counted.pop("postInstance") == NODES
        assert set(counted) == {"listInstances"}
        assert counted["listInstances"] <= periods + 1


async def test_machines_that_go_away_are_polled_together(tmp_path, told, sshd):
    with simulator.running(tmp_path, boot_seconds=0, terminate_seconds=1.0) as cloud:
        account = shared(cloud)
        ids = await launched(account, told, sshd)
        calls(cloud)
        instances = Instance(account)
        began = account.pacer.clock()
        await asyncio.gather(
            *(
                instances.delete(told.context(Instance.token, str(n)), id, inputs(n), OUTPUTS)
                for n, id in enumerate(ids)
            )
        )
        periods = (account.pacer.clock() - began) / account.poll_seconds
        counted = calls(cloud)
        assert counted["terminateInstance"] == NODES
        # Once for each machine that is no longer listed, and at most one list after each change.
        assert counted["getInstance"] <= NODES
        assert counted["listInstances"] <= periods + 1 + NODES


async def test_a_change_of_this_process_is_seen_at_once(cloud, told, sshd):
    account = shared(cloud, max_age=600.0)
    [id, *_] = await launched(account, told, sshd)
    context = told.context(Instance.token, "0")
    await Instance(account).delete(context, id, inputs(0), OUTPUTS)
    assert await Instance(account).read(context, id, inputs(0), OUTPUTS) is None
    name = InstanceName(account)
    claimed = await name.create(told.context(InstanceName.token), InstanceNameInputs("node-1"))
    await name.delete(
        told.context(InstanceName.token), claimed.id, InstanceNameInputs("node-1"), claimed.outputs
    )
    assert "node-1" not in {machine.name for machine in account.client.machines()}


class ListedLate(LambdaClient):
    """The list lags behind: it doesn't have the launched machines yet."""

    def machines(self) -> Listed[Machine]:
        return Listed()


async def test_a_machine_that_is_listed_late_is_neither_gone_nor_waited_for_in_vain(
    cloud, told, sshd
):
    account = shared(cloud)
    account.client = ListedLate(cloud.url, cloud.api_key)
    [id, *_] = await launched(account, told, sshd)
    context = told.context(Instance.token, "0")
    found = await Instance(account).read(context, id, inputs(0), OUTPUTS)
    assert found is not None
    assert found.outputs.status in ("booting", "active")
    await InstanceReady(account).create(told.context(InstanceReady.token), wait(id, sshd))
    await Instance(account).delete(context, id, inputs(0), found.outputs)
    assert account.client.machine(id).status == "terminated"


async def test_the_list_of_one_account_says_nothing_of_another(cloud, told, sshd):
    """The spare key may be another account's: what was listed before is forgotten."""
    account = shared(cloud, max_age=600.0)
    ids = await launched(account, told, sshd)
    own = account.client

    class Spare(ListedLate):
        spare = False

        def use_spare_key(self) -> bool:
            self.spare = True
            return True

        def machines(self) -> Listed[Machine]:
            return own.machines() if self.spare else super().machines()

        def machine(self, id: str) -> Machine:
            if self.spare:
                raise AssertionError("the list has it")
            raise errors.NotFound("no", code="global/object-does-not-exist")

    other = shared(cloud, max_age=600.0)
    other.client = Spare(cloud.url, cloud.api_key)
    wanted = InstanceInputs(
        "node-0", ["gpu_1x_a10"], ["us-east-1"], "key", account_key="other", tags={"stack": "dev"}
    )
    found = await Instance(other).read(told.context(Instance.token), ids[0], wanted, OUTPUTS)
    assert found is not None


@pytest.mark.parametrize("effect", ["error", "lost-answer"])
async def test_a_list_that_fails_in_passing_is_asked_for_again(cloud, told, sshd, effect):
    account = shared(cloud)
    [id, *_] = await launched(account, told, sshd)
    cloud.control("POST", "/faults", operation="listInstances", effect=effect, status=500)
    found = await Instance(account).read(told.context(Instance.token), id, inputs(0), OUTPUTS)
    assert found is not None
