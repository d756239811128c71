"""`make up` and `make down`: the main job, on the simulated cloud of this machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from ops.progress import say, stage
from ops.stack import Stack, StackError
from simulator import cloud
from toolchain import ensure
from toolchain import environment as toolchain_environment

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "sophia"
STACK = "dev"


def stack_of(simulated: cloud.Cloud) -> Stack:
    """The stack of this machine, its environment that of `make env`."""
    environment = {**os.environ, **toolchain_environment(), **simulated.env}
    return Stack(STACK, PROJECT, environment, ROOT)


def up() -> None:
    """Everything from nothing, or what is missing; ends with the address and a command to try."""
    with stage("the Pulumi engine and its plugins"):
        ensure()
    with stage("the simulated cloud"):
        simulated = cloud.up(cloud.default_state())
    stack = stack_of(simulated)
    with stage("the platform"):
        stack.select()
        stack.recover()
        stack.pulumi("up", "--yes", "--skip-preview")
    outputs = stack.outputs()
    farewell(outputs, write_client_files(outputs))


def down() -> None:
    """Leaves nothing: the stack is destroyed, then whatever may be left of the simulated cloud."""
    state = cloud.default_state()
    simulated = cloud.running_at(state)
    if simulated is not None:
        with stage("destroying the platform"):
            try:
                ensure()
                stack = stack_of(simulated)
                stack.select()
                stack.recover()
                stack.pulumi("destroy", "--yes", "--skip-preview")
            except StackError as failure:
                # Nothing lives outside the simulated cloud, and that is removed next.
                say(f"    {failure}\n    going on: the simulated cloud is removed as a whole")
    with stage("removing the simulated cloud"):
        cloud.down(state)
    Stack(STACK, PROJECT, {**os.environ, **toolchain_environment()}, ROOT).forget()
    shutil.rmtree(client_folder(), ignore_errors=True)


def client_folder() -> Path:
    """Where what clients need lies: the CA, an MCP client's configuration, the ssh key."""
    return cloud.default_state().parent / "client"


def write_client_files(outputs: dict[str, Any]) -> Path:
    """Files for MCP clients and ssh, readable by their owner only; returns their folder."""
    folder = client_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    servers = {
        name: {
            "url": url,
            "headers": {"Authorization": f"Bearer {outputs['gateway_token']}"},
        }
        for name, url in outputs["mcp_endpoints"].items()
    }
    hosts = [f"{node['address']} {node['host_key']}" for node in outputs["nodes"].values()]
    _write(folder / "ca.pem", outputs["ca_certificate"])
    _write(folder / "mcp.json", json.dumps({"mcpServers": servers}, indent=2) + "\n")
    _write(folder / "ssh_key", outputs["ssh_private_key"])
    _write(folder / "known_hosts", "\n".join(hosts) + "\n")
    return folder


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def farewell(outputs: dict[str, Any], folder: Path) -> None:
    """The last lines: where it is and what to try."""
    fastmcp = Path(sys.executable).parent / "fastmcp"
    say("")
    say(f"The platform is up: {outputs['gateway_url']}")
    for name, url in sorted(outputs["mcp_endpoints"].items()):
        say(f"    {name:<20} {url}")
    say("Try it:")
    say(
        f"    SSL_CERT_FILE={folder / 'ca.pem'} {fastmcp} call {folder / 'mcp.json'} "
        "ai_memory_store_memory content='The platform came up'"
    )
    say("More: make status · make logs SERVICE=ai_memory · make ssh NODE=manager-1 · make down")
