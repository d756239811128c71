from __future__ import annotations

import asyncio
import dataclasses
import hashlib

import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.instance import Instance
from providers.lambdalabs.instance_name import InstanceName, InstanceNameInputs, InstanceNameOutputs
from providers.lambdalabs.instance_spec import (
    LAUNCH,
    MARK,
    InstanceInputs,
    InstanceOutputs,
    mark,
)
from providers.lambdalabs.models import Launch, Listed, Machine
from providers.lambdalabs.pacer import Pacer
from providers.runtime.declare import Cancelled
from simulator import cloud as simulator
from tests.support.polling import until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T someone"
INPUTS = InstanceInputs(
    name="sophia-dev-node-1-a1b2c3",
    instance_types=["gpu_1x_a10"],
    regions=["us-east-1"],
    ssh_key_name="key",
    image_family="lambda-stack-24-04",
    user_data="#cloud-config\n",
    tags={"project": "sophia", "stack": "dev"},
)

OUTPUTS = InstanceOutputs("active", "gpu_1x_a10", "us-east-1")


@pytest.fixture
def context(told):
    return told.context(Instance.token)


@pytest.fixture
def instances(account):
    account.client.add_ssh_key("key", KEY)
    return Instance(account)


def launches(cloud) -> int:
    return cloud.control("GET", "/calls").get("launchInstance", 0)


def fault(cloud, effect: str, **more: object) -> None:
    cloud.control("POST", "/faults", operation="launchInstance", effect=effect, **more)


def booted(account, id: str) -> None:
    until(lambda: account.client.machine(id).status, lambda seen: seen == "active", "the boot", 10)


def living(account) -> list[str]:
    return [machine.id for machine in account.client.machines() if machine.status != "terminating"]


async def test_a_machine_is_launched_as_asked_for(account, cloud, instances, context):
    made = await instances.create(context, INPUTS)
    assert made.outputs == InstanceOutputs("booting", "gpu_1x_a10", "us-east-1")
    [known] = [one for one in cloud.control("GET", "/instances") if one["id"] == made.id]
    assert (known["name"], known["hostname"]) == (f"{INPUTS.name}+", INPUTS.name)
    assert known["user_data"] == INPUTS.user_data
    assert known["ssh_key_names"] == ["key"]
    assert known["tags"].items() >= INPUTS.tags.items()
    assert len(known["tags"][MARK]) == 32


async def test_the_id_is_there_while_the_machine_boots(tmp_path, told):
    with simulator.running(tmp_path, boot_seconds=600) as cloud:
        account = Account(LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0))
        account.client.add_ssh_key("key", KEY)
        made = await Instance(account).create(told.context(Instance.token), INPUTS)
        assert account.client.machine(made.id).status == "booting"


@pytest.mark.parametrize("boot_seconds", [0.0, 600.0])
async def test_a_repeated_create_adopts_what_is_there(tmp_path, told, boot_seconds):
    with simulator.running(tmp_path, boot_seconds=boot_seconds) as cloud:
        account = Account(LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0))
        account.client.add_ssh_key("key", KEY)
        instances, context = Instance(account), told.context(Instance.token)
        first = await instances.create(context, INPUTS)
        second = await instances.create(context, INPUTS)
        assert second.id == first.id
        assert launches(cloud) == 1
        assert any("adopted" in line for line in told.progress)


@pytest.mark.parametrize("name", ["sophia-dev-node-1-a1b2c", "sophia-dev-node-1-a1b2c34", "other"])
async def test_a_machine_of_another_name_is_not_adopted(account, instances, context, name):
    other = await instances.create(context, dataclasses.replace(INPUTS, name=name))
    made = await instances.create(context, INPUTS)
    assert made.id != other.id


async def test_a_machine_of_another_specification_is_not_adopted(account, instances, context):
    """A replacement under the same name must not adopt what it replaces."""
    old = await instances.create(context, INPUTS)
    made = await instances.create(context, dataclasses.replace(INPUTS, generation="2"))
    assert made.id != old.id
    assert sorted(living(account)) == sorted([old.id, made.id])


