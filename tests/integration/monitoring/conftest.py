"""What watches, as on two managers, with a server to watch and somebody to tell, in one network."""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.plan import exporters
from components.plan import monitoring as plan
from components.plan.node_setup import REPORT as REPORT_FOLDER
from components.plan.nodes import NodeGroup, nodes
from components.plan.workload import Workload, service_inputs
from providers.swarm.services.model import Mount
from simulator import images
from tests.support.certificates import issue
from tests.support.docker import docker
from tests.support.gateway import address

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
RECEIVER = "receiver.test"
EMAIL = plan.Email(f"{RECEIVER}:2525", "sophia@example.com", ("ops@example.com",), "sophia")
PASSWORD = "it's a \\password"
SERVER = "slack"
JOBS = (
    plan.Job("server", 8000, (SERVER,)),
    plan.Job("node", exporters.NODE_PORT, (exporters.NODE,)),
    plan.Job("prometheus", plan.METRICS_PORT, (plan.PROMETHEUS,)),
    plan.Job("alertmanager", plan.ALERTS_PORT, (plan.ALERTMANAGER,)),
)
REPORT = """\
sophia_container_memory_bytes{swarm_service="PREFIX-slack",container="1",node="a"} 100.0
sophia_container_memory_bytes{swarm_service="other-stack",container="2",node="a"} 200.0
swarm_manager_leader 1
"""
METRICS = """\
mcp_server_info{server="slack"} 1
mcp_tool_calls_total{tool="search",outcome="ok"} 7
"""


@dataclass
class Watched:
    """The network, the image, and who runs in it. folder: of the files that they are given."""

    prefix: str
    image: str
    base: str
    folder: Path
    receiver: str = ""
    running: list[str] = field(default_factory=list)

    def watch(self, workload: Workload) -> str:
        """Starts a task of that workload, with what a Swarm would give it."""
        planned = service_inputs(workload, self.prefix)
        name = f"{self.prefix}-{workload.name}-{secrets.token_hex(2)}"
        files = [(file.target, file.target) for file in workload.configs]
        files += [(f"/run/secrets/{file.target}",) * 2 for file in workload.secrets]
        docker(
            *("run", "--detach", "--init", "--name", name, "--hostname", name),
            *("--network", self.prefix, "--network-alias", f"tasks.{planned.name}"),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--user", planned.user, "--memory", f"{planned.resources.memory_mb}m"),
            *("--pids-limit", str(planned.resources.pids)),
            *("--env", "SSL_CERT_FILE=/trusted.pem"),
            *("--volume", f"{self.folder}/trusted.pem:/trusted.pem:ro"),
            *(word for key, value in planned.env.items() for word in ("--env", f"{key}={value}")),
            *(
                word
                for mount in planned.mounts
                for word in ("--volume", f"{self._source(name, mount)}:{mount.target}")
            ),
            *(
                word
                for inside, file in files
                for word in ("--volume", f"{self.folder}{file}:{inside}:ro")
            ),
            *(self.image, *planned.command, *planned.args),
        )
        self.running.append(name)
        return name

    def _source(self, name: str, mount: Mount) -> str:
        kept = f"{name}-{Path(mount.target).name}"
        return f"{self.folder}{mount.source}" if mount.type == "bind" else kept

    def serve(self) -> str:
        """Starts a server that has numbers."""
        return self._python(SERVER, f"tasks.{self.prefix}-{SERVER}", "-m", "http.server",
                            "8000", "--directory", "/given/served")  # fmt: skip

    def receive(self) -> None:
        files = ("/given/mail.pem", "/given/mail.key")
        self.receiver = self._python(
            "receiver", RECEIVER, "/receiver.py", *files, EMAIL.username, PASSWORD
        )

    def _python(self, name: str, alias: str, *arguments: str) -> str:
        name = f"{self.prefix}-{name}-{secrets.token_hex(2)}"
        docker(
            *("run", "--detach", "--init", "--name", name, "--network", self.prefix),
            *("--network-alias", alias, "--volume", f"{self.folder}:/given:ro"),
            *("--volume", f"{HERE}/receiver.py:/receiver.py:ro"),
            *(self.base, "python3", *arguments),
        )
        self.running.append(name)
        return name

    def write(self, path: str, text: str) -> None:
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)
        for folder in file.parents[: len(file.relative_to(self.folder).parts)]:
            folder.chmod(0o755)

    def ask(self, prometheus: str, query: str) -> list[dict[str, Any]]:
        """The answer of one Prometheus, as labels and value."""
        query = urllib.parse.quote(query)
        url = f"http://{address(prometheus)}:{plan.METRICS_PORT}/api/v1/query?query={query}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
        return [{**one["metric"], "value": float(one["value"][1])} for one in found]

    def received(self) -> dict[str, list[dict[str, Any]]]:
        with urllib.request.urlopen(f"http://{address(self.receiver)}:8080/", timeout=5) as answer:
            return dict(json.load(answer))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    prefix = f"gwtest-{secrets.token_hex(4)}"
    base = images.ensure_base(print)
    made = Watched(prefix, f"{prefix}-image", base, tmp_path_factory.mktemp("watched"))
    docker("network", "create", prefix)
    try:
        directory = str(ROOT / "images" / "monitoring")
        docker("build", "--quiet", "--build-arg", f"BASE={base}", "--tag", made.image, directory)
        _write(made)
        yield made
    finally:
        left = docker("ps", "--all", "--quiet", "--filter", f"name={prefix}").split()
        docker("rm", "--force", "--volumes", *left, ok=False)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={prefix}").split()
        docker("volume", "rm", *volumes, ok=False)
        docker("network", "rm", prefix)
        docker("rmi", "--force", made.image, ok=False)


