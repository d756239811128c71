"""The package under the real Pulumi engine, with machines that are words of the simulated cloud and
an sshd of this test at each of their addresses."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ops.ci.preview import parsed
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.models import Launch
from simulator import cloud as simulator
from tests.support.checkout import ROOT
from tests.support.node_stack import NETWORK, NODES, Stack, stack_of
from tests.support.polling import until

pytestmark = pytest.mark.slow

PROGRAM = f"""\
import json, os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from providers.lambdalabs import resources as lambdalabs
wanted = json.loads(os.environ["WANTED"])
account = lambdalabs.Provider("account", api_url=os.environ["LAMBDA_API_URL"],
    api_key=os.environ["LAMBDA_API_KEY"], requests_per_second=100, launch_interval=0,
    poll_seconds=0.2)
through = pulumi.ResourceOptions(provider=account)
waiting = pulumi.ResourceOptions(provider=account,
    custom_timeouts=pulumi.CustomTimeouts(create=wanted["patience"]))
# The account refuses to delete the key of a machine that stays.
kept = pulumi.ResourceOptions.merge(
    through, pulumi.ResourceOptions(retain_on_delete=wanted["retain"]))
key = lambdalabs.SshKey("key", name="operator", public_key=wanted["public_key"], opts=kept)
name = lambdalabs.InstanceName("name", name=wanted["name"], opts=through)
machine = lambdalabs.Instance("machine", name=name.name,
    instance_types=wanted["types"].split(","), regions=wanted["regions"].split(","),
    ssh_key_name=key.name, user_data=wanted["user_data"], generation=wanted["generation"],
    account_key=key.id, tags=dict(project="nodes", stack="dev"),
    opts=kept)
ready = lambdalabs.InstanceReady("ready", instance_id=machine.id, user="ubuntu",
    private_key=wanted["private_key"], host_key=wanted["host_key"], gpu_probe=False, opts=waiting)
pulumi.export("machine", machine.id)
pulumi.export("address", ready.address)
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with stack_of(tmp_path, PROGRAM) as stack:
        stack.wanted |= {
            "user_data": "#cloud-config\n",
            "generation": "1",
            "name": "node-1",
            "types": "gpu_1x_a10",
            "regions": "us-east-1",
            "patience": "20m",
            "retain": False,
        }
        yield stack


def listen(stack: Stack) -> None:
    try:
        stack.sshds.listen()
    except PermissionError:
        pytest.skip("port 22 of loopback addresses can't be listened on by this user")


@pytest.fixture
def listening(stack: Stack) -> Stack:
    listen(stack)
    return stack


def test_a_machine_is_kept_healed_replaced_and_given_back(listening: Stack) -> None:
    stack = listening
    preview = stack("preview")
    assert "lambdalabs:index:InstanceReady" in preview
    assert stack.rented() == []

    stack.up()
    first = stack.outputs()
    assert stack.rented() == [first["machine"]]
    assert ipaddress.IPv4Address(first["address"]) in NETWORK
    exported = stack("stack", "export")
    assert "PRIVATE KEY" not in exported
    assert stack.cloud.api_key not in exported

    stack.up("--expect-no-changes")

    stack.wanted["user_data"] = "#cloud-config\nlater: true\n"
    assert "next generation" in stack("preview")
    assert "next generation" in stack.up()
    assert stack.rented() == [first["machine"]]

    # A plain up sees that it ended elsewhere, and rents another.
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    client.terminate(first["machine"])
    stack.up()
    second = stack.outputs()
    assert second["machine"] != first["machine"]
    assert second["address"] != first["address"]
    assert stack.rented() == [second["machine"]]

    # An unhealthy one goes before its replacement comes, since they share a name.
    stack.cloud.control("POST", f"/instances/{second['machine']}", status="unhealthy")
    assert "unhealthy" in stack("preview", "--diff")
    stack.up()
    third = stack.outputs()
    assert third["machine"] != second["machine"]
    assert stack.rented() == [third["machine"]]

    # The same name with another specification: never adopted, and the old one goes.
    stack.wanted["generation"] = "2"
    stack.up()
    fourth = stack.outputs()
    assert fourth["machine"] != third["machine"]
    assert stack.rented() == [fourth["machine"]]

    stack.up("--expect-no-changes")
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []
    assert client.ssh_keys() == []