async def test_a_machine_of_a_resource_that_was_moved_is_adopted(account, instances, told):
    """Another parent or name changes the urn, and nothing about the machine."""
    old = await instances.create(told.context(Instance.token, "old"), INPUTS)
    account.launched.clear()  # by an earlier run
    moved = await instances.create(told.context(Instance.token, "moved"), INPUTS)
    assert moved.id == old.id


def marked(inputs: InstanceInputs, urn: str) -> dict[str, str]:
    """The tags that the program before docs/adr/0010 launched with."""
    spec = (urn, inputs.image_family, inputs.generation)
    return inputs.tags | {MARK: hashlib.sha256(repr(spec).encode()).hexdigest()[:32]}


def launch(account, tags: dict[str, str], name: str = INPUTS.name) -> str:
    wanted = Launch(name, "gpu_1x_a10", "us-east-1", "key", INPUTS.image_family, "", tags)
    return account.client.launch(wanted)


async def test_a_machine_with_the_mark_of_the_program_before_is_ours(
    account, instances, context, told
):
    id = launch(account, marked(INPUTS, context.urn))
    assert (await instances.create(context, INPUTS)).id == id
    found = await instances.read(context, id, INPUTS, OUTPUTS)
    assert found is not None
    assert told.warnings == []
    # As before: a machine of another resource or generation isn't adopted.
    account.launched.clear()
    for other in (told.context(Instance.token, "other"), context):
        inputs = dataclasses.replace(INPUTS, generation="2" if other is context else "")
        assert (await instances.create(other, inputs)).id != id


async def test_a_second_machine_of_a_launch_that_is_listed_after_the_search_is_ended(
    account, cloud, instances, context, told
):
    real = account.client

    class ListedLate(LambdaClient):
        def machines(self) -> Listed[Machine]:
            return Listed()

    account.client = ListedLate(cloud.url, cloud.api_key)
    fault(cloud, "lost-answer")
    made = await Instance(account).create(context, INPUTS)
    account.client = real
    account.snapshot.forget()
    [lost] = set(living(account)) - {made.id}
    found = await Instance(account).read(context, made.id, INPUTS, made.outputs)
    assert found is not None
    assert living(account) == [made.id]
    [warning] = told.warnings
    assert lost in warning
    assert "USD an hour" in warning
    await Instance(account).read(context, made.id, INPUTS, made.outputs)
    assert len(told.warnings) == 1


async def test_a_second_machine_of_another_launch_is_told_and_kept(
    account, instances, context, told
):
    """For example the one that is being replaced, since its region is not listed any more."""
    made = await instances.create(context, INPUTS)
    others = [
        launch(account, INPUTS.tags | {MARK: mark(INPUTS)}),
        launch(account, INPUTS.tags | {MARK: mark(INPUTS), LAUNCH: "another"}),
    ]
    await instances.read(context, made.id, INPUTS, made.outputs)
    assert sorted(living(account)) == sorted([made.id, *others])
    assert all(any(id in line for line in told.warnings) for id in others)
    # Seen from the other one, too.
    await instances.read(context, others[0], INPUTS, made.outputs)
    assert sorted(living(account)) == sorted([made.id, *others])


async def test_a_machine_of_another_name_or_mark_is_no_surplus(account, instances, context, told):
    made = await instances.create(context, INPUTS)
    tags = dict(account.client.machine(made.id).tags)
    launch(account, tags, "sophia-dev-node-2-a1b2c3")
    launch(account, tags | {MARK: mark(dataclasses.replace(INPUTS, generation="2"))})
    launch(account, INPUTS.tags)
    await instances.read(context, made.id, INPUTS, made.outputs)
    assert len(living(account)) == 4
    assert told.warnings == []


async def test_a_surplus_that_can_not_be_ended_is_told_and_stops_nothing(
    account, cloud, instances, context, told
):
    made = await instances.create(context, INPUTS)
    second = launch(account, dict(account.client.machine(made.id).tags))
    cloud.control(
        "POST", "/faults", operation="terminateInstance", effect="error", status=403,
        code="global/account-inactive",
    )  # fmt: skip
    assert await instances.read(context, made.id, INPUTS, made.outputs)
    assert any(second in line and "still billed" in line for line in told.warnings)


