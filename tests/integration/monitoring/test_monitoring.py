"""What watches, with real parts: everything is found and scraped, and people are told, once."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.plan import database, exporters
from components.plan import monitoring as plan
from tests.integration.monitoring.conftest import SERVER, Watched, watchers
from tests.support.docker import docker
from tests.support.gateway import address
from tests.support.polling import until

pytestmark = [pytest.mark.containers, pytest.mark.slow]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def running(watched: Watched) -> Iterator[dict[str, list[str]]]:
    """The tasks of each workload, healthy and all in sight."""
    watched.receive()
    tasks = {SERVER: [watched.serve()]}
    for workload in watchers(watched.prefix):
        tasks[workload.name] = [watched.watch(workload) for _ in range(2)]
        for name in tasks[workload.name]:
            assert workload.health
            check = ("exec", name, *workload.health.test[1:])
            until(lambda check=check: docker(*check), lambda _: True, f"{name} is healthy")
    for name in tasks[plan.PROMETHEUS]:
        until(
            lambda name=name: watched.ask(name, "count(up == 1)"),
            lambda seen: bool(seen) and seen[0]["value"] == 7,
            f"{name} scrapes all seven",
        )
    yield tasks
    for name in watched.running:
        print(name, docker("logs", "--tail", "20", name, ok=False), sep="\n")


@pytest.mark.parametrize("file", ["alerts_test.yml", "backup_test.yml"])
def test_every_alert_fires_when_it_should_and_not_before(watched, file):
    said = docker(
        *("run", "--rm", "--volume", f"{HERE}/{file}:/etc/sophia/{file}:ro"),
        *(watched.image, "promtool", "test", "rules", f"/etc/sophia/{file}"),
    )
    assert "SUCCESS" in said


def test_the_configuration_is_taken_without_a_complaint(watched, running):
    prometheus, alertmanager = running[plan.PROMETHEUS][0], running[plan.ALERTMANAGER][0]
    docker("exec", prometheus, "promtool", "check", "config", "--lint-fatal", plan.CONFIG_FILE)
    docker("exec", alertmanager, "amtool", "check-config", plan.ALERTS_FILE)


def test_the_exporter_tells_of_its_machine_without_anything_of_it(watched, running):
    ask = running[plan.PROMETHEUS][0]
    names = [one["nodename"] for one in watched.ask(ask, "node_uname_info")]
    assert sorted(names) == sorted(running[exporters.NODE])
    for query in (
        'node_filesystem_avail_bytes{mountpoint="/etc/hostname"}',
        "node_memory_MemTotal_bytes",
        "node_load1",
        'node_cpu_seconds_total{cpu="0",mode="idle"}',
        "node_pressure_cpu_waiting_seconds_total",
    ):
        assert len(watched.ask(ask, query)) == 2, query
    memory = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert watched.ask(ask, "node_memory_MemTotal_bytes")[0]["value"] == memory


def test_what_a_node_reports_has_the_name_of_its_service(watched, running):
    found = watched.ask(running[plan.PROMETHEUS][0], "sophia_container_memory_bytes")
    services = {one["service"]: one["value"] for one in found}
    assert services == {SERVER: 100, "other-stack": 200}
    assert "swarm_service" not in found[0]
    assert watched.ask(running[plan.PROMETHEUS][0], "swarm_manager_leader")


def test_a_database_that_can_not_be_asked_is_down_and_its_exporter_is_not(watched, running):
    server = database.watched(database.workload("database"))
    watched.write(f"/run/secrets/{database.MONITOR_SECRET}", "nobody-may-see")
    name = watched.watch(exporters.of_database(watched.prefix, server))
    url = f"http://{address(name)}:{exporters.DATABASE_PORT}/metrics"

    def told() -> list[str]:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read().decode().splitlines()

    assert "pg_up 0" in until(told, bool, "the exporter answers")
    assert "nobody-may-see" not in docker("inspect", name) + docker("logs", name)


def test_no_secret_is_in_sight(watched, running):
    for name in running[plan.ALERTMANAGER]:
        shown = docker("inspect", name)
        assert "password" in shown  # where it lies
        for secret in ("services/T0", "it's a"):
            assert secret not in shown
            assert secret not in docker("logs", name)


def test_a_server_that_is_gone_is_told_once_and_so_is_its_return(watched, running):
    assert watched.received() == {"slack": [], "mail": []}, "all was well"
    docker("rm", "--force", running[SERVER][0])
    told = until(
        watched.received,
        lambda seen: bool(seen["slack"] and seen["mail"]),
        "Slack and mail",
    )
    title = f"[{watched.prefix}] CRITICAL: ServiceDown"
    assert told["slack"][0]["path"] == "/services/T0/B0/x"
    assert told["mail"][0]["to"] == ["<ops@example.com>"]
    for message in (*told["slack"], *told["mail"]):
        assert message["title"] == title
        assert message["text"].split("\n")[:2] == [
            "slack: none of its 1 tasks answers",
            "Runbook: docs/runbooks/when-something-fails.md#servicedown",
        ]
    running[SERVER] = [watched.serve()]
    over = f"[{watched.prefix}] RESOLVED: ServiceDown"
    told = until(
        watched.received,
        lambda seen: all(seen[way][-1]["title"] == over for way in ("slack", "mail")),
        "that it is over",
    )
    # Two Prometheus and two Alertmanagers saw it.
    assert [message["title"] for message in told["slack"]] == [title, over]
    assert [message["title"] for message in told["mail"]] == [title, over]
