"""If no manager answers, refresh continues, and nothing that may still run counts as deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from providers.runtime.declare import Context, Found
from providers.swarm.config import Config, ConfigInputs, ConfigOutputs
from providers.swarm.errors import NoManager
from providers.swarm.network import Network, NetworkInputs, NetworkOutputs
from providers.swarm.secret import Secret, SecretInputs, SecretOutputs
from providers.swarm.service import Service
from providers.swarm.services.model import ServiceInputs, ServiceOutputs

RESOURCES: list[tuple[Any, Any, Any]] = [
    (Network, NetworkInputs("n"), NetworkOutputs("id", "n-1")),
    (Secret, SecretInputs("s", "data"), SecretOutputs("id", "s-1")),
    (Config, ConfigInputs("c", "data"), ConfigOutputs("id", "c-1")),
    (Service, ServiceInputs("web", "image"), ServiceOutputs("id", "tasks.web", "")),
]


class Silent:
    """A pool whose managers don't answer, or answer that they are in no swarm."""

    def __init__(self, dissolved: bool) -> None:
        self.dissolved = dissolved

    async def request(self, *asked: Any, **options: Any) -> Any:
        raise NoManager("no manager answers", self.dissolved)


@pytest.mark.parametrize("dissolved", [False, True], ids=["silent", "dissolved"])
@pytest.mark.parametrize(("kind", "inputs", "outputs"), RESOURCES, ids=lambda part: str(part)[:12])
async def test_read_keeps_the_recorded_and_only_a_cluster_that_ended_takes_all_with_it(
    kind: Any, inputs: Any, outputs: Any, dissolved: bool
) -> None:
    warnings: list[str] = []
    urn = f"urn:pulumi:dev::sophia::{kind.token}::it"
    context = Context(urn, 5.0, asyncio.Event(), print, warnings.append)
    lifecycle = kind(Silent(dissolved))
    assert await lifecycle.read(context, "id", inputs, outputs) == Found(inputs, outputs)
    assert "taken as recorded" in warnings[0]
    if dissolved:
        await lifecycle.delete(context, "id", inputs, outputs)
        assert "it is gone with its cluster" in warnings[1]
    else:
        with pytest.raises(NoManager, match=r"it is not deleted: .*pulumi state delete"):
            await lifecycle.delete(context, "id", inputs, outputs)
    with pytest.raises(NoManager):
        await lifecycle.create(context, inputs)
