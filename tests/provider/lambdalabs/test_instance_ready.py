from __future__ import annotations

import asyncio
import dataclasses

import asyncssh
import pytest

from providers.lambdalabs import errors
from providers.lambdalabs.account import Account
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.instance_ready import InstanceReady, InstanceReadyInputs
from providers.lambdalabs.models import Launch
from providers.lambdalabs.pacer import Pacer
from providers.runtime.declare import Cancelled
from simulator import cloud as simulator

BAD_GPU = '{"fault": "cuInit failed with CUDA error 802", "gpus": 0}'


@pytest.fixture
def context(told):
    return told.context(InstanceReady.token)


@pytest.fixture
def machine(account, sshd):
    return launched(account, sshd)


def launched(account, sshd) -> str:
    """A machine of this run."""
    account.client.add_ssh_key("key", sshd.public_key)
    id = account.client.launch(Launch("node-1", "gpu_1x_a10", "us-east-1", "key", "", "", {}))
    account.launched[id] = "urn"
    return id


def wanted(machine: str, sshd, **changes: object) -> InstanceReadyInputs:
    inputs = InstanceReadyInputs(machine, "ubuntu", sshd.private_key, sshd.host_key, True)
    return dataclasses.replace(inputs, **changes)


def given_back(account, machine: str) -> bool:
    return account.client.machine(machine).status in ("terminating", "terminated")


async def until(condition, work: asyncio.Task, told) -> None:
    """Polls; a failure of the work itself is raised at once."""
    async with asyncio.timeout(30):
        while not condition():
            if work.done():
                work.result()
                raise AssertionError(f"ended too early; said {told.progress}")
            await asyncio.sleep(0.01)


async def test_a_ready_machine_has_its_addresses(account, context, machine, sshd):
    made = await InstanceReady(account).create(context, wanted(machine, sshd))
    seen = account.client.machine(machine)
    assert made.id == machine
    assert (made.outputs.address, made.outputs.private_address) == (seen.ip, seen.private_ip)
    assert seen.ip != seen.private_ip
    assert set(sshd.addresses) == {seen.ip}
    assert sshd.logins == 1


async def test_it_waits_while_the_machine_boots_and_says_so(tmp_path, told, sshd):
    with simulator.running(tmp_path, boot_seconds=0.6) as cloud:
        account = Account(
            LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0), poll_seconds=0.02
        )
        machine = launched(account, sshd)
        context = told.context(InstanceReady.token)
        await InstanceReady(account).create(context, wanted(machine, sshd))
        assert told.progress[0].startswith("booting, no address yet (0 s)")
        assert any(line.startswith("booting, address 198.51.100.") for line in told.progress)
        assert len(told.progress) < 5


async def test_another_host_key_is_never_accepted(account, context, told, machine, sshd):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    short = told.context(InstanceReady.token, timeout=2.0)
    with pytest.raises(errors.NotReady, match="host key other than") as raised:
        await InstanceReady(account).create(short, wanted(machine, sshd, host_key=other))
    assert sshd.logins == 0
    assert f"Machine {machine} was terminated" in str(raised.value)


async def test_a_deadline_terminates_the_machine_and_tells_what_was_seen(account, told, sshd):
    machine = launched(account, sshd)
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    short = told.context(InstanceReady.token, timeout=2.0)
    with pytest.raises(errors.NotReady) as raised:
        await InstanceReady(account).create(short, wanted(machine, sshd, private_key=stranger))
    text = str(raised.value)
    assert "not ready in" in text
    assert "active" in text
    assert "refuses the key of user ubuntu" in text
    assert given_back(account, machine)


async def test_a_machine_is_terminated_with_patience_after_the_deadline(account, cloud, told, sshd):
    machine = launched(account, sshd)
    sshd.verdicts = [BAD_GPU]
    cloud.control("POST", "/faults", operation="terminateInstance", effect="lost-request")
    short = told.context(InstanceReady.token, timeout=0.0)
    with pytest.raises(errors.NotReady, match="was terminated"):
        await InstanceReady(account).create(short, wanted(machine, sshd))
    assert given_back(account, machine)


def barred(monkeypatch, failure: Exception) -> None:
    def connect(host: str, **options: object) -> None:
        raise failure

    monkeypatch.setattr(asyncssh, "connect", connect)


