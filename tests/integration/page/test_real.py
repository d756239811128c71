"""The page on the real backend, over a real server: processes, as containers would run them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_catalog.slack.test_server import STAND_IN
from tests.support import mcp_process
from tests.support.browser import needs_chromium
from tests.support.mcp_process import ROOT
from tests.support.viewer import Viewer

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

BACKEND = ROOT / "images" / "backend"
LOCAL = {"LISTEN_ADDRESS": "127.0.0.1"}


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[str]:
    """Its address. It knows slack, which runs, and asana, which does not."""
    command = ["-m", "sophia_mcp", "slack"]
    with STAND_IN.serving() as service:
        address = {STAND_IN.address: f"{service.url}{STAND_IN.below}"}
        settings = {**LOCAL, **STAND_IN.settings, **address}
        with mcp_process.running(command, tmp_path / "slack", settings, (ROOT,)) as slack:
            ports = {"slack": slack.port, "asana": mcp_process.free_port()}
            places = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
            told = {**LOCAL, "SOPHIA_SERVERS": json.dumps(places)}
            command, folders = ["-m", "sophia_backend"], (BACKEND,)
            with mcp_process.running(command, tmp_path / "log", told, folders) as replica:
                yield f"http://127.0.0.1:{replica.port}"


async def test_a_tool_of_a_real_server_is_called(view: Viewer, backend: str) -> None:
    view.url = backend
    # The headers that the gateway derives from a token.
    headers = {
        "X-Sophia-Caller": "ada",
        "X-Sophia-Servers": "*",
        "X-Request-Id": "5d41402abc4b2a76",
    }
    await view.page.send("Network.enable")
    await view.page.send("Network.setExtraHTTPHeaders", headers=headers)
    await view.open(before="")
    await view.fill("Token", "any")
    await view.press("Enter")
    await view.sees("2 servers: 1 ready, 1 away.", "asana", "ada", seconds=30)
    await view.follow("#/tools?query=replies%20in%20a%20thread")
    await view.click("get_thread_replies")
    good = STAND_IN.calls["get_thread_replies"]
    await view.fill("thread_ts", str(good["thread_ts"]))
    await view.fill("channel", "#nowhere")
    await view.click("Run")
    await view.sees("The tool reports an error", "#nowhere")
    await view.fill("channel", str(good["channel"]))
    await view.click("Run")
    await view.sees("Done", "5d41402abc4b2a76", '"messages"')
    await view.follow("#/")
    await view.sees("2 calls and 1 error in the last 15 minutes", "get_thread_replies", seconds=30)
