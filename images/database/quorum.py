#!/usr/bin/env python3
"""One of the three members of etcd, which decide who is the database's primary.

    quorum run      joins the others, or founds the cluster with them, and becomes etcd
    quorum healthy  ends with 0 while it is a member: the container's health check

QUORUM_MEMBER is its name, QUORUM all of them: `etcd-1=host,etcd-2=host,etcd-3=host`.
/run/secrets/quorum_authority and quorum_pair: the CA's certificate; a certificate of it for all
these hosts, with its key. Without one of it nobody is heard.

A member that lost its disk, or has one of former times, leaves and joins anew: its former number
must not vote with what it has forgotten.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path("/var/lib/etcd")
STATE, NUMBER = FOLDER / "state", FOLDER / "number"
"""NUMBER: what this member is called by the others, noted once it knows."""
AUTHORITY, PAIR = "/run/secrets/quorum_authority", "/run/secrets/quorum_pair"
CLIENTS, PEERS = 2379, 2380
PAUSE_S = 2.0

Member = Mapping[str, Any]
"""One line of `etcdctl member list`."""


def parsed(members: str) -> dict[str, str]:
    """Hosts by name."""
    return dict(one.split("=", 1) for one in members.split(","))


def way(url: str, number: str | None, known: Sequence[Member] | None) -> str:
    """How to start: `found` a cluster, `continue`, or `join`, which forgets what is on the disk.
    Pure.

    number: its own by what is on the disk, "" before it has noted that, None for an empty disk.
    known: what the others say, None if none of them answers.
    """
    if known is None:
        return "found" if number is None else "continue"
    mine = [one for one in known if url in one["peerURLs"]]
    if number is None:
        # Founders have a name from the start, and addresses once they were there.
        expected = mine and mine[0].get("name") and not mine[0].get("clientURLs")
        return "found" if expected else "join"
    remembered = not number or any(str(one["ID"]) == number for one in known)
    return "continue" if remembered else "join"


def command(name: str, hosts: Mapping[str, str], state: str, founders: Sequence[str]) -> list[str]:
    """etcd's. state: `new` or `existing`. founders: names of those that it starts with. Pure."""
    options = {
        "name": name,
        "data-dir": str(STATE),
        "listen-client-urls": f"https://0.0.0.0:{CLIENTS}",
        "advertise-client-urls": f"https://{hosts[name]}:{CLIENTS}",
        "listen-peer-urls": f"https://0.0.0.0:{PEERS}",
        "initial-advertise-peer-urls": _peer(hosts[name]),
        "initial-cluster": ",".join(f"{one}={_peer(hosts[one])}" for one in founders),
        "initial-cluster-state": state,
        "client-cert-auth": "true",
        "trusted-ca-file": AUTHORITY,
        "cert-file": PAIR,
        "key-file": PAIR,
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": AUTHORITY,
        "peer-cert-file": PAIR,
        "peer-key-file": PAIR,
        # A busy machine is not a lost one.
        "heartbeat-interval": "250",
        "election-timeout": "2500",
        "auto-compaction-retention": "1h",
        "snapshot-count": "10000",
        "logger": "zap",
        "log-level": "warn",
    }
    return ["etcd", *(f"--{key}={value}" for key, value in options.items())]


def run(name: str, hosts: Mapping[str, str]) -> NoReturn:
    url = _peer(hosts[name])
    others = [host for one, host in hosts.items() if one != name]
    while True:
        number = None
        if (STATE / "member").exists():
            number = NUMBER.read_text().strip() if NUMBER.exists() else ""
        known = _members(others)
        chosen = way(url, number, known)
        if chosen != "join":
            # Those who found it together are always all three.
            founders, state = list(hosts), "new"
            break
        assert known is not None
        print(f"quorum: {name} joins the others with an empty disk", flush=True)
        shutil.rmtree(STATE, ignore_errors=True)
        NUMBER.unlink(missing_ok=True)
        if _joined(name, url, others, known):
            by_url = {_peer(host): one for one, host in hosts.items()}
            there = [by_url[one["peerURLs"][0]] for one in known if one["peerURLs"][0] in by_url]
            founders, state = sorted({*there, name}), "existing"
            break
        time.sleep(PAUSE_S)
    os.execvp("etcd", command(name, hosts, state, founders))


def _joined(name: str, url: str, others: Sequence[str], known: Sequence[Member]) -> bool:
    """Whether the others took it as a new member."""
    for one in known:
        if (
            url in one["peerURLs"]
            and _etcdctl(others, "member", "remove", f"{one['ID']:x}") is None
        ):
            return False
    return _etcdctl(others, "member", "add", name, f"--peer-urls={url}") is not None


def healthy(name: str, hosts: Mapping[str, str]) -> None:
    """While it listens to the others, with a leader or without: Swarm gives its name to nobody
    before it is healthy, and they choose the leader."""
    told = _etcdctl(["127.0.0.1"], "endpoint", "status", "--write-out=json")
    if told is not None and not NUMBER.exists():
        unfinished = NUMBER.with_suffix(".new")
        unfinished.write_text(str(json.loads(told)[0]["Status"]["header"]["member_id"]))
        unfinished.rename(NUMBER)
    try:
        socket.create_connection(("127.0.0.1", PEERS), timeout=5).close()
    except OSError as error:
        sys.exit(f"etcd does not listen: {error}")


def _members(hosts: Sequence[str]) -> list[Member] | None:
    told = _etcdctl(hosts, "member", "list", "--write-out=json")
    return None if told is None else json.loads(told)["members"]


def _etcdctl(hosts: Sequence[str], *arguments: str) -> str | None:
    """What it prints, or None if it fails at each host."""
    access = [f"--cacert={AUTHORITY}", f"--cert={PAIR}", f"--key={PAIR}", "--command-timeout=3s"]
    for host in hosts:
        done = subprocess.run(
            ["etcdctl", f"--endpoints=https://{host}:{CLIENTS}", *access, *arguments],
            env={**os.environ, "ETCDCTL_API": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
    return None


def _peer(host: str) -> str:
    return f"https://{host}:{PEERS}"


if __name__ == "__main__":
    {"run": run, "healthy": healthy}[sys.argv[1]](
        os.environ["QUORUM_MEMBER"], parsed(os.environ["QUORUM"])
    )
