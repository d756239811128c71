"""A platform with everything that watches it, and a Slack that notes when it is told what."""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from simulator import cloud
from simulator.cloud import Cloud
from tests.support import docker
from tests.support.certificates import issue
from tests.support.checkout import Checkout, copy_of_the_tree
from tests.support.polling import until

SERVERS = ("ai_memory", "lambda_labs_cli")
PORT = 8767
"""Where Slack's stand-in listens, on the address at which nodes find the simulated cloud."""
GPUS = '''\
#!/usr/bin/env python3
"""Answers as NVIDIA's dcgm-exporter does, for one GPU: `/tmp/xid` has its last error, and with
`/tmp/lost` it is gone."""
import http.server, os, socket
LABELS = ('gpu="0",UUID="GPU-4a3bd0a4-9d4c-4d5e-9d0c-6d4c1c0f6f7e",pci_bus_id="00000000:06:00.0",'
          f'device="nvidia0",modelName="NVIDIA A10",Hostname="{socket.gethostname()}",'
          'DCGM_FI_DRIVER_VERSION="570.124.06"')
FIELDS = {
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "GPU temperature (in C)."),
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Value of the last XID error encountered."),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ("counter", "Total number of double-bit ECC errors."),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("gauge", "Whether remapping of rows has failed."),
}
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        xid = open("/tmp/xid").read() if os.path.exists("/tmp/xid") else "0"
        values = {"DCGM_FI_DEV_GPU_TEMP": "41", "DCGM_FI_DEV_XID_ERRORS": xid.strip()}
        lines = []
        for name, (kind, about) in FIELDS.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            if not os.path.exists("/tmp/lost"):
                lines.append(f"{name}{{{LABELS}}} {values.get(name, '0')}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write("".join(f"{line}\\n" for line in lines).encode())
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("", 9400), Answer).serve_forever()
'''


@dataclass(frozen=True)
class Message:
    """when: monotonic seconds. alert: its name; over: whether it says that it is resolved."""

    when: float
    alert: str
    over: bool
    text: str