def test_a_fallback_more_replaces_nothing_and_one_that_is_taken_out_does(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.wanted |= {"types": "gpu_8x_h100_sxm5,gpu_1x_a10", "regions": "us-west-1,us-east-1"}
    preview = stack("preview", "--diff")
    assert "replace" not in preview, preview
    stack.up()
    assert stack.rented() == [machine]
    stack.up("--expect-no-changes")

    stack.wanted |= {"types": "gpu_1x_a10", "regions": "us-west-1"}
    assert "us-east-1 is no longer listed" in stack("preview")
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]]
    assert stack.outputs()["machine"] != machine


def test_a_forced_replacement_never_ends_what_it_adopts(listening: Stack) -> None:
    """`--replace`, for which the engine asks no provider, and then a taint, which is the same."""
    stack = listening
    stack.up()
    [machine] = stack.rented()
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    exported = json.loads(stack("stack", "export"))
    urns = {r["urn"].rpartition("::")[2]: r["urn"] for r in exported["deployment"]["resources"]}
    for name in ("key", "name", "machine", "ready"):
        stack.up("--replace", urns[name])
        assert stack.rented() == [stack.outputs()["machine"]] == [machine], name
        stack("state", "taint", urns[name], "--yes")
        stack.up()
        assert stack.rented() == [stack.outputs()["machine"]] == [machine], name
        assert [key.name for key in client.ssh_keys()] == ["operator"], name
    stack.up("--expect-no-changes")


def test_a_rotated_key_in_the_environment_is_enough(listening: Stack) -> None:
    """The state still has the old key, and is read with it before the program runs."""
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.rotate("secret_new")
    stack.environment |= {"LAMBDA_API_KEY": "secret_new"}
    stack("preview")
    stack("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.rented() == [machine]
    stack.up("--expect-no-changes")
    assert "secret_new" not in stack("stack", "export")
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_revoked_key_forgets_no_machine(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    stack.rotate("secret_new")
    refreshed = stack("refresh", "--yes", "--skip-preview")
    assert "not checked" in refreshed
    assert machine in stack("stack", "export")
    looked = parsed(stack("preview", "--refresh", "--json"))
    assert (looked.changes, looked.errors) == ((), ())
    assert len(looked.unseen) == 3, "no change, but nobody has seen that"
    refused = stack("destroy", "--yes", "--skip-preview", ok=False)
    assert "Set LAMBDA_API_KEY" in refused
    assert stack.rented() == [machine]
    stack.environment |= {"LAMBDA_API_KEY": "secret_new"}
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_another_accounts_key_neither_forgets_nor_rents(listening: Stack, tmp_path: Path) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    (tmp_path / "other").mkdir()
    with simulator.running(tmp_path / "other", boot_seconds=0) as other:
        stack.environment |= other.env
        stack.up()  # read with the state's key, and the next one with this
        for command in ("preview", "up", "refresh", "destroy"):
            consent = () if command == "preview" else ("--yes", "--skip-preview")
            told = stack(command, *consent, ok=False)
            assert "account of this API key has neither machine" in told
            assert machine in stack("stack", "export")
        assert other.control("GET", "/instances") == []
    assert stack.rented() == [machine]


def test_an_engine_killed_during_the_launch_loses_no_machine(listening: Stack) -> None:
    stack = listening
    # The answer never arrives: the machine is rented and the state doesn't know it.
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    [machine] = stack.rented()
    assert machine not in stack("stack", "export")
    stack.up()
    assert stack.rented() == [machine]
    assert stack.outputs()["machine"] == machine
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_of_a_killed_launch_is_given_back_by_destroy(stack: Stack) -> None:
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    assert len(stack.rented()) == 1
    assert "is in no state, terminating it" in stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_of_a_killed_launch_is_given_back_when_another_is_wanted(
    listening: Stack,
) -> None:
    stack = listening
    stack.cloud.control("POST", "/faults", operation="launchInstance", effect="lost-answer")
    killed(stack, recorded=False)
    [machine] = stack.rented()
    stack.wanted |= {"generation": "2", "name": "node-2"}
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]]
    assert stack.outputs()["machine"] != machine
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_that_is_to_be_kept_outlives_its_name(listening: Stack) -> None:
    stack = listening
    stack.wanted["retain"] = True
    stack.up()
    [first] = stack.rented()
    stack.wanted |= {"generation": "2", "name": "node-2"}
    stack.up()
    second = stack.outputs()["machine"]
    assert set(stack.rented()) == {first, second}
    stack("destroy", "--yes", "--skip-preview")
    assert set(stack.rented()) == {first, second}


