"""What users of a platform that is up need: files for MCP clients and ssh; the closing words."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ops import gateways
from ops.progress import say
from toolchain import places


def folder() -> Path:
    """Where the platform's CA, an MCP client's configuration and the ssh key lie."""
    return places.state() / "client"


def write_files(outputs: dict[str, Any]) -> Path:
    """Writes them, readable by their owner only; returns their folder."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    # Any of them serves, and the first may be lost; one's own certificate holds names only.
    own = not outputs["ca_certificate"]
    gateway = outputs["gateway_url"] if own else gateways.living(outputs["gateway_urls"])
    servers = {
        name: {
            "type": "http",  # without it, Claude Code drops the entry
            "url": f"{gateway}/mcp/{name}",
            "headers": {"Authorization": f"Bearer {outputs['gateway_token']}"},
        }
        for name in outputs["mcp_endpoints"]
    }
    if outputs["ca_certificate"]:
        _write("ca.pem", outputs["ca_certificate"])
    else:
        (folder() / "ca.pem").unlink(missing_ok=True)
    _write("mcp.json", json.dumps({"mcpServers": servers}, indent=2) + "\n")
    _write("ssh_key", outputs["ssh_private_key"])
    _write("known_hosts", known_hosts(outputs))
    return folder()


def known_hosts(outputs: dict[str, Any]) -> str:
    """A line for ssh with the address and host key of each node."""
    nodes = outputs["nodes"].values()
    return "".join(f"{node['address']} {node['host_key']}\n" for node in nodes)


def _write(name: str, text: str) -> None:
    path = folder() / name
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def farewell(outputs: dict[str, Any], files: Path) -> None:
    """The last lines: where it is and what to try."""
    fastmcp = Path(sys.executable).parent / "fastmcp"
    say("")
    say(f"The platform is up: {outputs['gateway_url']}")
    for name, url in sorted(outputs["mcp_endpoints"].items()):
        say(f"    {name:<20} {url}")
    say("Try it:")
    quiet = "FASTMCP_LOG_LEVEL=ERROR"
    if outputs["ca_certificate"]:
        quiet += f" SSL_CERT_FILE={files / 'ca.pem'}"
    call = f"{fastmcp} call {files / 'mcp.json'} ai_memory_store_memory"
    say(f"    {quiet} {call} content='The platform came up'")
    say("More: make status · make logs SERVICE=ai_memory · make ssh NODE=manager-1 · make down")
