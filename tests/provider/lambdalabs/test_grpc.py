"""The package as the engine sees it, over real gRPC against the simulated cloud."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from pulumi.runtime.proto import provider_pb2

from providers.lambdalabs.provider import LambdaLabs
from providers.runtime.codec import UNKNOWN, is_secret
from tests.support.provider_client import serving, struct, values

KEY = "lambdalabs:index:SshKey"
INSTANCE = "lambdalabs:index:Instance"
READY = "lambdalabs:index:InstanceReady"


@pytest.fixture
def config(cloud):
    # As the engine sends it: numbers are text.
    return {
        "apiUrl": cloud.url,
        "apiKey": cloud.api_key,
        "requestsPerSecond": "1000",
        "launchInterval": "0",
        "pollSeconds": "0.02",
    }


@pytest.fixture
def instance():
    return {
        "name": "node-1-a1b2",
        "instanceTypes": ["gpu_1x_a10"],
        "regions": ["us-east-1"],
        "sshKeyName": "key",
        "userData": "#cloud-config",
        "tags": {"project": "sophia"},
    }


async def test_a_node_from_key_to_destruction(cloud, config, instance, sshd):
    async with serving(LambdaLabs(), config) as engine:
        key = await engine.create(KEY, {"name": "key", "publicKey": sshd.public_key})
        checked = await engine.check(INSTANCE, instance)
        machine = await engine.create(INSTANCE, values(checked.inputs))
        assert machine.refresh_before_update
        assert not key.refresh_before_update, "one call less in each run"
        assert is_secret(values(machine.properties)["userData"])
        ready_inputs = {
            "instanceId": machine.id,
            "user": "ubuntu",
            "privateKey": sshd.private_key,
            "hostKey": sshd.host_key,
        }
        checked = await engine.check(READY, ready_inputs)
        ready = await engine.create(READY, values(checked.inputs))
        assert values(ready.properties)["address"].startswith("198.51.100.")
        assert is_secret(values(ready.properties)["privateKey"])

        state = values(machine.properties)
        read = await engine.read(INSTANCE, machine.id, instance, state)
        assert values(read.properties)["status"] == "active"
        assert read.refresh_before_update

    # Another run: a delete never ends what a create of the same run returned.
    async with serving(LambdaLabs(), config) as engine:
        await engine.delete(READY, ready.id, ready_inputs, values(ready.properties))
        await engine.delete(INSTANCE, machine.id, instance, state)
        await engine.delete(KEY, key.id, values(key.properties), values(key.properties))
    assert cloud.control("GET", "/calls")["terminateInstance"] == 1


async def test_a_preview_asks_the_cloud_nothing(cloud, config, instance):
    async with serving(LambdaLabs(), config) as engine:
        made = await engine.create(INSTANCE, instance, preview=True)
        assert values(made.properties)["status"] == UNKNOWN
        kept = await engine.update(
            INSTANCE, "i-1", instance, {"status": "active"}, instance | {"userData": "x"},
            preview=True,
        )  # fmt: skip
        assert values(kept.properties)["status"] == "active"
    assert cloud.control("GET", "/calls") == {}


async def test_what_replaces_a_machine_and_what_does_not(config, instance):
    async with serving(LambdaLabs(), config) as engine:
        state = {"status": "active", "instanceType": "gpu_1x_a10", "region": "us-east-1"}
        for key, value in {
            "name": "node-1-c3d4",
            "imageFamily": "gpu-base-24-04",
            "generation": "2",
        }.items():
            diff = await engine.diff(INSTANCE, instance, instance | {key: value}, state)
            assert list(diff.replaces) == [key]
            assert not diff.deleteBeforeReplace
        preferences = {
            "instanceTypes": ["gpu_8x_h100_sxm5", "gpu_1x_a10"],
            "regions": ["us-west-1", "us-east-1"],
        }
        kept = {"userData": "new", "sshKeyName": "other", "tags": {}} | preferences
        for key, value in kept.items():
            diff = await engine.diff(INSTANCE, instance, instance | {key: value}, state)
            assert diff.changes == provider_pb2.DiffResponse.DIFF_SOME
            assert list(diff.replaces) == []
        diff = await engine.diff(INSTANCE, instance, instance, state)
        assert diff.changes == provider_pb2.DiffResponse.DIFF_NONE


async def test_a_broken_machine_is_replaced(cloud, config, instance, sshd):
    async with serving(LambdaLabs(), config) as engine:
        await engine.create(KEY, {"name": "key", "publicKey": sshd.public_key})
        machine = await engine.create(INSTANCE, instance)
        cloud.control("POST", f"/instances/{machine.id}", status="unhealthy")
        read = await engine.read(INSTANCE, machine.id, instance, values(machine.properties))
        diff = await engine.diff(INSTANCE, instance, instance, values(read.properties))
        assert list(diff.replaces)
        assert not diff.deleteBeforeReplace, "create ends it; deletion would reach dependents first"


async def test_a_machine_that_is_gone_is_read_as_nothing(cloud, config, instance):
    async with serving(LambdaLabs(), config) as engine:
        assert (await engine.read(INSTANCE, "i-gone", instance, {})).id == ""


async def test_wrong_inputs_are_told_all_at_once_and_secrets_are_not_repeated(config, instance):
    async with serving(LambdaLabs(), config) as engine:
        bad = instance | {"name": "Node", "regions": [], "nonsense": 1}
        response = await engine.check(INSTANCE, bad)
        assert [failure.property for failure in response.failures] == ["nonsense"]
        del bad["nonsense"]
        response = await engine.check(INSTANCE, bad)
        assert sorted(failure.property for failure in response.failures) == ["name", "regions"]
        ready = {"instanceId": "i", "user": "u", "privateKey": "very-secret", "hostKey": "h"}
        response = await engine.check(READY, ready)
        assert "very-secret" not in str(response.failures)


async def test_an_error_reaches_the_user_as_one_line(config, instance):
    async with serving(LambdaLabs(), config) as engine:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await engine.create(INSTANCE, instance)
        assert "SSH key 'key' does not exist" in raised.value.details()
        assert "global/object-does-not-exist" in raised.value.details()
        assert "Traceback" not in raised.value.details()


async def test_a_wrong_configuration_is_told(config):
    async with serving(LambdaLabs(), config) as engine:
        response = await engine.stub.CheckConfig(
            provider_pb2.CheckRequest(
                urn="urn:pulumi:dev::sophia::pulumi:providers:lambdalabs::p",
                news=struct({"apiUrl": "nonsense", "apiKey": "", "requestsPerSecond": "0"}),
            )
        )
    failed = sorted(failure.property for failure in response.failures)
    assert failed == ["apiKey", "apiUrl", "requestsPerSecond"]


async def test_the_instance_types_can_be_asked_for(config):
    async with serving(LambdaLabs(), config) as engine:
        response = await engine.stub.Invoke(
            provider_pb2.InvokeRequest(tok="lambdalabs:index:getInstanceTypes", args=struct({}))
        )
    types = {item["name"]: item for item in values(getattr(response, "return"))["instanceTypes"]}
    assert types["gpu_1x_a10"]["priceCentsPerHour"] > 0
    assert "us-east-1" in types["gpu_1x_a10"]["regions"]
    assert types["gpu_4x_h100_sxm5"]["regions"] == []