async def test_a_machine_of_another_resource_is_not_adopted(instances, told):
    one = await instances.create(told.context(Instance.token, "one"), INPUTS)
    two = await instances.create(told.context(Instance.token, "two"), INPUTS)
    assert one.id != two.id


async def test_a_machine_without_the_tag_is_adopted_by_its_name(account, instances, context):
    launch = Launch(INPUTS.name, "gpu_1x_a10", "us-east-1", "key", "", "", {})
    id = account.client.launch(launch)
    assert (await instances.create(context, INPUTS)).id == id


async def test_of_two_machines_of_one_launch_one_is_kept(account, instances, context, told):
    launch = Launch(INPUTS.name, "gpu_1x_a10", "us-east-1", "key", "", "", {})
    ids = {account.client.launch(launch), account.client.launch(launch)}
    made = await instances.create(context, INPUTS)
    assert made.id in ids
    assert living(account) == [made.id]
    assert any("surplus" in line for line in told.warnings)


@pytest.mark.parametrize("status", ["unhealthy", "preempted"])
async def test_a_broken_machine_of_its_name_is_terminated_first(
    account, cloud, instances, context, told, status
):
    broken = await instances.create(context, INPUTS)
    cloud.control("POST", f"/instances/{broken.id}", status=status)
    made = await instances.create(context, INPUTS)
    assert living(account) == [made.id]
    assert made.id != broken.id
    assert any(f"({status}) failed" in line for line in told.warnings)


async def test_a_machine_that_recovers_before_its_replacement_is_not_adopted(
    account, cloud, instances, context
):
    old = await instances.create(context, INPUTS)
    cloud.control("POST", f"/instances/{old.id}", status="unhealthy")
    await instances.read(context, old.id, INPUTS, old.outputs)
    cloud.control("POST", f"/instances/{old.id}", status=None)
    made = await instances.create(context, INPUTS)
    await instances.delete(context, old.id, INPUTS, old.outputs)
    assert made.id != old.id
    assert living(account) == [made.id]


async def test_a_launch_whose_answer_was_lost_is_found(account, cloud, instances, context):
    fault(cloud, "lost-answer")
    made = await instances.create(context, INPUTS)
    assert living(account) == [made.id]
    assert launches(cloud) == 1


async def test_a_launch_that_was_lost_is_made_again(account, cloud, instances, context):
    fault(cloud, "lost-request")
    made = await instances.create(context, INPUTS)
    assert living(account) == [made.id]
    assert launches(cloud) == 2
    assert cloud.control("GET", "/calls")["listInstances"] >= 5


async def test_a_launch_that_ended_with_a_server_fault_is_looked_for(
    account, cloud, instances, context
):
    fault(cloud, "error", status=500, code="global/unknown")
    made = await instances.create(context, INPUTS)
    assert living(account) == [made.id]
    assert cloud.control("GET", "/calls")["listInstances"] >= 5


async def test_launches_that_keep_getting_lost_have_an_end(account, cloud, instances, context):
    fault(cloud, "lost-request", times=3)
    with pytest.raises(errors.LostAnswer):
        await instances.create(context, INPUTS)
    assert launches(cloud) == 3


async def test_an_interrupted_search_ends_and_the_next_try_adopts(
    account, cloud, instances, told, context
):
    fault(cloud, "lost-answer")
    account.search_seconds = 60.0
    work = asyncio.create_task(instances.create(context, INPUTS))
    while not any("checking whether" in line for line in told.progress):
        await asyncio.wait([work], timeout=0.01)
    told.cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(work, 10)
    told.cancelled.clear()
    made = await instances.create(context, INPUTS)
    assert living(account) == [made.id]


async def test_without_capacity_the_next_candidate_is_tried(cloud, instances, context):
    inputs = dataclasses.replace(
        INPUTS, instance_types=["gpu_4x_h100_sxm5", "gpu_1x_a10"], regions=["us-east-1"]
    )
    made = await instances.create(context, inputs)
    assert made.outputs.instance_type == "gpu_1x_a10"
    assert launches(cloud) == 1


