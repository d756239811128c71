"""What a manager's timer starts: when it runs the job, and when it leaves that to others."""

from __future__ import annotations

import ast
import http.server
import json
import shutil
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from providers.swarm import scheduled_run
from providers.swarm.scheduled_run import Failed, run
from providers.swarm.services.verdict import TERMINAL

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")

THREE = "*-*-* 03:00 UTC"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Swarm(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One job, as the Engine shows it. An update counts for the version that it was made for."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Answer)
        self.service = {
            "ID": "1",
            "Version": {"Index": 7},
            "Spec": {"Name": "backup", "TaskTemplate": {"ForceUpdate": 1, "Image": "i"}},
            "JobStatus": {"LastExecution": "2026-11-25T03:00:02.123456789Z"},
        }
        self.tasks: list[dict[str, object]] = []
        self.nodes = [{"ID": "n", "Status": {"State": "ready"}}]
        self.updates: list[object] = []
        self.refusal = (0, "")
        self.turn = threading.Lock()

    def task(self, state: str) -> None:
        self.tasks = [{"NodeID": "n", "Status": {"State": state}}]

    def update(self, version: str, spec: object) -> tuple[int, object]:
        with self.turn:
            if version != f"version={self.service['Version']['Index']}":
                return 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
            self.service["Version"] = {"Index": self.service["Version"]["Index"] + 1}
            self.updates.append(spec)
            return 200, {"Warnings": None}

    def get_request(self):
        request, _ = super().get_request()
        return request, ("local", 0)


class Answer(http.server.BaseHTTPRequestHandler):
    server: Swarm

    def do_GET(self) -> None:
        known = {"/services/backup": self.server.service, "/nodes": self.server.nodes}
        asked = urlsplit(self.path).path
        status, told = 200, self.server.tasks if asked == "/tasks" else known.get(asked)
        if told is None:
            status, told = 404, {"message": f"service {asked} not found"}
        if self.server.refusal[0]:
            status, told = self.server.refusal[0], {"message": self.server.refusal[1]}
        self.answer(status, told)

    def do_POST(self) -> None:
        spec = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(*self.server.update(urlsplit(self.path).query, spec))

    def answer(self, status: int, told: object) -> None:
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def swarm(tmp_path, monkeypatch):
    path = str(tmp_path / "docker.sock")
    monkeypatch.setattr(scheduled_run, "SOCKET", path)
    clock(monkeypatch, "2026-11-26T03:00:00.5")
    with Swarm(path) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def clock(monkeypatch, now: str) -> None:
    monkeypatch.setattr(scheduled_run.time, "time", lambda: at(now))


def test_it_stands_alone_and_an_older_python_reads_it():
    source = Path(scheduled_run.__file__).read_text()
    nodes = list(ast.walk(ast.parse(source, feature_version=(3, 8))))
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_a_due_job_is_run_again_for_its_present_version(swarm):
    assert run("backup", THREE) == "started"
    assert swarm.updates == [
        {"Name": "backup", "TaskTemplate": {"ForceUpdate": 2, "Image": "i"}},
    ]


@pytest.mark.parametrize(
    ("last", "now", "done"),
    [
        ("2026-11-25T03:00:02.5Z", "2026-11-26T02:59:59", "not due"),
        # On another manager, whose clock goes a little before or after.
        ("2026-11-26T03:00:00.9Z", "2026-11-26T03:00:00.5", "not due"),
        ("2026-11-26T02:59:55.9Z", "2026-11-26T03:00:00.5", "not due"),
        # By an `up`, which has nothing to do with the schedule.
        ("2026-11-26T02:30:00.0Z", "2026-11-26T03:00:00.5", "started"),
        # By a manager whose clock was wrong: else it would not run for a year.
        ("2027-11-26T03:00:00.9Z", "2026-11-26T03:00:00.5", "started"),
        # Missed, while all managers were off.
        ("2026-11-23T03:00:02.5Z", "2026-11-26T14:00:00", "started"),
    ],
)
def test_due_is_what_has_not_run_since_its_time(swarm, monkeypatch, last, now, done):
    clock(monkeypatch, now)
    swarm.service["JobStatus"]["LastExecution"] = last
    assert run("backup", THREE) == done
    assert len(swarm.updates) == (done == "started")


def test_a_time_that_will_not_come_again_is_not_due(swarm):
    assert run("backup", "2020-01-01 00:00 UTC") == "not due"


@pytest.mark.parametrize("state", ["new", "pending", "preparing", "starting", "running"])
def test_it_never_runs_twice_at_once(swarm, state):
    swarm.task(state)
    assert run("backup", THREE) == "due, but its last run has not ended"
    assert swarm.updates == []


@pytest.mark.parametrize("state", ["complete", "failed", "rejected", "orphaned"])
def test_a_task_that_has_ended_keeps_nothing_up(swarm, state):
    swarm.task(state)
    assert run("backup", THREE) == "started"


def test_nor_does_a_task_on_a_node_that_is_lost(swarm):
    swarm.task("running")
    swarm.nodes = [{"ID": "n", "Status": {"State": "down"}}]
    assert run("backup", THREE) == "started"


def test_of_managers_that_find_it_due_at_once_one_starts_it(swarm, monkeypatch):
    together = threading.Barrier(4)

    def still_runs(id: str) -> bool:
        together.wait(10)
        return False

    monkeypatch.setattr(scheduled_run, "still_runs", still_runs)
    with ThreadPoolExecutor(4) as managers:
        done = sorted(managers.map(run, ["backup"] * 4, [THREE] * 4))
    assert done == [*["due, and started by another manager"] * 3, "started"]
    assert len(swarm.updates) == 1


def test_what_keeps_it_from_running_is_a_failure_with_the_engines_words(swarm, monkeypatch):
    with pytest.raises(Failed, match=r"service /services/other not found \(HTTP 404\)"):
        run("other", THREE)
    swarm.refusal = (503, "The swarm does not have a leader.")
    with pytest.raises(Failed, match="does not have a leader"):
        run("backup", THREE)
    monkeypatch.setattr(scheduled_run, "SOCKET", "/nowhere/docker.sock")
    with pytest.raises(Failed, match="No such file"):
        run("backup", THREE)


def test_a_service_that_is_no_job_is_left_alone(swarm):
    del swarm.service["JobStatus"]
    with pytest.raises(Failed, match="backup is no job"):
        run("backup", THREE)
    assert swarm.updates == []


def test_its_own_list_of_how_tasks_end_is_the_providers():
    assert set(scheduled_run.ENDED) == TERMINAL