def test_a_machine_that_was_taken_out_of_the_state_outlives_its_name(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    state = json.loads(stack("stack", "export"))["deployment"]["resources"]
    for name in ("ready", "machine", "key"):
        (urn,) = [one["urn"] for one in state if one["urn"].endswith(f"::{name}")]
        stack("state", "delete", urn, "--yes")
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == [machine]


def test_an_engine_killed_during_the_wait_loses_no_machine(stack: Stack) -> None:
    killed(stack, recorded=True)
    [machine] = stack.rented()
    assert machine in stack("stack", "export")
    listen(stack)
    stack.up()
    assert stack.rented() == [machine]
    stack("destroy", "--yes", "--skip-preview")
    assert stack.rented() == []


def test_a_machine_that_turns_unhealthy_while_it_boots_is_given_back(stack: Stack) -> None:
    process = stack.start("up", "--yes", "--skip-preview")
    [machine] = until(stack.rented, bool, "the launch", 60)
    stack.cloud.control("POST", f"/instances/{machine}", status="unhealthy")
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the machine became unhealthy" in output
    assert f"Machine {machine} was terminated" in output
    assert stack.rented() == []


def test_a_run_that_changes_nothing_costs_two_calls_however_many_nodes(tmp_path: Path) -> None:
    with stack_of(tmp_path, NODES) as stack:
        listen(stack)
        stack.wanted["count"] = 6
        stack.cloud.control(
            "PUT", "/capacity", instance_type="gpu_1x_a10", region="us-east-1", count=6
        )
        stack.up()
        assert len(stack.rented()) == 6
        for command in ("preview", "up"):
            stack.calls()
            consent = ("--yes", "--skip-preview") if command == "up" else ()
            stack(command, "--expect-no-changes", *consent)
            assert stack.calls() == {"listInstances": 1, "listInstanceTypes": 1}


def test_a_wait_that_does_not_get_through_goes_on_with_the_same_machine(stack: Stack) -> None:
    """Nothing listens on the machine's port 22 while the first `up` waits for it."""
    stack.wanted["patience"] = "3s"
    told = stack.up(ok=False)
    assert "not reached from here" in told
    [machine] = stack.rented()
    assert f"Machine {machine} is kept" in told
    listen(stack)
    stack.up()
    assert stack.rented() == [stack.outputs()["machine"]] == [machine]


@pytest.mark.parametrize("way", ["--replace", "state delete"])
def test_a_wait_that_is_made_again_ends_no_machine_in_service(listening: Stack, way: str) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    exported = json.loads(stack("stack", "export"))
    (urn,) = [r["urn"] for r in exported["deployment"]["resources"] if r["urn"].endswith("::ready")]
    stack.wanted |= {"patience": "3s", "host_key": stack.wanted["public_key"]}  # a wrong one
    if way == "--replace":
        told = stack.up("--replace", urn, ok=False)
    else:
        stack("state", "delete", urn, "--yes")
        told = stack.up(ok=False)
    assert f"Machine {machine} was not terminated" in told
    assert stack.rented() == [machine]


def test_a_second_machine_of_a_lost_launch_is_ended_by_the_next_run(listening: Stack) -> None:
    stack = listening
    stack.up()
    [machine] = stack.rented()
    client = LambdaClient(stack.cloud.url, stack.cloud.api_key)
    ours = client.machine(machine)
    second = client.launch(
        Launch(ours.name, "gpu_1x_a10", "us-east-1", "operator", "", "", dict(ours.tags))
    )
    told = stack("preview")
    assert f"machine {second}" in told
    assert stack.rented() == [machine]
    stack.up("--expect-no-changes")


def killed(stack: Stack, *, recorded: bool) -> None:
    """An `up` whose engine dies as soon as a machine is rented, or as its id is in the state."""
    process = stack.start("up", "--yes", "--skip-preview")
    [machine] = until(stack.rented, bool, "the launch", 60)
    checkpoint = urlsplit(stack.environment["PULUMI_BACKEND_URL"]).path
    if recorded:
        until(
            lambda: [f for f in Path(checkpoint).rglob("dev.json") if machine in f.read_text()],
            bool,
            "the machine's id in the state",
            60,
        )
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    stack("cancel", "--yes")
    stack("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