@dataclass
class Watched:
    """The platform, and what Slack was told. `node` and `task` are containers' names and ids."""

    checkout: Checkout
    told: list[Message] = field(default_factory=list)

    @property
    def cloud(self) -> Cloud:
        found = cloud.find(self.checkout.home / "simulator")
        assert found is not None
        return found

    def node(self, name: str) -> str:
        (found,) = [one for one in docker.nodes(self.checkout.home) if f"-{name}-" in one]
        return found

    def on(self, name: str, *command: str, ok: bool = True) -> str:
        """The output of a command on that node."""
        return docker.docker("exec", self.node(name), *command, ok=ok)

    def swarm(self, *arguments: str) -> str:
        """`docker …` on a manager."""
        return self.on("manager-1", "docker", *arguments)

    def task(self, service: str) -> tuple[str, str]:
        """The node's container, and the container of the first task there."""
        return docker.tasks(self.checkout.home, f"sophia-dev-{service}")[0]

    def inside(self, service: str, *command: str, detached: bool = False, ok: bool = True) -> str:
        node, task = self.task(service)
        options = ["--detach"] if detached else []
        return docker.docker("exec", node, "docker", "exec", *options, task, *command, ok=ok)

    def machine(self, name: str) -> str:
        """The id by which the cloud knows it."""
        known: list[dict[str, Any]] = self.cloud.control("GET", "/instances")
        (found,) = [one["id"] for one in known if f"-{name}-" in one["name"]
                    and one["status"] not in ("terminated", "terminating")]  # fmt: skip
        return str(found)

    def restart(self, name: str) -> None:
        """As a person does it in Lambda's console."""
        body = json.dumps({"instance_ids": [self.machine(name)]}).encode()
        request = urllib.request.Request(
            f"{self.cloud.url}/instance-operations/restart",
            body,
            {"Authorization": f"Bearer {self.cloud.api_key}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=60).close()

    def firing(self) -> set[str]:
        """Names of the alerts that some Prometheus has, those that wait for their `for` too."""
        url = "http://localhost:9090/api/v1/alerts"
        script = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
        found = set()
        for node, task in docker.tasks(self.checkout.home, "sophia-dev-prometheus"):
            said = docker.docker("exec", node, "docker", "exec", task, "python3", "-c", script)
            found |= {one["labels"]["alertname"] for one in json.loads(said)["data"]["alerts"]}
        return found - {"Watching"}  # always

    def open(self) -> set[str]:
        """Names of the alerts that people were told of, and not yet that they are over."""
        last = {message.alert: message.over for message in self.told}
        return {alert for alert, over in last.items() if not over}

    def quiet(self, seconds: float, but: frozenset[str] = frozenset()) -> None:
        """Waits until nothing is wrong any more, and all of it was told. but: still may be."""
        until(
            lambda: (self.firing() | self.open()) - but,
            lambda wrong: not wrong,
            "nothing is wrong",
            seconds,
        )


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Brings it up below a folder, or finds it there."""
    checkout = Checkout(folder / "checkout", folder / "home")
    new = not checkout.root.exists()
    if new:
        checkout = copy_of_the_tree(folder)
    checkout.run("simulator", "up")
    made = Watched(checkout)
    address = str(urlsplit(made.cloud.url).hostname)
    if new:
        _trust(folder, checkout, address)
    with _slack(folder, address, made.told):
        if not (folder / "up").exists():
            _configure(checkout, made.cloud, f"https://{address}:{PORT}/services/T0/B0/x")
            checkout.run("ops", "up", seconds=1500)
            (folder / "up").touch()
        yield made


def _trust(folder: Path, checkout: Checkout, address: str) -> None:
    """Slack's certificate, whose CA the image of what watches trusts."""
    root = issue("root")
    slack = issue("slack", root, addresses=(ipaddress.IPv4Address(address),))
    (folder / "slack.pem").write_text(slack.chain)
    (folder / "slack.key").write_text(slack.key_pem)
    image = checkout.root / "images" / "monitoring"
    (image / "slack.crt").write_text(root.pem)
    file = image / "Dockerfile"
    trusting = "COPY slack.crt /usr/local/share/ca-certificates/\nRUN update-ca-certificates\nUSER"
    file.write_text(file.read_text().replace("USER", trusting))


@contextmanager
def _slack(folder: Path, address: str, told: list[Message]) -> Iterator[None]:
    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            one = body["attachments"][0]
            alert, over = one["title"].rpartition(": ")[2], "RESOLVED" in one["title"]
            told.append(Message(time.monotonic(), alert, over, one["text"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "slack.pem", folder / "slack.key")
    with ThreadingHTTPServer((address, PORT), Slack) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def _configure(checkout: Checkout, simulated: Cloud, slack: str) -> None:
    file = checkout.root / "Pulumi.dev.yaml"
    content = yaml.safe_load(file.read_text())
    watching = {"enabled": True, "gpuExporter": _gpu_exporter(checkout, simulated)}
    content["config"] |= {"sophia:servers": list(SERVERS), "sophia:monitoring": watching}
    file.write_text(yaml.safe_dump(content))
    checkout.pulumi("stack", "init")
    checkout.pulumi("config", "set", "--secret", "--path", "sophia:monitoring.slack", slack)


def _gpu_exporter(checkout: Checkout, simulated: Cloud) -> str:
    """The stand-in's image, with its digest, in the simulated cloud's registry."""
    folder, registry = checkout.home / "gpus", simulated.registry
    folder.mkdir(exist_ok=True)
    (folder / "dcgm-exporter").write_text(GPUS)
    base = simulated.settings.base_image
    (folder / "Dockerfile").write_text(
        f"FROM {base}\nCOPY dcgm-exporter /usr/local/bin/\n"
        "RUN chmod 0755 /usr/local/bin/dcgm-exporter\n"
    )
    image, config = f"{registry.server}/gpus:1", ("--config", str(folder / "docker"))
    docker.docker("build", "--quiet", "--tag", image, str(folder))
    docker.docker(*config, "login", registry.server, "--username", cloud.registry.USER,
                  "--password", registry.password)  # fmt: skip
    docker.docker(*config, "push", "--quiet", image)
    digest = docker.docker("inspect", "--format", "{{index .RepoDigests 0}}", image)
    docker.docker("image", "rm", image)
    return digest
