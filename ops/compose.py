"""Translates a Compose file to mcp_catalog/'s terms, and lists by line what it can't. Pure.

It repeats no values of variables but short plain ones: Compose files hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.catalog.loader import ENV
from components.catalog.model import Server
from components.reading import closest

LOST = {
    key: text
    for keys, text in (
        (
            "image build command entrypoint working_dir platform",
            "all servers run on one Python image (mcp_catalog/base): port the tools to server.py",
        ),
        (
            "user privileged cap_add cap_drop security_opt tmpfs devices sysctls ulimits read_only"
            " pid ipc init",
            "servers run without rights, on a root that is read-only",
        ),
        (
            "restart restart_policy update_config rollback_config",
            "the platform restarts servers, and rolls out with its own checks",
        ),
        (
            "networks network_mode links dns extra_hosts",
            "servers are on the platform's networks, and don't call one another",
        ),
        ("ports expose", "no port is published: clients call the gateway, at {url}"),
        ("volumes volumes_from", "servers keep nothing on disk: use the database"),
        (
            "container_name hostname labels profiles stdin_open tty",
            "has no meaning here: the folder's name is the server's name",
        ),
        ("depends_on", "servers start independently, and report in /health what is missing"),
        (
            "healthcheck",
            "the runtime answers /health; its times are `deploy.health` of server.yaml",
        ),
        ("logging", "logs are read with `make logs`"),
        ("env_file", "not read: set its values in the environment or by `pulumi config set`"),
        ("placement", "choose `deploy.tier`: 1 runs twice on primary machines, 2 once anywhere"),
        ("mode", "set `deploy.replicas`, 10 at most"),
        ("reservations", "set `deploy.resources.gpus` for GPUs; nothing else is reserved"),
        ("extends include", "not read: import the output of `docker compose config`"),
    )
    for key in keys.split()
}
"""Keys without an equivalent here, and what to do instead."""

PARTS = {
    image: text
    for images, text in (
        (
            "postgres postgresql pgvector timescaledb",
            "the platform has a database; move data that you need with pg_dump",
        ),
        ("nginx haproxy traefik caddy envoy", "the gateway does this"),
        (
            "watchtower autoheal portainer",
            "not needed: `pulumi up` updates, the Swarm restarts what is unhealthy",
        ),
    )
    for image in images.split()
}
"""Services that are not servers, by name or by the last word of their image."""

LIMITS = {
    "replicas": "replicas",
    "cpus": "resources.cpus",
    **dict.fromkeys(("memory", "mem_limit"), "resources.memoryMb"),
    **dict.fromkeys(("pids", "pids_limit"), "resources.pids"),
}
"""Keys that the stack has as a setting of a server."""

RUNTIME = re.compile(r"PORT|HOST|LISTEN_.*|LOG_LEVEL|(MCP_)?TRANSPORT|FASTMCP_.*|NODE_.*|PYTHON.*")
SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|PRIVATE|AUTH|COOKIE|DSN|DATABASE_URL")
SECRET_VALUE = re.compile(
    r"(?i)://[^/\s]*@|-----BEGIN|^(sk|pk|xox.|gh.|lin_api|glpat)[-_]|[a-z0-9]{20}"
)
PLAIN = re.compile(r"[\w.,:/-]{1,60}")
ADDRESS = re.compile(r"(?<![\d.])(\d{1,3}\.){3}\d{1,3}(?![\d.])")
VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?(?::?\?[^}]*)?\}?")
SUFFIXES = ("v2", "unified", "search", "cli")
"""Suffixes of the catalog's names that a Compose file may omit."""


class NoCompose(Exception):
    """A text that isn't a Compose file; the message is one line."""


@dataclass
class Service:
    """One service. server: its name in the catalog, "" if it isn't a server; known: already there.

    secrets, env: names of variables. defaults: plain values that the file has for `env`.
    deploy: as in server.yaml. notes: line and text of what a person has to do or know.
    """

    name: str
    server: str = ""
    known: Server | None = None
    secrets: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    deploy: dict[str, Any] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)

    def note(self, node: yaml.Node, text: str) -> None:
        """Adds a note with the line of a node."""
        self.notes.append((int(node.start_mark.line) + 1, text))


def read(text: str, catalog: Collection[Server]) -> list[Service]:
    """The file's services, in its order. Raises NoCompose."""
    try:
        top = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        # The error's text quotes the file.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise NoCompose(f"expected YAML{where}") from None
    found = dict(_entries(top)).get("services")
    if not isinstance(found, yaml.MappingNode) or not found.value:
        raise NoCompose("expected a mapping `services` with at least one service")
    names = [name for name, _ in _entries(found)]
    try:
        return [_service(name, node, names, catalog) for name, node in _entries(found)]
    except RecursionError:
        raise NoCompose("an anchor contains itself") from None


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of a mapping, those of `<<` included; a list of `KEY=value` reads as one."""
    if isinstance(node, yaml.MappingNode):
        pairs = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
        own = {key.value for key, _ in pairs}
        for key, value in pairs:
            if key.value != "<<":
                yield key.value, value
                continue
            merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
            yield from (pair for one in merged for pair in _entries(one) if pair[0] not in own)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                key, _, value = item.value.partition("=")
                yield key, yaml.ScalarNode(item.tag, value, item.start_mark)


def _service(name: str, node: yaml.Node, names: list[str], catalog: Collection[Server]) -> Service:
    service, keys = Service(name), dict(_entries(node))
    image = getattr(keys.get("image"), "value", "").split("@")[0].rpartition("/")[2].split(":")[0]
    is_mcp = "mcp" in f"{name} {image}".lower()
    if part := PARTS.get(image) or ("" if is_mcp else PARTS.get(name)):
        service.note(node, part)
        return service
    for server in catalog:
        if _same(server.name, name) or _same(server.name, image):
            service.server, service.known = server.name, server
    if not service.known:
        if not is_mcp:
            service.note(
                node, "not an MCP server by its name or image; if it is one, rename it accordingly"
            )
            return service
        service.server = _folder(name)
    for key, value in keys.items():
        _key(service, key, value, names)
    return service


def _words(name: str) -> list[str]:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return [word for word in words if word not in ("mcp", "server", "")]


def _same(server: str, name: str) -> bool:
    """Whether a service's name or image means a server of the catalog."""
    wanted, whole = "".join(_words(name)), server.split("_")
    return wanted in ("".join(whole), "".join(word for word in whole if word not in SUFFIXES))


