"""What a platform of the simulated cloud takes, service by service, and whether it grows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.plan import logs, names
from ops.platform import STACK
from ops.stack import PROJECT
from tests.support.docker import docker, nodes

NODE = "(node)"
MEASURES = ("memory MB", "files", "connections", "log MB", "disk MB")
"""Of a container: resident memory of its processes, open files, established TCP connections, its
log, and its writable layer. Of a node: those of dockerd and containerd, and its volumes as disk."""
SERIES = "series"
"""Of Prometheus."""


@dataclass(frozen=True)
class Bound:
    """May grow by this share of what it was, and by this much besides."""

    share: float
    more: float

    def holds(self, first: float, last: float) -> bool:
        """Whether it has grown by no more."""
        return last <= first * (1 + self.share) + self.more


_PREFIX = names.prefix(PROJECT, STACK)
BOUNDS = {
    "memory MB": Bound(0.10, 16),
    "files": Bound(0.10, 16),
    "connections": Bound(0.25, 32),
    "log MB": Bound(0, 30),
    "disk MB": Bound(0, 4),
    f"{NODE} disk MB": Bound(0, 64),
    SERIES: Bound(0.25, 500),
    **{
        f"{names.physical(_PREFIX, store)} memory MB": Bound(0.10, 48)
        for store in (logs.STORE, logs.AUDIT)
    },
}
"""A store of logs fills the 48 MB of caches that it may have (components/plan/logs.py). Docker
keeps 30 MB of a container's log (templates/daemon.json.j2). A volume may take four more files of
the database's WAL. A replaced task is a new series."""


@dataclass(frozen=True)
class Reading:
    """One measure of one container, or of one node. at: of time.monotonic()."""

    at: float
    service: str
    measure: str
    value: float


@dataclass(frozen=True)
class Growth:
    """Means over all containers of a service, in the first and in the last tenth of the time."""

    service: str
    measure: str
    first: float
    last: float

    @property
    def is_bounded(self) -> bool:
        """Whether it keeps its bound."""
        own = f"{self.service} {self.measure}"
        return BOUNDS[own if own in BOUNDS else self.measure].holds(self.first, self.last)


def readings(home: Path, at: float) -> list[Reading]:
    """Of every node that answers now. home: SOPHIA_HOME of the platform."""
    found = []
    for node in nodes(home):
        found += parsed(docker("exec", node, "sh", "-c", SCRIPT, ok=False), at)
    return found


SCRIPT = r"""
of() {
  name=$1 log=$2 disk=$3; shift 3
  rss=0 files=0 connections=0
  for pid; do
    [ -r /proc/$pid/status ] || continue
    kb=$(awk '/^VmRSS/{print $2}' /proc/$pid/status 2>/dev/null)
    rss=$((rss + ${kb:-0}))
    files=$((files + $(ls /proc/$pid/fd 2>/dev/null | wc -l)))
  done
  [ "$1" ] && connections=$(awk '$4=="01"' /proc/$1/net/tcp /proc/$1/net/tcp6 2>/dev/null | wc -l)
  echo "$name $rss $files $connections $log $disk"
}
for id in $(docker ps --quiet --no-trunc --filter label=com.docker.swarm.service.name); do
  set -- $(docker inspect --format '{{index .Config.Labels "com.docker.swarm.service.name"}}
    {{.LogPath}} {{.GraphDriver.Data.UpperDir}}' $id) || continue
  log=$(cat "$2" "$2".* 2>/dev/null | wc -c)
  disk=$(du -sk "$3" 2>/dev/null | cut -f1)
  of "$1" "$log" "${disk:-0}" $(docker top $id -eo pid | tail -n +2)
done
disk=$(du -sk /opt/sophia 2>/dev/null | cut -f1)
of '(node)' 0 "${disk:-0}" $(pidof dockerd containerd)
prometheus=$(docker ps --quiet --filter label=com.docker.swarm.service.name | while read id; do
  docker inspect --format '{{index .Config.Labels "com.docker.swarm.service.name"}}' $id |
    grep -q -e '-prometheus$' && echo $id; done | head -n 1)
[ "$prometheus" ] && docker exec $prometheus promtool query instant http://localhost:9090 \
  prometheus_tsdb_head_series | sed 's/.*=> \([0-9.]*\).*/series \1/'
true
"""
"""Prints a line for each container, for the node, and for a Prometheus on it."""


def parsed(told: str, at: float) -> list[Reading]:
    """told: by `SCRIPT`."""
    found = []
    for line in told.splitlines():
        service, *numbers = line.split()
        if service == SERIES:
            found.append(Reading(at, "prometheus", SERIES, float(numbers[0])))
        elif len(numbers) == len(MEASURES):
            memory, files, connections, log, disk = map(float, numbers)
            values = (memory / 1024, files, connections, log / 2**20, disk / 1024)
            found += [
                Reading(at, service, measure, value)
                for measure, value in zip(MEASURES, values, strict=True)
            ]
    return found


def grown(found: Iterable[Reading], began: float, ended: float) -> list[Growth]:
    """Between the first and the last tenth of the time; of what there was in both."""
    tenth = (ended - began) / 10
    first: dict[tuple[str, str], list[float]] = {}
    last: dict[tuple[str, str], list[float]] = {}
    for one in found:
        if one.at <= began + tenth:
            first.setdefault((one.service, one.measure), []).append(one.value)
        elif one.at >= ended - tenth:
            last.setdefault((one.service, one.measure), []).append(one.value)
    return [
        Growth(*key, statistics.mean(first[key]), statistics.mean(last[key]))
        for key in sorted(first.keys() & last.keys())
    ]


def table(growths: Sequence[Growth]) -> list[str]:
    """A line for each service: what it took first and last; what broke its bound is marked."""
    measures = (*MEASURES, SERIES)
    lines = ["".join((f"{'':24}", *(f"{name:>18}" for name in measures)))]
    for service in dict.fromkeys(one.service for one in growths):
        own = {one.measure: one for one in growths if one.service == service}
        cells = (_cell(own.get(measure)) for measure in measures)
        lines.append("".join((f"{service:24}", *(f"{cell:>18}" for cell in cells))))
    return lines


def _cell(growth: Growth | None) -> str:
    if growth is None:
        return ""
    return f"{growth.first:.1f} → {growth.last:.1f}{'' if growth.is_bounded else ' !'}"