async def test_a_refusal_right_after_the_listing_leads_to_the_next_region(
    cloud, instances, context
):
    fault(
        cloud,
        "error",
        status=400,
        code="instance-operations/launch/insufficient-capacity",
        message="Not enough capacity.",
    )
    inputs = dataclasses.replace(INPUTS, regions=["us-west-1", "us-east-1"])
    made = await instances.create(context, inputs)
    assert made.outputs.region == "us-east-1"
    assert launches(cloud) == 2


async def test_all_that_was_tried_is_told_with_its_reason(cloud, instances, context):
    fault(
        cloud,
        "error",
        status=400,
        code="instance-operations/launch/insufficient-capacity",
        message="Not enough capacity.",
    )
    inputs = dataclasses.replace(
        INPUTS, instance_types=["gpu_4x_h100_sxm5", "gpu_1x_a10", "gpu_1x_nonsense"]
    )
    with pytest.raises(errors.NoMachine) as raised:
        await instances.create(context, inputs)
    text = str(raised.value)
    assert "gpu_4x_h100_sxm5 in us-east-1: no capacity listed" in text
    assert "gpu_1x_a10 in us-east-1: Not enough capacity" in text
    assert "gpu_1x_nonsense in us-east-1: no such type" in text
    assert launches(cloud) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "global/quota-exceeded", errors.QuotaExceeded),
        (400, "global/invalid-parameters", errors.InvalidParameters),
        (401, "global/invalid-api-key", errors.InvalidKey),
    ],
)
async def test_what_another_region_can_not_change_fails_at_once(
    cloud, instances, context, status, code, kind
):
    fault(cloud, "error", status=status, code=code)
    inputs = dataclasses.replace(INPUTS, regions=["us-west-1", "us-east-1"])
    with pytest.raises(kind):
        await instances.create(context, inputs)
    assert launches(cloud) == 1


async def test_an_image_that_one_region_lacks_leads_to_the_next_region(cloud, instances, context):
    fault(cloud, "error", status=404, code="global/object-does-not-exist", message="No such image.")
    inputs = dataclasses.replace(INPUTS, regions=["us-west-1", "us-east-1"])
    made = await instances.create(context, inputs)
    assert made.outputs.region == "us-east-1"
    assert launches(cloud) == 2


async def test_an_image_that_no_region_has_is_tried_once_in_each(cloud, instances, context):
    fault(
        cloud, "error", status=404, code="global/object-does-not-exist", message="No such image.",
        times=2,
    )  # fmt: skip
    inputs = dataclasses.replace(
        INPUTS, instance_types=["gpu_1x_a10", "cpu_4x_general"], regions=["us-west-1", "us-east-1"]
    )
    with pytest.raises(errors.NoMachine) as raised:
        await instances.create(context, inputs)
    assert str(raised.value).count("us-west-1: No such image") == 2
    assert launches(cloud) == 2


@pytest.mark.parametrize(
    "change", [{"image_family": "", "regions": ["us-west-1", "us-east-1"]}, {"image_family": "x"}]
)
async def test_what_is_found_nowhere_fails_at_once(cloud, instances, context, change):
    """A key, for example: without an image family nothing in a launch depends on the region."""
    fault(cloud, "error", status=404, code="global/object-does-not-exist")
    with pytest.raises(errors.NotFound):
        await instances.create(context, dataclasses.replace(INPUTS, **change))
    assert launches(cloud) == 1


async def test_a_wrong_api_key_fails_at_once(cloud, context):
    account = Account(LambdaClient(cloud.url, "wrong"), Pacer(1000.0, 0.0))
    with pytest.raises(errors.InvalidKey):
        await Instance(account).create(context, INPUTS)


async def test_reading_tells_the_live_status(account, cloud, instances, context):
    made = await instances.create(context, INPUTS)
    booted(account, made.id)
    found = await instances.read(context, made.id, INPUTS, made.outputs)
    assert found is not None
    assert (found.inputs, found.outputs.status) == (INPUTS, "active")
    cloud.control("POST", f"/instances/{made.id}", status="unhealthy")
    found = await instances.read(context, made.id, INPUTS, made.outputs)
    assert found is not None
    assert found.outputs.status == "unhealthy"
    assert Instance.stale(found.inputs, found.outputs)