@pytest.mark.parametrize(
    "failure",
    [
        OSError(113, "No route to host"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError(),
        asyncssh.ConnectionLost("reset on the way"),
    ],
)
async def test_a_machine_that_is_not_reached_from_here_is_kept_and_waited_for_again(
    account, told, machine, sshd, failure
):
    short = told.context(InstanceReady.token, "node-1-ready", timeout=1.0)
    with pytest.MonkeyPatch.context() as patch:
        barred(patch, failure)
        with pytest.raises(errors.NotReached) as raised:
            await InstanceReady(account).create(short, wanted(machine, sshd))
    text = str(raised.value)
    assert text.startswith("node-1-ready: not reached from here in ")
    for part in (f"Machine {machine} is kept", "port 22", "firewall", "the same machine"):
        assert part in text
    assert account.client.machine(machine).status == "active"
    made = await InstanceReady(account).create(short, wanted(machine, sshd))
    assert made.id == machine


async def test_a_machine_that_is_heard_in_the_end_is_judged_by_that(account, told, machine, sshd):
    """Unreached at first, then without GPUs."""
    sshd.verdicts = [BAD_GPU]
    context = told.context(InstanceReady.token)
    with pytest.MonkeyPatch.context() as patch:
        barred(patch, OSError(113, "No route to host"))
        work = asyncio.create_task(InstanceReady(account).create(context, wanted(machine, sshd)))
        await until(lambda: told.progress, work, told)
    with pytest.raises(errors.NotReady, match="CUDA error 802"):
        await work
    assert given_back(account, machine)


@pytest.mark.parametrize(
    "trouble", ["unhealthy", "host key other than", "refuses", "CUDA error 802"]
)
async def test_a_machine_in_service_is_never_terminated_by_a_wait(
    account, cloud, told, machine, sshd, trouble
):
    """As after `--replace` or a lost state: this run did not launch it."""
    account.launched.clear()
    inputs = wanted(machine, sshd)
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    if trouble == "unhealthy":
        cloud.control("POST", f"/instances/{machine}", status="unhealthy")
    elif trouble == "host key other than":
        inputs = dataclasses.replace(inputs, host_key=stranger.export_public_key().decode())
    elif trouble == "refuses":
        inputs = dataclasses.replace(inputs, private_key=stranger.export_private_key().decode())
    else:
        sshd.verdicts = [BAD_GPU]
    short = told.context(InstanceReady.token, timeout=1.0)
    with pytest.raises(errors.NotReady, match=trouble) as raised:
        await InstanceReady(account).create(short, inputs)
    assert f"Machine {machine} was not terminated" in str(raised.value)
    assert cloud.control("GET", "/calls").get("terminateInstance", 0) == 0
    assert not given_back(account, machine)


@pytest.mark.parametrize("status", ["unhealthy", "preempted"])
async def test_a_broken_machine_is_terminated(account, cloud, context, machine, sshd, status):
    cloud.control("POST", f"/instances/{machine}", status=status, reason="the disk is full")
    with pytest.raises(errors.NotReady, match=rf"became {status} \(the disk is full\)") as raised:
        await InstanceReady(account).create(context, wanted(machine, sshd))
    assert "another one" in str(raised.value)
    assert given_back(account, machine)


async def test_a_machine_that_ended_is_told(account, context, machine, sshd):
    account.client.terminate(machine)
    with pytest.raises(errors.NotReady, match=r"became termina|is gone"):
        await InstanceReady(account).create(context, wanted(machine, sshd))


async def test_gpus_that_fail_terminate_the_machine(account, context, machine, sshd):
    sshd.verdicts = [BAD_GPU]
    with pytest.raises(errors.NotReady, match="CUDA error 802"):
        await InstanceReady(account).create(context, wanted(machine, sshd))
    assert given_back(account, machine)


async def test_gpus_may_take_a_moment(account, context, machine, sshd):
    sshd.verdicts = [BAD_GPU, BAD_GPU, '{"fault": null, "gpus": 1}']
    await InstanceReady(account).create(context, wanted(machine, sshd))
    assert account.client.machine(machine).status == "active"


async def test_too_few_gpus_fail(account, context, machine, sshd):
    sshd.verdicts = ['{"fault": null, "gpus": 0}']
    with pytest.raises(errors.NotReady, match="CUDA sees 0 GPUs, expected 1"):
        await InstanceReady(account).create(context, wanted(machine, sshd))


async def test_the_probe_can_be_left_out(account, context, machine, sshd):
    sshd.verdicts = [BAD_GPU]
    await InstanceReady(account).create(context, wanted(machine, sshd, gpu_probe=False))


async def test_a_machine_without_gpus_is_not_probed(account, context, sshd):
    account.client.add_ssh_key("key", sshd.public_key)
    machine = account.client.launch(
        Launch("node-1", "cpu_4x_general", "us-east-1", "key", "", "", {})
    )
    sshd.verdicts = [BAD_GPU]
    await InstanceReady(account).create(context, wanted(machine, sshd))


async def test_an_interruption_keeps_the_machine(tmp_path, told, sshd):
    with simulator.running(tmp_path, boot_seconds=600) as cloud:
        account = Account(LambdaClient(cloud.url, cloud.api_key), Pacer(1000.0, 0.0))
        machine = launched(account, sshd)
        context = told.context(InstanceReady.token)
        work = asyncio.create_task(InstanceReady(account).create(context, wanted(machine, sshd)))
        await until(lambda: told.progress, work, told)
        told.cancelled.set()
        with pytest.raises(Cancelled):
            await asyncio.wait_for(work, 10)
        assert account.client.machine(machine).status == "booting"


async def test_an_interruption_ends_a_look_that_hangs(account, told, machine, sshd):
    looking = asyncio.Event()

    async def hang(process: asyncssh.SSHServerProcess[str]) -> None:
        looking.set()
        await process.stdin.channel.wait_closed()

    sshd.handle = hang
    context = told.context(InstanceReady.token)
    work = asyncio.create_task(InstanceReady(account).create(context, wanted(machine, sshd)))
    await asyncio.wait_for(looking.wait(), 30)
    told.cancelled.set()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(work, 10)
    assert account.client.machine(machine).status == "active"


async def test_a_fault_of_the_api_does_not_cost_the_machine(account, cloud, context, sshd):
    machine = launched(account, sshd)
    cloud.control("POST", "/faults", operation="listInstances", effect="lost-answer", times=2)
    await InstanceReady(account).create(context, wanted(machine, sshd))
    account.snapshot.forget()
    cloud.control(
        "POST", "/faults", operation="listInstances", effect="error", status=401,
        code="global/invalid-api-key",
    )  # fmt: skip
    with pytest.raises(errors.InvalidKey):
        await InstanceReady(account).create(context, wanted(machine, sshd))
    assert account.client.machine(machine).status == "active"


async def test_a_machine_that_can_not_be_terminated_is_named(account, cloud, context, sshd):
    machine = launched(account, sshd)
    cloud.control("POST", f"/instances/{machine}", status="unhealthy")
    cloud.control(
        "POST", "/faults", operation="terminateInstance", effect="error", status=403,
        code="global/account-inactive",
    )  # fmt: skip
    with pytest.raises(errors.NotReady, match="still billed") as raised:
        await InstanceReady(account).create(context, wanted(machine, sshd))
    assert machine in str(raised.value)


async def test_reading_leaves_it_to_the_instance_whether_the_machine_is_gone(
    account, cloud, context, machine, sshd
):
    ready = InstanceReady(account)
    inputs = wanted(machine, sshd)
    made = await ready.create(context, inputs)
    found = await ready.read(context, made.id, inputs, made.outputs)
    assert found is not None
    assert found.outputs == made.outputs
    account.client.terminate(machine)
    cloud.control("DELETE", "/calls")
    found = await ready.read(context, made.id, inputs, made.outputs)
    assert found is not None
    assert (found.inputs, found.outputs) == (inputs, made.outputs)
    assert cloud.control("GET", "/calls") == {"listInstances": 1}


async def test_reading_sees_another_address(account, context, machine, sshd):
    ready = InstanceReady(account)
    inputs = wanted(machine, sshd)
    made = await ready.create(context, inputs)
    moved = dataclasses.replace(made.outputs, address="192.0.2.1")
    found = await ready.read(context, made.id, inputs, moved)
    assert found is not None
    assert found.outputs.address == made.outputs.address


async def test_deleting_it_does_nothing(account, cloud, context, machine, sshd):
    ready = InstanceReady(account)
    inputs = wanted(machine, sshd)
    made = await ready.create(context, inputs)
    cloud.control("DELETE", "/calls")
    await ready.delete(context, made.id, inputs, made.outputs)
    assert cloud.control("GET", "/calls") == {}
