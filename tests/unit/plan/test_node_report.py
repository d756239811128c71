"""What a node reports of itself, from an Engine that answers over its socket as a real one does."""

from __future__ import annotations

import ast
import http.server
import json
import socketserver
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from components.plan import node_report
from components.plan.node_report import (
    SERVICE,
    Kills,
    containers,
    daemon,
    drained,
    jobs,
    report,
    swarm,
    written,
)
from tests.support.polling import until

STATS = {
    "1": {  # cgroups of version 1
        "memory_stats": {
            "usage": 900,
            "limit": 1000,
            "stats": {
                "total_inactive_file": 100,
                "inactive_file": 1,
                "total_active_file": 50,
                "active_file": 2,
            },
        },
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    },
    "2": {
        "memory_stats": {
            "usage": 900,
            "limit": 1000,
            "stats": {"inactive_file": 200, "active_file": 5},
        },
        "cpu_stats": {"cpu_usage": {"total_usage": 0}},
    },
    "3": {"memory_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}},  # it has just ended
}
METRICS = """\
# TYPE engine_daemon_health_checks_failed_total counter
engine_daemon_health_checks_failed_total 3
engine_daemon_container_actions_seconds_bucket{action="start",le="1"} 4
engine_daemon_container_actions_seconds_count{action="start"} 5
go_goroutines 99
swarm_manager_leader 1
swarm_raft_transaction_latency_seconds{quantile="0.5"} NaN
"""


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What a manager's Engine has; it tells of the last event that was, and of those to come."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Answer)
        self.containers = [
            {"Id": number * 64, "Labels": {SERVICE: f"sophia-dev-{name}"}, "Status": status}
            for number, name, status in (
                ("1", "slack", "Up 2 minutes (healthy)"),
                ("2", "asana", "Up 3 seconds (health: starting)"),
                ("3", "ended", "Up 2 minutes"),
            )
        ]
        self.events: list[tuple[int, str]] = []
        self.news = threading.Condition()
        self.telling: list[deque[tuple[int, str]]] = []
        self.manager = True
        self.nodes = [
            ("manager-1", "manager", "active", "ready"),
            ("manager-2", "manager", "drain", "ready"),
            ("worker-1", "worker", "drain", "down"),
            ("worker-2", "worker", "pause", "ready"),
        ]
        self.tasks = [("2026-11-27T03:00:02.1234Z", "complete")]

    def happens(self, *events: tuple[int, str]) -> None:
        """Each with its time, in nanoseconds. Those before the last one are forgotten at once."""
        with self.news:
            for told in self.telling:
                told.extend(events)
            self.events = [events[-1]]
            self.news.notify_all()

    def restarts(self) -> None:
        """Ends what it is telling."""
        with self.news:
            self.telling.clear()
            self.news.notify_all()

    def told(self, since: int) -> Iterator[bytes]:
        """Events from then on, until it restarts."""
        mine = deque(self.events)
        self.telling.append(mine)
        while True:
            with self.news:
                self.news.wait_for(lambda: mine or mine not in self.telling)
                if not mine:
                    return
                when, name = mine.popleft()
            if when >= since:
                attributes = {"Attributes": {SERVICE: name}}
                yield json.dumps({"Actor": attributes, "timeNano": when}).encode() + b"\n"

    def answer(self, path: str, query: dict[str, str]) -> object:
        if path == "/containers/json":
            return self.containers
        if path.startswith("/containers/"):
            assert query == {"stream": "false", "one-shot": "true"}
            return STATS.get(path.split("/")[2][0])
        if path == "/info":
            return {"Swarm": {"ControlAvailable": self.manager}}
        if path == "/nodes":
            return [
                {
                    "Spec": {"Availability": availability, "Role": role},
                    "Description": {"Hostname": name},
                    "Status": {"State": state},
                }
                for name, role, availability, state in self.nodes
            ]
        if path == "/services":
            return [{"ID": "b", "Spec": {"Name": "sophia-dev-backup"}}]
        return [{"Status": {"Timestamp": when, "State": state}} for when, state in self.tasks]


class Answer(http.server.BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/events":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for line in self.server.told(int(query["since"].replace(".", ""))):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")
            return
        said = self.server.answer(parts.path, query)
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(404 if said is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    path = str(tmp_path / "docker.sock")
    monkeypatch.setattr(node_report, "SOCKET", path)
    with Engine(path) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_it_is_a_file_of_its_own_that_old_pythons_read():
    source = Path(node_report.__file__).read_text()
    ast.parse(source, feature_version=(3, 8))
    assert "from components" not in source


def test_memory_is_what_a_container_can_not_do_without_on_both_versions_of_cgroups(engine):
    used = {(sample.labels["swarm_service"], sample.name): sample.value for sample in containers()}
    assert used == {
        ("sophia-dev-slack", "sophia_container_memory_bytes"): 750,
        ("sophia-dev-slack", "sophia_container_memory_limit_bytes"): 1000,
        ("sophia-dev-slack", "sophia_container_cpu_seconds_total"): 2.5,
        ("sophia-dev-asana", "sophia_container_memory_bytes"): 695,
        ("sophia-dev-asana", "sophia_container_memory_limit_bytes"): 1000,
        ("sophia-dev-asana", "sophia_container_cpu_seconds_total"): 0,
    } | {
        (f"sophia-dev-{name}", "sophia_container_healthy"): healthy
        for name, healthy in (("slack", 1), ("asana", 0), ("ended", 1))
    }


def test_a_container_that_ends_meanwhile_is_no_error(engine):
    engine.containers.append({"Id": "4" * 64, "Labels": {SERVICE: "gone"}, "Status": "Up"})
    assert len([one for one in containers() if "memory" in one.name]) == 4


def test_each_kill_is_counted_once_and_a_service_begins_with_none(engine, monkeypatch):
    """However much happens between two reports, and while Docker is away."""
    monkeypatch.setattr(node_report, "AGAIN", 0.01)
    engine.happens((99, "slack"))
    kills = Kills(since=100)
    threading.Thread(target=kills.keep_on, daemon=True).start()

    def counted() -> dict[str, float]:
        found = kills.samples(["slack", "asana"])
        return {sample.labels["swarm_service"]: sample.value for sample in found}

    def comes_to(**expected: int) -> None:
        until(counted, lambda seen: seen == expected, "the counts", 10)

    until(lambda: engine.telling, lambda telling: telling != [], "it is asked")
    comes_to(slack=0, asana=0)
    engine.happens((110, "slack"), (115, "slack"), (115, "elsewhere"))
    comes_to(slack=2, asana=0, elsewhere=1)
    engine.restarts()
    engine.happens((120, "slack"))
    comes_to(slack=3, asana=0, elsewhere=1)


def test_a_manager_says_when_each_job_succeeded(engine):
    engine.tasks.append(("2026-11-28T03:00:02Z", "failed"))
    assert {sample.name: sample.value for sample in jobs()} == {
        "sophia_job_succeeded_seconds": 1795748402,
        "sophia_job_failed": 1,
    }
    engine.manager = False
    assert list(swarm()) == []


def test_a_manager_says_which_nodes_are_drained(engine):
    of = [sample.labels for sample in drained()]
    assert of == [
        {"nodename": "manager-2", "role": "manager", "state": "ready"},
        {"nodename": "worker-1", "role": "worker", "state": "down"},
    ]
    engine.manager = False
    assert list(swarm()) == []


def test_of_dockers_own_numbers_few_are_handed_on():
    assert daemon(METRICS).splitlines() == [
        "engine_daemon_health_checks_failed_total 3",
        'engine_daemon_container_actions_seconds_count{action="start"} 5',
        "swarm_manager_leader 1",
    ]


def test_the_whole_file(engine, monkeypatch):
    class Daemon(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Daemon) as docker:
        threading.Thread(target=docker.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(node_report, "DAEMON", f"127.0.0.1:{docker.server_port}")
        text = report(Kills(0), "worker-1")
        docker.shutdown()
    lines = text.splitlines()
    memory = 'sophia_container_memory_bytes{swarm_service="sophia-dev-slack"'
    assert f'{memory},container="111111111111",node="worker-1"}} 750.0' in lines
    assert "swarm_manager_leader 1" in lines
    manager = 'sophia_node_drained{nodename="manager-2",role="manager",state="ready"'
    assert f'{manager},node="worker-1"}} 1.0' in lines
    names = [line.partition("{")[0] for line in lines if line.startswith("sophia")]
    assert names == sorted(names), "a name's samples are together"
    assert written([], "worker-1") == ""
