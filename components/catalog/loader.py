"""Reads `mcp_catalog/*/server.yaml` and reports all errors in them at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.catalog.model import (
    Deploy,
    Health,
    Probe,
    Resources,
    SecretVariable,
    Server,
    Variable,
)
from components.plan.gateway import MAX_REPLICAS
from components.reading import REQUIRED, Fault, Reader

NO_SERVER = frozenset({"base"})
"""Folders of the catalog that hold no server, but the runtime that all of them share."""

LONGEST_GRACE_S = 110
"""Seconds; the gateway would end a longer call first (`timeout server`)."""

REPLICAS = {1: 2, 2: 1}
"""How many replicas a tier has unless a server asks for more."""

RESOURCES = Resources(cpus=0.5, memory_mb=256, pids=128)
HEALTH = Health(interval_s=5, timeout_s=30, retries=2, start_period_s=120)
"""Default limits and health check of a replica. Gateways leave out a slow one within seconds
(ADR 26); Docker ends it, which a busy machine must not cause (ADR 28)."""

NAME = r"[a-z][a-z0-9_]{0,30}"
NAME_RULE = "a folder's name in lower case letters, digits and _ (31 at most)"
ENV = r"[A-Z][A-Z0-9_]{0,62}"


@dataclass(frozen=True)
class Catalog:
    """All servers in the order of their names, and all faults in their files.

    If there is any fault, a server may hold placeholders: create nothing from it.
    """

    servers: tuple[Server, ...]
    faults: tuple[Fault, ...] = ()

    def names(self) -> list[str]:
        """The names of the servers, in order."""
        return [server.name for server in self.servers]


def load(folder: Path) -> Catalog:
    """Reads every server's folder. Faults are returned: settings add theirs and raise them all."""
    faults: list[Fault] = []
    servers: list[Server] = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        if place.name in NO_SERVER or place.name.startswith((".", "_")):
            continue
        if not re.fullmatch(NAME, place.name):
            advice = "rename it: the route and the service's name contain it"
            faults.append(Fault(f"{folder.name}/", f"{place.name!r}", NAME_RULE, advice))
            continue
        file = place / "server.yaml"
        label = f"{folder.name}/{place.name}/server.yaml"
        if not file.is_file():
            faults.append(Fault(label, "no such file", "a description of the server", "write it"))
            continue
        server = parse(label, file.read_text(encoding="utf-8"), place.name, faults)
        if server is not None:
            servers.append(server)
    return Catalog(tuple(servers), tuple(faults))


def parse(label: str, text: str, folder: str, faults: list[Fault]) -> Server | None:
    """One `server.yaml`. Adds to `faults`; None when the text is not YAML at all."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        faults.append(Fault(label, f"a text that is not YAML ({where})", "a YAML mapping"))
        return None
    top = Reader(label, content, faults, separator=": ")
    if not isinstance(content, dict):
        return None
    run, config = top.inner("run"), top.inner("config")
    server = Server(
        name=folder,
        env=_environment(run),
        secrets=tuple(map(_secret, config.items("secrets", ()))),
        variables=tuple(map(_variable, config.items("env", ()))),
        deploy=_deploy(top.inner("deploy")),
        probe=_probe(top.inner("probe")) if top.has("probe") else None,
    )
    for reader in (run, config, top):
        reader.finish()
    return server


def resources(reader: Reader, default: Resources, memory: str) -> Resources:
    """A replica's limits. memory: the key with the memory in MiB."""
    found = Resources(
        cpus=reader.number("cpus", default.cpus, low=0.05, high=64),
        memory_mb=reader.integer(memory, default.memory_mb, low=32, high=1_048_576),
        pids=reader.integer("pids", default.pids, low=8, high=32_768),
        gpus=reader.integer("gpus", default.gpus, low=0, high=64),
    )
    reader.finish()
    return found


def _environment(run: Reader) -> dict[str, str]:
    inner = run.inner("env")
    return {name: inner.text(name, "") for name in inner.names()}


def _secret(reader: Reader) -> SecretVariable:
    secret = SecretVariable(
        env=reader.text("env", pattern=ENV, expected="a variable's name such as SLACK_BOT_TOKEN"),
        description=reader.text("description"),
        example=reader.text("example", ""),
        required=reader.flag("required", True),
    )
    reader.finish()
    return secret


def _variable(reader: Reader) -> Variable:
    variable = Variable(
        name=reader.text("name", pattern=ENV, expected="a variable's name such as GITHUB_HOST"),
        description=reader.text("description"),
        example=reader.text("example", ""),
        required=reader.flag("required", False),
    )
    reader.finish()
    return variable


def _probe(reader: Reader) -> Probe:
    arguments = reader.inner("arguments")
    probe = Probe(
        tool=reader.text("tool", expected="the name of a tool that reads"),
        arguments={name: arguments.plain(name) for name in arguments.names()},
    )
    reader.finish()
    return probe


def _deploy(reader: Reader) -> Deploy:
    tier = reader.choice("tier", [1, 2], REQUIRED)
    health = reader.inner("health")
    deploy = Deploy(
        tier=tier,
        replicas=reader.integer("replicas", REPLICAS[tier], low=1, high=MAX_REPLICAS),
        resources=resources(reader.inner("resources"), RESOURCES, "memory_mb"),
        health=Health(
            interval_s=health.integer("interval_s", HEALTH.interval_s, low=1, high=300),
            timeout_s=health.integer("timeout_s", HEALTH.timeout_s, low=1, high=300),
            retries=health.integer("retries", HEALTH.retries, low=1, high=20),
            start_period_s=health.integer(
                "start_period_s", HEALTH.start_period_s, low=0, high=3600
            ),
        ),
        grace_s=reader.integer("grace_s", Deploy.grace_s, low=1, high=LONGEST_GRACE_S),
    )
    for inner in (health, reader):
        inner.finish()
    return deploy
