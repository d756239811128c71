"""The dashboards' queries at a real Prometheus, over what everything that is scraped has."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from sophia_backend.app import make_app
from sophia_backend.dashboards import read_dashboards
from sophia_backend.fleet import Fleet
from sophia_backend.places import Place
from sophia_backend.prometheus import Prometheus
from sophia_mcp.settings import read_settings

from components.plan import monitoring as plan
from tests.integration.monitoring import recorded
from tests.integration.monitoring.conftest import Watched
from tests.support import asgi
from tests.support.docker import docker
from tests.support.gateway import address
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

HERE = Path(__file__).parent
CONFIG = """\
global: {evaluation_interval: 1s}
rule_files: [/etc/sophia/alerts.yml]
"""
STARTED = """\
promtool tsdb create-blocks-from openmetrics /given/series.txt /tmp/data >/dev/null &&
exec prometheus --config.file=/given/prometheus.yml --storage.tsdb.path=/tmp/data
"""
AGO_S = 1800


@pytest.fixture(scope="module")
def prometheus(watched: Watched) -> str:
    """The address of one that has seen half an hour."""
    name = f"{watched.prefix}-recorded"
    now = int(time.time())
    watched.write("recorded/series.txt", "".join(recorded.lines(now - AGO_S, now)))
    watched.write("recorded/prometheus.yml", CONFIG)
    docker(
        *("run", "--detach", "--init", "--name", name, "--network", watched.prefix),
        *("--volume", f"{watched.folder}/recorded:/given:ro"),
        *(watched.image, "sh", "-c", STARTED),
    )
    found = f"http://{address(name)}:{plan.METRICS_PORT}/api/v1/alerts"

    def firing() -> list[str]:
        alerts = httpx2.get(found, timeout=5).json()["data"]["alerts"]
        return [alert["labels"]["alertname"] for alert in alerts]

    until(
        firing, lambda names: "CertificateEndsNow" in names, "what was recorded makes alerts fire"
    )
    return address(name)


@pytest_asyncio.fixture
async def backend(prometheus: str) -> AsyncIterator[httpx2.AsyncClient]:
    app, _ = make_app(
        Fleet([Place("slack", "127.0.0.1", 1)]),
        read_settings("backend", {"SOPHIA_RUNBOOKS": "https://example.com/sophia"}),
        prometheus=Prometheus(prometheus, plan.METRICS_PORT),
    )
    async with asgi.serving(app) as port:
        headers = {"X-Sophia-Servers": "*"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            yield http


@pytest.mark.parametrize("name", read_dashboards())
async def test_every_panel_has_something_to_show(backend: httpx2.AsyncClient, name: str) -> None:
    began = time.monotonic()
    shown = (await backend.get(f"/api/dashboards/{name}?range=15m")).json()
    took = time.monotonic() - began
    states = {panel["title"]: (panel["state"], panel["reason"]) for panel in shown["panels"]}
    assert {title: why for title, why in states.items() if why != ("ok", "")} == {}
    for panel in shown["panels"]:
        for line in panel["lines"]:
            assert line["values"][-1] is not None, panel["title"]
            assert "{" not in line["name"], panel["title"]
    assert shown["alerts"][0]["name"] == "CertificateEndsNow"
    assert shown["alerts"][0]["link"].startswith("https://example.com/sophia/docs/runbooks/")
    assert took < 5, "a page is to load in a second; this machine may be busy"


def test_what_is_recorded_is_the_rate(watched: Watched) -> None:
    file = "rates.yml"
    said = docker(
        *("run", "--rm", "--volume", f"{HERE}/{file}:/etc/sophia/{file}:ro"),
        *(watched.image, "promtool", "test", "rules", f"/etc/sophia/{file}"),
    )
    assert "SUCCESS" in said


async def test_numbers_are_right(backend: httpx2.AsyncClient) -> None:
    shown = (await backend.get("/api/dashboards/server?range=15m")).json()
    of = {panel["title"]: panel["lines"] for panel in shown["panels"]}
    calls = of["Calls by outcome"]
    assert {line["name"]: line["values"][-1] for line in calls} == {
        "error": 0.5,
        "ok": 4,
        "timeout": 0.1,
    }
    assert of["Failed calls"][0]["values"] == [pytest.approx(0.1 / 4.6, rel=1e-3)]
    assert of["Replicas that answer"][0]["values"] == [0.5]
    nodes = (await backend.get("/api/dashboards/nodes?range=15m&node=gpu-1")).json()
    assert nodes["choices"] == ["gpu-1", "manager-1"]
    processor = next(panel for panel in nodes["panels"] if panel["title"] == "Free disk")
    assert [(line["name"], line["values"][-1]) for line in processor["lines"]] == [("gpu-1", 0.4)]


async def test_what_is_not_scraped_is_told_apart_from_what_is_gone(
    backend: httpx2.AsyncClient,
) -> None:
    shown = (await backend.get("/api/dashboards/nodes?range=15m&node=nobody")).json()
    states = {panel["title"]: panel["state"] for panel in shown["panels"]}
    assert states["Processor"] == states["GPUs at work"] == "empty"
