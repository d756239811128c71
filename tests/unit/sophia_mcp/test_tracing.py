"""Spans of calls, as a collector gets them over OTLP; no data of callers, and none when off."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from sophia_mcp import tracing
from sophia_mcp.errors import SettingError
from sophia_mcp.settings import read_settings

from tests.support import mcp_process
from tests.support import upstream as replies
from tests.support.collector import Collector, Kept, collecting
from tests.support.mcp_process import BASE, Replica
from tests.support.polling import until
from tests.support.upstream import Service

pytestmark = pytest.mark.slow

MODES = ["2026-07-28", "legacy"]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def service() -> Iterator[Service]:
    with replies.serving() as made:
        made.routes["GET /things/hidden-thing"] = replies.ok(7)
        made.routes["GET /things/hidden-refusal"] = replies.refused(403, {"message": "hidden why"})
        yield made


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@contextmanager
def toy(
    command: list[str], folder: Path, service: Service, endpoint: str, **more: str
) -> Iterator[Replica]:
    environment = {"TOY_API_URL": service.url, "TOY_KEY": "k", tracing.ENDPOINT: endpoint, **more}
    with mcp_process.running(command, folder / "log", environment) as running:
        yield running


async def ask(replica: Replica, mode: str, headers: Mapping[str, str], thing: str) -> None:
    async with (
        httpx2.AsyncClient(headers=dict(headers)) as http,
        Client(streamable_http_client(replica.url, http_client=http), mode=mode) as client,
    ):
        await client.call_tool("ask", {"thing": thing})


def spans(replica: Replica, collector: Collector, count: int) -> list[Kept]:
    """Those of a server that has ended: it sends what is left."""
    replica.terminate()
    assert replica.exit_status() == 0
    assert len(collector.spans) == count
    return collector.spans


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_a_span_of_its_callers_trace_and_each_try_one_below_it(
    toy_command: list[str], tmp_path: Path, service: Service, collector: Collector, mode: str
):
    service.queue.append(replies.refused(503, Retry_After="0"))
    with toy(toy_command, tmp_path, service, collector.url) as replica:
        await ask(replica, mode, CALLER | {"X-Request-Id": "gateway-1"}, "hidden-thing")
        (line,) = until(lambda: replica.logged("tool call"), bool, "the call's line", 5)
        spans(replica, collector, 3)
    (call,) = collector.named("tools/call ask")
    assert (call.service, call.trace, call.parent, call.failed) == ("toy", TRACE, PARENT, False)
    assert call.attributes["sophia.request_id"] == "gateway-1"
    assert call.attributes["sophia.outcome"] == "ok"
    assert line["trace_id"] == TRACE
    tries = collector.named("GET Toys")
    assert {(one.trace, one.parent) for one in tries} == {(TRACE, call.id)}
    assert [(one.failed, one.attributes["http.response.status_code"]) for one in tries] == [
        (True, "503"),
        (False, "200"),
    ]
    assert b"hidden" not in collector.raw
    assert not any("traceparent" in request.headers for request in service.asked), "not ours"


async def test_a_message_says_whose_it_is_before_its_request_does(
    toy_command: list[str], tmp_path: Path, service: Service, collector: Collector
):
    """SEP-414: `_meta` is the client's own; headers may be of something between."""
    other = "0af7651916cd43dd8448eb211c80319c"
    with toy(toy_command, tmp_path, service, collector.url) as replica:
        async with (
            httpx2.AsyncClient(headers=CALLER) as http,
            Client(streamable_http_client(replica.url, http_client=http)) as client,
        ):
            meta = {"traceparent": f"00-{other}-{PARENT}-01"}
            await client.call_tool("add", {"a": 1, "b": 2}, meta=meta)
        (call,) = spans(replica, collector, 1)
    assert call.trace == other


async def test_failures_are_marked_without_their_texts(
    toy_command: list[str], tmp_path: Path, service: Service, collector: Collector
):
    with toy(toy_command, tmp_path, service, collector.url) as replica:
        async with Client(replica.url) as client:
            await client.call_tool("crash", {})
            await client.call_tool("ask", {"thing": "hidden-refusal"})
            with pytest.raises(Exception, match="Unknown tool"):
                await client.call_tool("hidden-tool", {})
        spans(replica, collector, 4)
    assert all(one.failed and not one.events for one in collector.spans)
    assert {one.attributes["error.type"] for one in collector.spans} == {
        *("crash", "error", "4xx", "unknown_tool")
    }
    for secret in (b"hidden", b"inner detail"):
        assert secret not in collector.raw


async def test_services_that_are_to_be_told_get_the_trace(
    toy_command: list[str], tmp_path: Path, service: Service, collector: Collector
):
    told = {tracing.HOSTS: "127.0.0.1"}
    with toy(toy_command, tmp_path, service, collector.url, **told) as replica:
        await ask(replica, MODES[0], CALLER, "hidden-thing")
        spans(replica, collector, 2)
    (request,) = service.asked
    (called,) = collector.named("GET Toys")
    headers = {name.lower(): text for name, text in request.headers.items()}
    assert headers["traceparent"] == f"00-{TRACE}-{called.id}-01"


async def test_the_share_is_of_traces_that_begin_here(
    toy_command: list[str], tmp_path: Path, service: Service, collector: Collector
):
    with toy(toy_command, tmp_path, service, collector.url, **{tracing.RATIO: "0"}) as replica:
        await ask(replica, MODES[0], {}, "hidden-thing")
        await ask(replica, MODES[0], CALLER, "hidden-thing")
        spans(replica, collector, 2)
    assert {one.trace for one in collector.spans} == {TRACE}


async def test_a_collector_that_is_away_or_silent_disturbs_no_call(
    toy_command: list[str], tmp_path: Path, service: Service
):
    with replies.serving() as silent:
        silent.routes["POST /v1/traces"] = replies.hanging()
        away = f"http://127.0.0.1:{mcp_process.free_port()}"
        for number, endpoint in enumerate((away, silent.url)):
            folder = tmp_path / str(number)
            folder.mkdir()
            drain = {"DRAIN_SECONDS": "0"}
            with toy(toy_command, folder, service, endpoint, **drain) as replica:
                async with Client(replica.url) as client:
                    await client.call_tool("add", {"a": 1, "b": 2})
                    (line,) = until(lambda of=replica: of.logged("tool call"), bool, "its line", 5)
                    assert line["outcome"] == "ok"
                began = time.monotonic()
                replica.terminate()
                assert replica.exit_status() == 0
                assert time.monotonic() - began < 10, "well before it would be killed"


def test_without_a_collector_nothing_of_the_sdk_is_imported():
    look = (
        "import sys; from sophia_mcp import runtime, settings, tracing;"
        " tracing.start(settings.read_settings('toy', {})); tracing.stop();"
        " print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    path = {"PYTHONPATH": str(BASE)}
    seen = subprocess.run([sys.executable, "-c", look], env=path, capture_output=True, text=True)
    assert seen.stdout == "[]\n", seen


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({tracing.ENDPOINT: "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: expected an address"),
        ({tracing.RATIO: "2"}, "expected a share from 0 to 1 such as 0.1, got '2'"),
        ({tracing.RATIO: "nan"}, "expected a share from 0 to 1 such as 0.1, got 'nan'"),
    ],
)
def test_wrong_settings_end_the_start(variables: dict[str, str], said: str):
    given = {tracing.ENDPOINT: "http://collector.example.com:4318", **variables}
    with pytest.raises(SettingError, match=said):
        tracing.start(read_settings("toy", given))
