"""Logs with real parts: what a container writes is found, once, whatever is killed meanwhile."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest
from sophia_backend import logs as backend

from components.plan import logs as plan
from tests.integration.logs.conftest import Logged, Stores
from tests.support.docker import docker
from tests.support.gateway import address
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

CALL = {"logger": "sophia_mcp.audit", "caller": "ci", "request_id": "r-4711", "tool": "add"}
# As HAProxy writes it.
REQUEST = '{"time":"2026-11-27T15:00:00Z","id":"r-4711","caller":"ci","status":200}'


def printing(*lines: object) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return f"print({chr(10).join(texts)!r})"


def test_a_request_is_found_on_its_whole_way_and_kept_in_the_audit_log(logged, stores: Stores):
    logged.says("gateway", printing(REQUEST, "a restart of the configuration"))
    logged.says("slack", printing("x" * 40_000 + " r-4711", CALL, "nothing", {"caller": "forged"}))
    for store in (stores.first, stores.second):
        found = until(
            lambda store=store: logged.find(store, "--search", "R-4711", "--since", "10m"),
            lambda lines: len(lines) == 3,
            f"{store} has the request's lines",
        )
        assert [line.count(f"{logged.prefix}-gateway@") for line in found].count(1) == 1
    kept = until(
        lambda: logged.find(stores.audit, "--caller", "ci", "--since", "10m"),
        lambda lines: len(lines) == 2,
        "the audit log has the call and the request",
    )
    assert {json.loads(line.partition(" | ")[2])["caller"] for line in kept} == {"ci"}
    call = next(line for line in kept if '"tool"' in line)
    # A service that is new to a store is found by its name a second later than its lines are.
    until(
        lambda: logged.find(stores.audit, "--since", "10m", "--service", f"{logged.prefix}-slack"),
        lambda lines: lines == [call],
        "nothing else of a server's is in it",
    )


async def test_the_backend_searches_in_the_same_way(logged, stores: Stores):
    place = backend.Place(
        url=f"http://{address(stores.first)}:{plan.PORT}", prefix=f"{logged.prefix}-"
    )
    asked = {"service": "slack", "search": 'request_id": "r-4711"', "since": "10m"}
    (line,) = await backend.find(place, asked)
    assert (line["service"], line["node"], line["stream"]) == ("slack", stores.shipper, "stdout")
    assert json.loads(line["line"]) == CALL
    assert await backend.find(place, {"search": "r-4711(", "since": "10m"}) == []


def test_prometheus_is_told_how_far_each_store_is(stores: Stores):
    told = until(
        lambda: numbers_of(stores.shipper, plan.METRICS_PORT, "sophia_logs_"),
        lambda told: len(told) == 4 * 3,
        "all three stores are told of",
    )
    sent = {labels: value for labels, value in told.items() if "_lines_sent_total" in labels}
    assert sorted(labels.count('store="audit-log"') for labels in sent) == [0, 0, 1]
    assert all(value > 0 for value in sent.values()), told
    until(
        lambda: numbers_of(stores.shipper, plan.METRICS_PORT, "sophia_logs_behind_seconds"),
        lambda behind: max(behind.values()) < 30,
        "each has everything",
    )
    # What an alert asks of a store itself.
    dropped = numbers_of(stores.first, plan.PORT, "vl_rows_dropped_total")
    assert dropped['vl_rows_dropped_total{reason="too_big_timestamp"}'] == 0
    assert 'vl_rows_dropped_total{reason="too_small_timestamp"}' in dropped


def numbers_of(name: str, port: int, begin: str) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address(name)}:{port}/metrics", timeout=20) as answer:
        lines = [line.rpartition(" ") for line in answer.read().decode().splitlines()]
    return {series: float(value) for series, _, value in lines if series.startswith(begin)}


COUNTING = """
import time
began = time.monotonic()
for number in range(%d):
    print("line", number, "x" * 200)
    if number %% 100 == 0:
        time.sleep(0.05)
