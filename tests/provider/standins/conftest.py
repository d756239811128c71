import asyncio

import pytest

from providers.runtime.declare import Context


@pytest.fixture
async def context() -> Context:
    said: list[str] = []
    made = Context(
        urn="urn:pulumi:dev::p::command:local:Command::hello",
        timeout=20.0,
        cancelled=asyncio.Event(),
        progress=said.append,
        warn=said.append,
    )
    made.__dict__["said"] = said
    return made