def _folder(name: str) -> str:
    folder = "_".join(_words(name))
    return (folder if re.match("[a-z]", folder) else f"mcp_{folder}")[:31]


def _key(service: Service, key: str, node: Any, names: list[str]) -> None:
    match key:
        case "environment":
            for variable, given in _entries(node):
                _variable(service, variable, given, names)
        case "secrets":
            for item in node.value if isinstance(node, yaml.SequenceNode) else ():
                source = dict(_entries(item)).get("source", item)
                _credential(service, str(source.value).upper().replace("-", "_"), item)
        case "deploy" | "resources" | "limits":
            for inner, below in _entries(node):
                _key(service, inner, below, names)
        case "image" | "build" | "command" if service.known:
            text = f"compare the tools: mcp_catalog/{service.server}/README.md"
            service.note(node, f"{key}: replaced by the catalog's server; {text}")
        case _ if key in LIMITS and service.known:
            service.note(
                node, f"{key}: set `servers.{service.server}.{LIMITS[key]}` if you need it"
            )
        case _ if key in LIMITS or key == "stop_grace_period":
            _limit(service, key, node)
        case _ if key in LOST:
            service.note(node, f"{key}: {LOST[key].format(url=f'/mcp/{service.server}')}")
        case _ if not key.startswith("x-"):
            service.note(node, f"{key}: unknown here; nothing is imported")


def _limit(service: Service, key: str, node: yaml.Node) -> None:
    match = re.fullmatch(r"([\d.]+) *([a-zA-Z]*)", str(node.value))
    number, unit = (match[1], match[2].lower()) if match else ("", "")
    deploy = service.deploy
    try:
        match LIMITS.get(key):
            case "replicas":
                deploy["replicas"] = int(number)
            case "resources.cpus":
                deploy.setdefault("resources", {})["cpus"] = float(number)
            case "resources.pids":
                deploy.setdefault("resources", {})["pids"] = int(number)
            case "resources.memoryMb":
                factor = {"": 2**-20, "b": 2**-20, "k": 2**-10, "m": 1, "g": 1024}[unit[:1]]
                deploy.setdefault("resources", {})["memory_mb"] = int(float(number) * factor)
            case _:
                deploy["grace_s"] = int(float(number) * {"": 1, "s": 1, "m": 60}[unit])
    except (ValueError, KeyError):
        service.note(node, f"{key}: can't be read; set it in server.yaml, below `deploy`")


def _variable(service: Service, name: str, node: yaml.Node, names: list[str]) -> None:
    """One variable: a credential or a setting."""
    value = str(node.value)
    source = VARIABLE.fullmatch(value)
    literal = (source[2] or "") if source else value
    if RUNTIME.fullmatch(name):
        return service.note(node, f"{name}: the platform sets this itself where a server needs it")
    if name.endswith("_FILE"):
        return service.note(node, f"{name}: servers find their credentials without it")
    if not re.fullmatch(ENV, name):
        text = "expected upper case letters, digits and _; give it another name"
        return service.note(node, f"{name}: {text}")
    if service.known:
        credential = name in [one.env for one in service.known.secrets]
        setting = name in [one.name for one in service.known.variables]
    else:
        credential = bool(SECRET_NAME.search(name) or SECRET_VALUE.search(literal))
        setting = not credential
    if credential or not setting:
        return _credential(service, name, node, leaked=bool(literal))
    if any(re.search(rf"(//|@|^){re.escape(one)}(:|/|$)", literal) for one in names):
        service.note(node, f"{name}: names another service of the file; nothing answers there")
    elif not service.known and PLAIN.fullmatch(literal) and not ADDRESS.search(literal):
        service.defaults[name] = literal
    service.env.append(name)
    if name in service.defaults:
        return service.note(
            node, f"{name}: a setting; its value here is the default in server.yaml"
        )
    command = f"`pulumi config set --path 'servers.{service.server}.env.{name}' …`"
    return service.note(node, f"{name}: a setting; run {command}, or set it where `pulumi` runs")


def _credential(service: Service, name: str, node: yaml.Node, *, leaked: bool = False) -> None:
    """leaked: whether its value is in the file."""
    if server := service.known:
        known = [one.env for one in server.secrets] + [one.name for one in server.variables]
        if name not in known:
            hint = closest(name, known) or f"see mcp_catalog/{server.name}/README.md"
            return service.note(node, f"{name}: {server.name} does not read it; {hint}")
    if name in service.secrets:
        return None
    service.secrets.append(name)
    command = f"`pulumi config set --secret --path 'secrets.{name}'`"
    plain = "; it is in this file in plain text, so create a new one" if leaked else ""
    return service.note(
        node, f"{name}: a credential; run {command}, or set it where `pulumi` runs{plain}"
    )
