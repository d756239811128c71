"""`make import-compose FILE=docker-compose.yml`: folders of mcp_catalog/ for its MCP servers.

A service that is already in the catalog gets no folder. A new one gets the template's, with
server.yaml filled from the file; its tools have to be written. What can't be imported is listed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from components.catalog import loader
from components.reading import Fault
from ops import compose, new_server, tool_schemas
from ops.progress import say

CATALOG = new_server.CATALOG

LEFT = """\
    next: write its tools in server.py, which has the template's and has to read all settings of
    server.yaml; this names those that it doesn't read yet:
    .venv/bin/python -m pytest tests/unit/mcp_catalog/test_catalog_folders.py -k {server}"""


def description(service: compose.Service, file: str) -> dict[str, Any]:
    """The content of server.yaml."""
    about = f"From {file}: say where to get it, and which rights it needs"
    upper = service.server.upper()
    secrets = service.secrets or [f"{upper}_API_KEY"]
    env = [*service.env, *({f"{upper}_API_URL"} - {*service.env})]
    found: dict[str, Any] = {
        "config": {
            "secrets": [{"env": name, "description": about} for name in secrets],
            "env": [{"name": name, "description": f"From {file}: say what it is"} for name in env],
        }
    }
    if service.defaults:
        found["run"] = {"env": service.defaults}
    return found | {"deploy": {"tier": 2, **service.deploy}}


def write(service: compose.Service, file: str) -> None:
    """Creates the folder of a new server. Raises BadName if the name is not allowed."""
    folder = new_server.create(service.server)
    text = yaml.safe_dump(
        description(service, file), sort_keys=False, allow_unicode=True, width=100
    )
    (folder / "server.yaml").write_text(
        f"# One sentence: what it gives to a model.\n{text}", "utf-8"
    )
    if service.secrets:  # the template's credential is the first one
        for name in ("server.py", "test_server.py", "README.md"):
            path = folder / name
            key = f"{service.server.upper()}_API_KEY"
            path.write_text(path.read_text("utf-8").replace(key, service.secrets[0]), "utf-8")
    tool_schemas.write(service.server)
    faults: list[Fault] = []
    label = f"mcp_catalog/{service.server}/server.yaml"
    loader.parse(label, (folder / "server.yaml").read_text("utf-8"), service.server, faults)
    for fault in faults:  # Docker may accept what the platform doesn't
        say(f"fix {fault}")


def report(service: compose.Service) -> None:
    """Reports what became of a service, and the lines that need a person."""
    if service.known:
        say(f"{service.name}: in the catalog as {service.server}; name it in `servers`")
    elif service.server:
        say(f"{service.name}: mcp_catalog/{service.server}/ is written")
    else:
        say(f"{service.name}: left out")
    for line, text in sorted(service.notes):
        say(f"    line {line}: {text}")
    if service.server and not service.known:
        say(LEFT.format(server=service.server))


def main() -> int:
    path = Path(" ".join(sys.argv[1:]))
    try:
        services = compose.read(path.read_text("utf-8"), loader.load(CATALOG).servers)
    except (OSError, UnicodeDecodeError, compose.NoCompose) as error:
        say(f"error: FILE: got {str(path)!r}, {error}; run `make import-compose FILE=compose.yml`")
        return 2
    failed = False
    for service in services:
        try:
            if service.server and not service.known:
                write(service, path.name)
            report(service)
        except new_server.BadName as error:
            say(f"error: {service.name}: {error}")
            failed = True
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
