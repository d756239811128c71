"""For users of a platform that is up: files for MCP clients and ssh, and the closing lines."""

from __future__ import annotations

import json
import os
import shlex
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ops import gateways
from ops.progress import say
from toolchain import places


def folder() -> Path:
    """The folder of the platform's CA, MCP clients' configuration and the ssh key."""
    return places.state() / "client"


def write_files(outputs: dict[str, Any]) -> Path:
    """Writes them, readable by their owner only; returns their folder."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    # Any of them works, and the first may be lost; an own certificate holds only names.
    own = not outputs["ca_certificate"]
    gateway = outputs["gateway_url"] if own else gateways.living(outputs["gateway_urls"])

    def entry(path: str) -> dict[str, Any]:
        return {
            "type": "http",  # without it, Claude Code drops the entry
            "url": f"{gateway}/{path}",
            "headers": {"Authorization": f"Bearer {outputs['gateway_token']}"},
        }

    servers = {name: entry(f"mcp/{name}") for name in outputs["mcp_endpoints"]}
    one = {"sophia": entry("mcp?tools=search")}
    if outputs["ca_certificate"]:
        _write("ca.pem", outputs["ca_certificate"])
    else:
        (folder() / "ca.pem").unlink(missing_ok=True)
    _write("mcp.json", json.dumps({"mcpServers": servers}, indent=2) + "\n")
    _write("search.json", json.dumps({"mcpServers": one}, indent=2) + "\n")
    _write("vscode.json", json.dumps({"servers": servers}, indent=2) + "\n")
    _write("README.md", readme(outputs))
    _write("ssh_key", outputs["ssh_private_key"])
    _write("known_hosts", known_hosts(outputs))
    return folder()


def readme(outputs: dict[str, Any]) -> str:
    """How to start MCP clients with these files. The files hold the token; command lines don't."""
    trust = f"NODE_EXTRA_CA_CERTS={_quoted('ca.pem')} " if outputs["ca_certificate"] else ""
    return f"""# MCP clients of this platform

Claude Code, for one session; or copy `mcp.json` into a project as `.mcp.json`:

    {trust}claude --mcp-config {_quoted("mcp.json")}

VS Code, in a project's folder:

    mkdir -p .vscode && cp {_quoted("vscode.json")} .vscode/mcp.json
    {trust}code .

Cursor, in a project's folder:

    mkdir -p .cursor && cp {_quoted("mcp.json")} .cursor/mcp.json
    {trust}cursor .

`mcp.json` names every server. `search.json` has one entry in their place, which finds tools and
calls them: for clients that can't hold the tools of all servers at once.

The files hold a token: keep them out of repositories.
"""


def _quoted(name: str) -> str:
    """One of these files, as a word of a command."""
    return shlex.quote(str(folder() / name))


def known_hosts(outputs: Mapping[str, Any]) -> str:
    """A known_hosts line with the address and host key of each node."""
    nodes = outputs["nodes"].values()
    return "".join(f"{node['address']} {node['host_key']}\n" for node in nodes)


def _write(name: str, text: str) -> None:
    path = folder() / name
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def example(outputs: dict[str, Any], files: Path) -> str:
    """A command line that uses a tool of the platform."""
    fastmcp = shlex.quote(str(Path(sys.executable).parent / "fastmcp"))
    clients = shlex.quote(str(files / "mcp.json"))
    settings = "FASTMCP_LOG_LEVEL=ERROR"
    if outputs["ca_certificate"]:
        settings += f" SSL_CERT_FILE={shlex.quote(str(files / 'ca.pem'))}"
    address = outputs["gateway_url"]
    if gateways.is_address(address) and urllib.request.getproxies():
        settings += f" no_proxy={urlsplit(address).hostname}"
    servers = outputs["mcp_endpoints"]
    if "ai_memory" not in servers:
        return f"{settings} {fastmcp} list {clients}"
    # Names are prefixed only where there are several servers.
    tool = "ai_memory_store_memory" if len(servers) > 1 else "store_memory"
    return f"{settings} {fastmcp} call {clients} {tool} content='The platform came up'"


def farewell(outputs: dict[str, Any], files: Path) -> None:
    """The last lines: where it is and what to try."""
    say("")
    say(f"The platform is up: {outputs['gateway_url']}")
    for name, url in sorted(outputs["mcp_endpoints"].items()):
        say(f"    {name:<20} {url}")
    say(
        f"The fleet, in a browser: {outputs['gateway_url']}/ (the token is in {files / 'mcp.json'})"
    )
    say("Try it:")
    say(f"    {example(outputs, files)}")
    say(f"Claude Code, VS Code, Cursor: {files / 'README.md'}")
    say("More: make status · make logs SERVICE=ai_memory · make ssh NODE=manager-1 · make down")
