"""Runs a job of the Swarm if its schedule has come: started on each manager by a timer of its own.

`scheduled_run.py JOB CALENDAR`, as root. It is written to managers as it stands, so it knows the
standard library alone, and no newer Python than 3.8.

All managers do the same at the same time, so that any may be lost. A run is due if a time of the
schedule has come since the job last ran, whatever kept it from running then. Swarm takes an update
for one version of a service once: of the managers that find the job due, one starts it.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
ANSWER = 60.0
"""Seconds for one answer of the Engine."""
SLACK = 10
"""Seconds by which managers' clocks may differ: a run so soon before a time was for that time."""
WRONG = 3600
"""Seconds in the future from which a last run was started by a clock that was wrong."""
ENDED = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")


class Failed(Exception):
    """The job could not be looked at, or started; systemd tries again."""


class Refused(Failed):
    """The Engine's own words."""


class _Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER)
        self.sock.connect(SOCKET)


def ask(method: str, path: str, body: Any = None) -> Any:
    """What the Engine answers, parsed. Raises `Failed`."""
    engine = _Engine("docker")
    try:
        headers = {"Content-Type": "application/json"}
        engine.request(method, path, json.dumps(body) if body else None, headers)
        answer = engine.getresponse()
        parsed = json.loads(answer.read() or "null")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failed(f"{method} {path}: {error}") from None
    finally:
        engine.close()
    if answer.status >= 400:
        words = (parsed or {}).get("message", "no words")
        raise Refused(f"{method} {path}: {words} (HTTP {answer.status})")
    return parsed


def next_time(calendar: str, after: float) -> float:
    """The first time of the schedule after that one, in Unix time; infinity where none is left."""
    asked = ("systemd-analyze", "calendar", f"--base-time=@{int(after)}", "--", calendar)
    env = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"}
    said = subprocess.run(asked, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    told = said.partition("Next elapse: ")[2].split("\n")[0]
    return float("inf") if told == "never" else _unix(told[4:], "%Y-%m-%d %H:%M:%S UTC")


def _unix(text: str, form: str) -> float:
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()  # noqa: UP017


def still_runs(id: str) -> bool:
    """Whether a task of the service has not ended, on a node that is not lost."""
    filters = quote(json.dumps({"service": [id]}))
    lost = {node["ID"] for node in ask("GET", "/nodes") if node["Status"]["State"] == "down"}
    return any(
        task["Status"]["State"] not in ENDED and task.get("NodeID") not in lost
        for task in ask("GET", f"/tasks?filters={filters}")
    )


def run(job: str, calendar: str) -> str:
    """What it did. Raises `Failed`."""
    service = ask("GET", f"/services/{job}")
    if "JobStatus" not in service:
        raise Failed(f"{job} is no job")
    last = _unix(service["JobStatus"]["LastExecution"][:19], "%Y-%m-%dT%H:%M:%S")
    now = time.time()
    if last < now + WRONG and next_time(calendar, last + SLACK) > now:
        return "not due"
    if still_runs(service["ID"]):
        return "due, but its last run has not ended"
    spec, version = service["Spec"], service["Version"]["Index"]
    # Any update runs a job again; this is the one that is made for it.
    spec["TaskTemplate"]["ForceUpdate"] = spec["TaskTemplate"].get("ForceUpdate", 0) + 1
    try:
        ask("POST", f"/services/{service['ID']}/update?version={version}", spec)
    except Refused as refusal:
        if "update out of sequence" not in str(refusal):
            raise
        return "due, and started by another manager"
    return "started"


if __name__ == "__main__":
    try:
        print(f"{sys.argv[1]}: {run(*sys.argv[1:])}")
    except Failed as failure:
        sys.exit(f"{sys.argv[1]}: {failure}")
