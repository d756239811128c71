"""One browser for all tests of the page; each test has its own page and played API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from mcp_catalog.ui_ux_agent.chromium import Chromium
from tests.support import page_api, viewer
from tests.support.upstream import Service
from tests.support.viewer import Viewer


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Chromium]:
    async with viewer.browser() as started:
        yield started


@pytest.fixture
def service() -> Iterator[Service]:
    with page_api.serving() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def view(browser: Chromium, service: Service) -> AsyncIterator[Viewer]:
    """A window of 1,280 pixels. Whatever a test does, the page must not violate its own policy."""
    async with browser.page() as page:
        seen = Viewer(page, service.url)
        yield seen
        assert await seen.complaints() == []
        assert await seen.js("window.canary === undefined")
