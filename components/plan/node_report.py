"""Writes a node's numbers for Prometheus: of its containers, of Docker, of the Swarm's jobs, and of
its nodes that are drained.

`node_report.py FILE`, as root, written to nodes as it stands: it knows the standard library alone,
and no newer Python than 3.8. It listens nowhere. The node's exporter, which has none of its rights,
reads the file (ADR 41).

Docker's API has the same numbers for cgroups of version 1 and 2, and tells the service of each
container. A container that the kernel ended takes its numbers with it, so that is counted here.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
DAEMON = "127.0.0.1:9323"
"""Where Docker has its own numbers (`metrics-addr` in daemon.json)."""
ANSWER = 20.0
"""Seconds for one answer."""
EVERY = 10.0
"""Seconds between two reports."""
AGAIN = 1.0
"""Seconds until a Docker that ended its events is asked again."""

SERVICE = "com.docker.swarm.service.name"
_KEPT = re.compile(r"(engine_daemon|swarm)_(?!\w*_bucket|\w*\{.*quantile=)")
"""Docker's own numbers that are handed on: without Go's, and without what histograms have most."""


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class _Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER)
        self.sock.connect(SOCKET)


def ask(path: str) -> list[Any]:
    """What the Engine answers, parsed: a list, or an object a line. Raises OSError, ValueError."""
    lines = [json.loads(line) for line in _got(_Engine("docker"), path).splitlines()]
    return lines[0] if lines and isinstance(lines[0], list) else lines


def _got(connection: http.client.HTTPConnection, path: str) -> str:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"{path}: {error!r}") from None
    finally:
        connection.close()
    if answer.status >= 400:
        raise OSError(f"{path}: HTTP {answer.status}: {text[:200]}")
    return text


class Kills:
    """Counts, by service, how often the kernel ended a process that wanted too much memory.

    As it happens: Docker remembers 256 events, and every health check of a container is three.
    since: nanoseconds since 1970.
    """

    def __init__(self, since: int) -> None:
        self._next = since
        self._counted: dict[str, int] = {}
        self._lock = threading.Lock()

    def keep_on(self) -> None:
        """Counts for ever, for a thread of its own."""
        while True:
            try:
                self.follow()
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                print(f"no events: {error!r}", file=sys.stderr, flush=True)
            time.sleep(AGAIN)

    def follow(self) -> None:
        """Counts until Docker ends."""
        since = "{}.{:09d}".format(*divmod(self._next, 10**9))
        filters = _filters(type=["container"], event=["oom"], label=[SERVICE])
        connection = _Engine("docker")
        try:
            connection.request("GET", f"/events?since={since}&filters={filters}")
            connection.sock.settimeout(None)
            for line in connection.getresponse():
                event = json.loads(line)
                name = event["Actor"]["Attributes"][SERVICE]
                with self._lock:
                    self._counted[name] = self._counted.get(name, 0) + 1
                self._next = event["timeNano"] + 1
        finally:
            connection.close()

    def samples(self, services: list[str]) -> Iterator[Sample]:
        """A sample for each service that has, or had, a container here."""
        with self._lock:
            # Prometheus sees no increase in what begins with 1.
            for name in services:
                self._counted.setdefault(name, 0)
            counted = sorted(self._counted.items())
        for name, count in counted:
            yield Sample("sophia_container_oom_kills_total", {"swarm_service": name}, count)


def containers() -> Iterator[Sample]:
    """How each container of a service is, and what it uses. Of one that ends meanwhile only the
    former."""
    for one in ask(f"/containers/json?filters={_filters(label=[SERVICE])}"):
        labels = {"swarm_service": one["Labels"][SERVICE], "container": one["Id"][:12]}
        healthy = not re.search(r"\((unhealthy|health: starting)\)", one["Status"])
        yield Sample("sophia_container_healthy", labels, healthy)
        try:
            (used,) = ask(f"/containers/{one['Id']}/stats?stream=false&one-shot=true")
        except OSError:
            continue
        memory = used.get("memory_stats") or {}
        if "usage" not in memory:
            continue
        # Before it ends a process the kernel takes what files are cached, also those read again and
        # again, as a database's are: `docker stats` and Kubernetes count the latter. Names differ
        # by cgroups' version.
        kinds = memory["stats"]
        files = ("inactive_file", "active_file")
        cached = sum(kinds.get(f"total_{name}", kinds.get(name, 0)) for name in files)
        yield Sample("sophia_container_memory_bytes", labels, memory["usage"] - cached)
        yield Sample("sophia_container_memory_limit_bytes", labels, memory["limit"])
        cpu = used["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        yield Sample("sophia_container_cpu_seconds_total", labels, cpu)


def swarm() -> Iterator[Sample]:
    """What managers know."""
    (info,) = ask("/info")
    if info["Swarm"].get("ControlAvailable"):
        yield from jobs()
        yield from drained()


def jobs() -> Iterator[Sample]:
    """When each job of the Swarm last succeeded, and whether its last task failed.

    The Swarm forgets tasks of former runs; Prometheus remembers their success.
    """
    for service in ask(f"/services?filters={_filters(mode=['replicated-job'])}"):
        tasks = ask(f"/tasks?filters={_filters(service=[service['ID']])}")
        labels = {"swarm_service": service["Spec"]["Name"]}
        ended = sorted((_unix(one["Status"]["Timestamp"]), one["Status"]["State"]) for one in tasks)
        for when in [when for when, state in ended if state == "complete"][-1:]:
            yield Sample("sophia_job_succeeded_seconds", labels, when)
        for _, state in ended[-1:]:
            failed = state in ("failed", "rejected", "orphaned")
            yield Sample("sophia_job_failed", labels, failed)


def drained() -> Iterator[Sample]:
    """Nodes that get no work, as somebody or an `up` wants it."""
    for one in ask("/nodes"):
        if one["Spec"]["Availability"] == "drain":
            labels = {
                "nodename": one["Description"]["Hostname"],
                "role": one["Spec"]["Role"],
                "state": one["Status"]["State"],
            }
            yield Sample("sophia_node_drained", labels, 1)


def daemon(text: str) -> str:
    """Docker's own numbers, the lines that are handed on."""
    return "".join(f"{line}\n" for line in text.splitlines() if _KEPT.match(line))


