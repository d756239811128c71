"""Puts the server together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.server import MCPServer
from sophia_mcp.errors import SettingError
from sophia_mcp.server import Server
from sophia_mcp.settings import Settings

from .api import LambdaApi
from .tools import TOOLS

DEFAULT_API_URL = "https://cloud.lambda.ai/api/v1"


def build(settings: Settings) -> Server:
    """The server, on the account that the secret LAMBDA_API_KEY opens at LAMBDA_API_URL.

    Raises:
        RuntimeFault: the secret is missing, or the address is none.
    """
    key = settings.secret("LAMBDA_API_KEY")
    url = settings.environment.get("LAMBDA_API_URL") or DEFAULT_API_URL
    if not url.startswith(("http://", "https://")):
        raise SettingError(f"LAMBDA_API_URL: expected an http(s) address, got {url!r}")

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[LambdaApi]:
        async with httpx2.AsyncClient(
            base_url=f"{url.rstrip('/')}/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(10, connect=5),
        ) as http:
            yield LambdaApi(http)

    return Server(
        settings,
        title="Lambda Cloud",
        instructions=(
            "Reads Lambda Cloud: list_instance_types shows what can be rented, where and for how "
            "much; list_instances shows what is rented. It changes nothing."
        ),
        tools=TOOLS,
        lifespan=lifespan,
    )