print("wrote all in", round(time.monotonic() - began))
"""


def test_a_store_that_is_killed_costs_no_line_and_delays_nobody(logged, stores: Stores):
    """2.6 MB of lines: more than two of the three files, which hold 1 MB each."""
    count = 9_000
    writer = logged.says("ai_memory", COUNTING % count)
    until(lambda: len(docker("logs", writer).splitlines()), lambda n: n > count / 3, "it writes")
    docker("kill", stores.first)
    assert docker("wait", writer) == "0"
    # Its files go with it: what was not read by now would be lost.
    until(lambda: newest(logged, stores.second), lambda line: "wrote all" in line, "the other one")
    docker("rm", writer)
    docker("start", stores.first)
    for store in (stores.first, stores.second):
        seen = until(
            lambda store=store: numbers(store, logged),
            lambda seen: len(seen) == count,
            f"{store} has all lines",
        )
        assert set(seen.values()) == {1}, f"{store} has lines twice"
    every = logged.find(store, "--service", f"{logged.prefix}-ai_memory", "--limit", "0")
    assert len(every) == count + 1


def test_a_line_of_any_length_arrives_and_so_does_the_next(logged, stores: Stores):
    """Of characters that take most room in the store."""
    logged.says("notion", "print(chr(27) * 200_000); print('the next')")
    query = f'{{service="{logged.prefix}-notion"}} | fields _msg'
    found = until(lambda: ask(stores.first, query), lambda rows: len(rows) == 3, "its lines")
    lengths = sorted(len(row["_msg"]) for row in found)
    assert lengths == [len("the next"), 200_000 - 128 * 1024, 128 * 1024]


def newest(logged: Logged, store: str) -> str:
    return "".join(logged.find(store, "--service", f"{logged.prefix}-ai_memory", "--limit", "1"))


def numbers(store: str, logged: Logged) -> Counter[int]:
    rows = ask(store, f'{{service="{logged.prefix}-ai_memory"}} line | fields _msg')
    return Counter(int(row["_msg"].split()[1]) for row in rows)


def ask(store: str, query: str) -> list[dict[str, str]]:
    body = f"query={urllib.parse.quote(query)}".encode()
    url = f"http://{address(store)}:{plan.PORT}/select/logsql/query"
    with urllib.request.urlopen(url, body, timeout=20) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def test_a_shipper_that_is_killed_costs_no_line_and_sends_none_twice(logged, stores: Stores):
    count = 3_000
    writer = logged.says("postgres", COUNTING % count)
    until(lambda: len(docker("logs", writer).splitlines()), lambda n: n > count / 2, "it writes")
    docker("kill", stores.shipper)
    docker("wait", writer)
    docker("start", stores.shipper)
    query = f'{{service="{logged.prefix}-postgres"}} | fields _msg'
    seen = until(
        lambda: Counter(row["_msg"] for row in ask(stores.second, query)),
        lambda seen: len(seen) == count + 1,
        "all lines",
    )
    assert set(seen.values()) == {1}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/delete/run_task?filter=*", 400),
        ("/internal/partition/detach?name=20261127", 401),
        ("/internal/partition/list?authKey=", 401),
        ("/internal/force_merge", 401),
        ("/internal/insert", 400),
    ],
)
def test_nobody_on_the_network_can_delete(stores: Stores, path, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{address(stores.audit)}:{plan.PORT}{path}", timeout=10)
    assert refused.value.code == status


def test_the_oldest_day_goes_when_the_disk_has_its_share(logged):
    """All but the two newest days, which always stay."""
    store, _, _ = plan.workloads(logged.prefix, "gateway")
    small = logged.start(store, "-retention.maxDiskSpaceUsageBytes=1KB", name="small")
    days = [time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago * 86400)) for ago in range(5)]
    url = f"http://{address(small)}:{plan.PORT}/insert/jsonline?_stream_fields=service"
    lines = "\n".join(
        json.dumps({"_time": f"{day}T00:00:00Z", "_msg": day, "service": "days"}) for day in days
    )
    sent = urllib.request.Request(url, lines.encode(), {"Content-Type": "application/stream+json"})
    until(lambda: urllib.request.urlopen(sent, timeout=5).status, lambda s: s == 200, "it is taken")
    until(
        lambda: sorted({row["_msg"] for row in ask(small, '{service="days"} | fields _msg')}),
        lambda left: left == sorted(days[:2]),
        "the older days are gone",
    )
    docker("rm", "--force", small)


def test_what_they_take_is_bounded(stores: Stores):
    used = {}
    for name in (stores.first, stores.second, stores.audit, stores.shipper):
        told = docker("exec", name, "sh", "-c", "grep --no-filename VmRSS /proc/[0-9]*/status")
        used[name] = sum(int(line.split()[1]) for line in told.splitlines()) // 1024
        assert used[name] < 150
    size = docker("exec", stores.first, "du", "-sm", "/data/logs")
    print("memory in MB", used, "disk in MB", size)


def test_no_secret_and_no_socket_is_given(stores: Stores):
    shown = docker("inspect", stores.shipper)
    assert "docker.sock" not in shown
    listed = docker("exec", stores.shipper, "sh", "-c", f"ls {plan.DOCKERS_FILES}/*/mounts || true")
    assert "secrets" not in docker(
        "exec", stores.shipper, "sh", "-c", f"find {plan.DOCKERS_FILES} -path '*/mounts/*/*'"
    ), listed