async def test_a_machine_that_ended_elsewhere_is_gone(account, instances, context):
    made = await instances.create(context, INPUTS)
    account.client.terminate(made.id)
    assert await instances.read(context, made.id, INPUTS, made.outputs) is None
    assert await instances.read(context, "never-was", INPUTS, made.outputs) is None


async def test_a_deletion_waits_until_the_api_agrees(tmp_path, told):
    with simulator.running(tmp_path, boot_seconds=0, terminate_seconds=0.3) as cloud:
        account = Account(
            LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0), poll_seconds=0.02
        )
        account.client.add_ssh_key("key", KEY)
        instances, context = Instance(account), told.context(Instance.token)
        made = await instances.create(context, INPUTS)
        await instances.delete(context, made.id, INPUTS, made.outputs)
        assert account.client.machine(made.id).status == "terminated"
        await instances.delete(context, made.id, INPUTS, made.outputs)
        assert cloud.control("GET", "/calls")["terminateInstance"] == 1


async def test_a_deletion_whose_answer_was_lost_is_done(account, cloud, instances, context):
    made = await instances.create(context, INPUTS)
    cloud.control("POST", "/faults", operation="terminateInstance", effect="lost-answer")
    await instances.delete(context, made.id, INPUTS, made.outputs)
    assert living(account) == []


async def test_a_machine_that_does_not_go_away_is_told(tmp_path, told):
    with simulator.running(tmp_path, boot_seconds=0, terminate_seconds=2) as cloud:
        account = Account(
            LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0), poll_seconds=0.02
        )
        account.client.add_ssh_key("key", KEY)
        instances = Instance(account)
        made = await instances.create(told.context(Instance.token), INPUTS)
        short = told.context(Instance.token, timeout=0.2)
        with pytest.raises(errors.NotGone, match="still terminating"):
            await instances.delete(short, made.id, INPUTS, made.outputs)


async def test_an_update_leaves_the_machine_alone(cloud, instances, context):
    made = await instances.create(context, INPUTS)
    new = dataclasses.replace(INPUTS, user_data="#cloud-config\nnew: true\n")
    assert await instances.update(context, made.id, INPUTS, made.outputs, new) == made.outputs
    assert launches(cloud) == 1
    assert "next generation" in Instance.notice(INPUTS, new)


async def test_a_names_end_gives_back_what_no_instance_stands_for(account, instances, told):
    name = InstanceName(account)
    inputs = InstanceNameInputs(INPUTS.name)
    context = told.context(InstanceName.token)
    claimed = await name.create(context, inputs)
    assert claimed.id == INPUTS.name
    await instances.create(told.context(Instance.token), INPUTS)
    other = dataclasses.replace(INPUTS, name="sophia-dev-node-2-a1b2c3")
    kept = await instances.create(told.context(Instance.token, "other"), other)
    await name.delete(context, claimed.id, inputs, claimed.outputs)
    assert living(account) == [kept.id]
    assert "in no state" in told.warnings[0]
    await name.delete(context, claimed.id, inputs, claimed.outputs)
    assert len(told.warnings) == 1


async def test_a_names_end_keeps_what_an_instance_has_recorded(account, cloud, instances, told):
    """Nobody terminates it by its id: `retain_on_delete`, or `pulumi state delete`."""
    inputs = InstanceNameInputs(INPUTS.name)
    context = told.context(InstanceName.token)
    made = await instances.create(told.context(Instance.token), INPUTS)
    lost = account.client.launch(Launch(INPUTS.name, "gpu_1x_a10", "us-east-1", "key", "", "", {}))
    await instances.read(told.context(Instance.token), made.id, INPUTS, made.outputs)
    [known] = [one for one in cloud.control("GET", "/instances") if one["id"] == made.id]
    assert known["name"] == INPUTS.name
    await InstanceName(account).delete(context, INPUTS.name, inputs, InstanceNameOutputs())
    assert living(account) == [made.id]
    assert [lost in line for line in told.warnings] == [True]
    again = await instances.create(told.context(Instance.token), INPUTS)
    assert again.id == made.id


