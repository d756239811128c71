"""When every machine is dead, refresh and destroy still work: that nothing was asked is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers.runtime.declare import Context, Found
from providers.swarm.config import Config, ConfigInputs, ConfigOutputs
from providers.swarm.errors import NoManager
from providers.swarm.network import Network, NetworkInputs, NetworkOutputs
from providers.swarm.pool import Pool, SwarmConfig
from providers.swarm.secret import Secret, SecretInputs, SecretOutputs
from providers.swarm.service import Service
from providers.swarm.services.model import ServiceInputs, ServiceOutputs

RESOURCES: list[tuple[Any, Any, Any]] = [
    (Network, NetworkInputs("n"), NetworkOutputs("id", "n-1")),
    (Secret, SecretInputs("s", "data"), SecretOutputs("id", "s-1")),
    (Config, ConfigInputs("c", "data"), ConfigOutputs("id", "c-1")),
    (Service, ServiceInputs("web", "image"), ServiceOutputs("id", "tasks.web", "")),
]


@pytest.mark.parametrize(("kind", "inputs", "outputs"), RESOURCES, ids=lambda part: str(part)[:12])
async def test_read_keeps_the_recorded_and_delete_succeeds(
    kind: Any, inputs: Any, outputs: Any
) -> None:
    warnings: list[str] = []
    urn = f"urn:pulumi:dev::sophia::{kind.token}::it"
    context = Context(urn, 5.0, asyncio.Event(), print, warnings.append)
    lifecycle = kind(Pool(SwarmConfig()))
    assert await lifecycle.read(context, "id", inputs, outputs) == Found(inputs, outputs)
    await lifecycle.delete(context, "id", inputs, outputs)
    assert ["taken as recorded" in warnings[0], "forgotten" in warnings[1]] == [True, True]
    with pytest.raises(NoManager):
        await lifecycle.create(context, inputs)