def written(samples: list[Sample], node: str) -> str:
    """In Prometheus' text format, each name's samples together."""
    lines = []
    for name, labels, value in sorted(samples, key=lambda sample: sample.name):
        given = ",".join(f'{key}="{text}"' for key, text in {**labels, "node": node}.items())
        lines.append(f"{name}{{{given}}} {float(value)!r}\n")
    return "".join(lines)


def report(kills: Kills, node: str) -> str:
    """The whole file. Raises OSError and ValueError."""
    found = [*containers(), *swarm()]
    services = [one.labels["swarm_service"] for one in found if "container" in one.labels]
    found += kills.samples(services)
    return written(found, node) + daemon(_got(http.client.HTTPConnection(DAEMON), "/metrics"))


def _unix(text: str) -> float:
    """Of a time such as 2026-11-27T03:00:02.123456789Z."""
    return datetime.fromisoformat(text[:19] + "+00:00").timestamp()


def _filters(**wanted: list[str]) -> str:
    return quote(json.dumps(wanted))


def main(file: str) -> None:
    """Writes the file again and again; while Docker doesn't answer it stays as it was."""
    kills = Kills(time.time_ns())
    threading.Thread(target=kills.keep_on, daemon=True).start()
    while True:
        try:
            text = report(kills, os.uname().nodename)
            with open(f"{file}.new", "w") as out:
                out.write(text)
            os.replace(f"{file}.new", file)
        except (OSError, ValueError, KeyError) as error:
            print(f"no report: {error!r}", file=sys.stderr, flush=True)
        time.sleep(EVERY)


if __name__ == "__main__":
    main(sys.argv[1])