async def test_a_machine_that_can_not_be_renamed_is_told_and_stops_nothing(
    account, cloud, instances, told
):
    context = told.context(Instance.token)
    made = await instances.create(context, INPUTS)
    refusal = {"effect": "error", "status": 400, "code": "global/invalid-parameters"}
    cloud.control("POST", "/faults", operation="postInstance", **refusal)
    found = await instances.read(context, made.id, INPUTS, made.outputs)
    assert found is not None
    assert "could not be renamed" in told.warnings[0]
    await instances.read(context, made.id, INPUTS, made.outputs)
    assert account.client.machine(made.id).recorded


async def test_refusals_for_being_too_fast_cost_time_but_no_machine(tmp_path, told):
    with simulator.running(tmp_path, boot_seconds=0, launch_interval=0.3) as cloud:
        account = Account(LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0))
        account.client.add_ssh_key("key", KEY)
        instances = Instance(account)
        made = await asyncio.gather(
            *(
                instances.create(
                    told.context(Instance.token, str(n)),
                    dataclasses.replace(INPUTS, name=f"node-{n}"),
                )
                for n in range(3)
            )
        )
        assert sorted(one.id for one in made) == sorted(living(account))
        assert any("retrying" in line for line in told.progress)


async def test_of_two_machines_of_one_launch_the_active_one_is_kept(tmp_path, told):
    with simulator.running(tmp_path, boot_seconds=1.0) as cloud:
        account = Account(LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0))
        account.client.add_ssh_key("key", KEY)
        launch = Launch(INPUTS.name, "gpu_1x_a10", "us-east-1", "key", "", "", {})
        active = account.client.launch(launch)
        booted(account, active)
        for _ in range(4):
            account.client.launch(launch)
        made = await Instance(account).create(told.context(Instance.token), INPUTS)
        assert made.id == active
        assert living(account) == [active]


async def test_a_termination_that_is_refused_is_told(account, cloud, instances, context):
    made = await instances.create(context, INPUTS)
    cloud.control(
        "POST",
        "/faults",
        operation="terminateInstance",
        effect="error",
        status=403,
        code="global/account-inactive",
    )
    with pytest.raises(errors.Forbidden):
        await instances.delete(context, made.id, INPUTS, made.outputs)
    assert living(account) == [made.id]


class TwoAccounts:
    """Two accounts behind one address: the state's key is of the one without machines."""

    def __init__(self, ours: LambdaClient, spare: bool) -> None:
        self.ours, self.spare, self.theirs = ours, spare, True

    def use_spare_key(self) -> bool:
        self.theirs = self.theirs and not self.spare
        return self.spare

    def machine(self, id):
        if self.theirs:
            raise errors.NotFound("no such machine", code="global/object-does-not-exist")
        return self.ours.machine(id)

    def machines(self):
        return Listed() if self.theirs else self.ours.machines()

    def ssh_keys(self):
        return Listed() if self.theirs else self.ours.ssh_keys()

    def rename(self, id, name):
        assert not self.theirs
        self.ours.rename(id, name)

    def terminate(self, id):
        assert not self.theirs
        self.ours.terminate(id)


@pytest.mark.parametrize("spare", [True, False])
async def test_a_machine_is_looked_for_in_the_account_it_was_in(account, told, spare):
    key = account.client.add_ssh_key("key", KEY)
    inputs = dataclasses.replace(INPUTS, account_key=key.id)
    context = told.context(Instance.token)
    made = await Instance(account).create(context, inputs)
    ours, account.client = account.client, TwoAccounts(account.client, spare)
    resource = Instance(account)
    if spare:
        assert (await resource.read(context, made.id, inputs, made.outputs)).outputs.region
        await resource.delete(context, made.id, inputs, made.outputs)
        assert await resource.read(context, made.id, inputs, made.outputs) is None
    else:
        for act in (resource.read, resource.delete):
            with pytest.raises(errors.OtherAccount, match=f"neither machine {made.id}"):
                await act(context, made.id, inputs, made.outputs)
        assert ours.machine(made.id).status in ("booting", "active")