def watchers(prefix: str) -> tuple[Workload, ...]:
    return (
        exporters.node(),
        plan.alertmanager(prefix, slack=True, email=EMAIL),
        plan.prometheus(prefix, ()),
    )


def _write(made: Watched) -> None:
    planned = watchers(made.prefix)
    server = replace(planned[0], name=SERVER, kind="service")
    expected = plan.expected(
        {one.name: one for one in (*planned, server)},
        JOBS,
        machines=nodes([NodeGroup("manager", 2, "manager", "primary", ("cpu",), (), "", "1")]),
        certificate_ends=4102444800,
        budget=plan.Budget(1000, 0),
    )
    root = issue("root")
    mail = issue(RECEIVER, root, dns=(RECEIVER,))
    for path, text in {
        plan.CONFIG_FILE: _hurried(
            plan.config(made.prefix, JOBS), scrape_interval=(10, 5), evaluation_interval=(5, 1)
        ),
        plan.EXPECTED_FILE: expected,
        plan.ALERTS_FILE: _hurried(
            plan.alerting(slack=True, email=EMAIL, of_database=["ai_memory", "postgres"]),
            group_interval=(15, 5),
        ),
        f"/run/secrets/{plan.SLACK_SECRET}": f"http://{RECEIVER}:8080/services/T0/B0/x",
        f"/run/secrets/{plan.PASSWORD_SECRET}": PASSWORD,
        "trusted.pem": root.pem,
        "mail.pem": mail.chain,
        "mail.key": mail.key_pem,
        "served/metrics": METRICS,
        f"{REPORT_FOLDER}/report.prom": REPORT.replace("PREFIX", made.prefix),
    }.items():
        made.write(path, text)
    # It is not written again, and must not become old.
    later = time.time() + 3600
    os.utime(made.folder / f"{REPORT_FOLDER}/report.prom".lstrip("/"), (later, later))


def _hurried(text: str, **pauses: tuple[int, int]) -> str:
    """With shorter pauses, in seconds, as tests wait for them: by name, of before and of now."""
    for name, (before, now) in pauses.items():
        assert f"{name}: {before}s\n" in text
        text = text.replace(f"{name}: {before}s\n", f"{name}: {now}s\n")
    return text
