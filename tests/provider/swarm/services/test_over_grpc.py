"""`Service` as the engine sees it: what failed half-way is kept and continued."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import grpc.aio
import pytest

from providers.swarm.provider import Swarm
from tests.provider.swarm.services.samples import IMAGE, SURE
from tests.support.polling import eventually
from tests.support.provider_client import init_failure, serving, values

pytestmark = [pytest.mark.containers, pytest.mark.slow]

TOKEN = "swarm:index:Service"


def service(script: str) -> dict[str, Any]:
    return {
        "name": "over-grpc",
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
        "resources": {"memoryMb": 32.0},
        "update": {"monitorS": SURE},
        "restart": {"delayS": 0.5},
        "stopGraceS": 2.0,
    }


async def test_failed_create_then_update_then_drift_then_delete(swarm: Any) -> None:
    managers = [dataclasses.asdict(endpoint) for endpoint in swarm.config.managers]
    config = {
        "managers": json.dumps(
            [{"address": m["address"], "hostKey": m["host_key"]} for m in managers]
        ),
        "user": swarm.config.user,
        "privateKey": swarm.config.private_key,
    }
    bad, good = service("echo no config; exit 3"), service("while :; do sleep 0.1; done")
    async with serving(Swarm(), config) as client:
        assert not (await client.check(TOKEN, bad)).failures
        assert (await client.check(TOKEN, {**bad, "ports": [{"target": 1.0}]})).failures

        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await client.create(TOKEN, bad)
        kept = init_failure(failure.value)
        assert kept.id
        assert kept.refresh_before_update
        assert "service over-grpc: exited with code 3" in kept.reasons[0]
        assert "  no config" in kept.reasons

        read = await eventually(
            lambda: client.read(TOKEN, kept.id, bad, values(kept.properties)),
            lambda read: values(read.properties)["condition"] == "replicas 0 of 1",
            "the crash between two tries",
        )
        state = values(read.properties)
        assert values(read.inputs) == bad
        assert (await client.diff(TOKEN, bad, bad, state)).diffs, "the next `up` has to try again"

        updated = await client.update(TOKEN, kept.id, bad, state, good)
        state = values(updated.properties)
        assert (state["serviceId"], state["dnsName"]) == (kept.id, "tasks.over-grpc")
        assert not (await client.diff(TOKEN, good, good, state)).diffs

        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await client.update(TOKEN, kept.id, good, state, bad)
        assert "rolled back to the previous spec" in (failure.value.details() or "")
        read = await client.read(TOKEN, kept.id, good, state)
        assert values(read.properties)["condition"] == ""
        assert (await client.diff(TOKEN, good, bad, values(read.properties))).diffs == ["command"]

        swarm.docker("service", "scale", "--detach", "over-grpc=2")
        read = await client.read(TOKEN, kept.id, good, state)
        assert values(read.inputs)["replicas"] == 2

    # Another run: a delete never ends what a create of the same run returned.
    async with serving(Swarm(), config) as client:
        await client.delete(TOKEN, kept.id, good, state)
        assert not (await client.read(TOKEN, kept.id, good, state)).id
