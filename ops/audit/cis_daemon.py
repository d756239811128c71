"""CIS Docker Benchmark 1.6, sections 1 to 3 and 7: hosts, Docker and the Swarm. Pure.

docs/security/audit.md lists the numbers that are left out, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ops.audit.findings import Check
from ops.audit.nodes import Node

_LOCAL = {"127.0.0.0/8", "::1/128"}
"""Docker always has these as insecure registries."""
_NODE_CERTIFICATE_H = 2160
"""Hours that a node's certificate may last: Swarm's default, 90 days."""

_Look = Callable[[Node], Iterable[str]]


def checks(nodes: Sequence[Node], planned: Mapping[str, str], user: str) -> list[Check]:
    """All of them. planned: roles of all nodes of the stack. user: who logs in to them."""

    def each(name: str, title: str, look: _Look) -> Check:
        return Check(name, title, {node.name: list(look(node)) for node in nodes})

    return [
        each("cis-1.1.2", "only known users control Docker", lambda node: _group(node, {user})),
        each("cis-1.1.3", "auditd watches Docker's files", _auditd),
        each("cis-2.1", "Docker runs without root", lambda node: _security(node, "rootless")),
        each("cis-2.2", "containers on the default bridge don't reach each other", _icc),
        each("cis-2.3", "Docker logs at level info", _log_level),
        each("cis-2.4", "Docker may change iptables", _iptables),
        each("cis-2.5", "no insecure registries", _registries),
        each("cis-2.6", "no aufs", _storage),
        each("cis-2.7", "Docker doesn't listen on TCP", _sockets),
        each("cis-2.9", "user namespaces", lambda node: _security(node, "userns")),
        each("cis-2.12", "a plug-in authorizes Docker's clients", _authorization),
        each("cis-2.13", "logs are bounded, and sent elsewhere", _logging),
        each("cis-2.14", "no new privileges", _no_new_privileges),
        each("cis-2.15", "live restore", _live_restore),
        each("cis-2.16", "no userland proxy", _userland_proxy),
        each("cis-2.17", "a seccomp profile", lambda node: _security(node, "seccomp")),
        each("cis-2.18", "no experimental features", _experimental),
        *(
            each(name, title, _owned(owner, most, place))
            for name, title, owner, most, place in _FILES
        ),
        *_swarm(nodes, planned),
    ]


_UNITS = "/lib/systemd/system/docker"
_FILES = (
    ("cis-3.1", "docker.service: owner, mode", "root:root", 0o644, f"{_UNITS}.service"),
    ("cis-3.3", "docker.socket: owner, mode", "root:root", 0o644, f"{_UNITS}.socket"),
    ("cis-3.5", "/etc/docker: owner, mode", "root:root", 0o755, "/etc/docker"),
    (
        "cis-3.7",
        "registries' certificates: owner, mode",
        "root:root",
        0o444,
        "/etc/docker/certs.d/",
    ),
    ("cis-3.15", "Docker's socket: owner, mode", "root:docker", 0o660, "/run/docker.sock"),
    ("cis-3.17", "daemon.json: owner, mode", "root:root", 0o644, "/etc/docker/daemon.json"),
    ("cis-3.19", "/etc/default/docker: owner, mode", "root:root", 0o644, "/etc/default/docker"),
    ("cis-3.23", "containerd's socket: owner, mode", "root:root", 0o660, "/run/containerd/"),
    ("first-boot", "the first boot's text: owner, mode", "root:root", 0o600, "/var/lib/cloud/"),
)
"""Name, what it is, owner, mode, a path or all below a folder. The next number is the mode's."""
_EVERYWHERE = ("/etc/docker/daemon.json", "/run/docker.sock")
"""What every node of ours has, wherever its Docker comes from."""


def _owned(owner: str, most: int, place: str) -> _Look:
    def look(node: Node) -> Iterator[str]:
        if place in _EVERYWHERE and place not in node.files:
            yield f"{place}: not there"
        for path, (found, mode) in node.files.items():
            if path != place and not (place.endswith("/") and path.startswith(place)):
                continue
            if found != owner:
                yield f"{path}: got owner {found}, expected {owner}"
            if mode & ~most:
                yield f"{path}: got mode {mode:o}, expected {most:o} or less"

    return look


def _group(node: Node, expected: Collection[str]) -> Iterator[str]:
    members = node.text("docker_group").strip().rpartition(":")[2]
    for name in filter(None, members.split(",")):
        if name not in expected:
            yield f"user {name} is in the group docker"


def _auditd(node: Node) -> Iterator[str]:
    if "/var/lib/docker" not in node.text("auditd"):
        yield "no rule of auditd"


def _security(node: Node, option: str) -> Iterator[str]:
    options = node.info.get("SecurityOptions") or []
    found = [one for one in options if one.split(",")[0] == f"name={option}"]
    if not found:
        yield f"off: `docker info` has no {option}"
    elif "profile=unconfined" in found[0]:
        yield f"{option} is unconfined"


def _icc(node: Node) -> Iterator[str]:
    for network in node.each("networks"):
        allowed = (network.get("Options") or {}).get("com.docker.network.bridge.enable_icc")
        if network["Driver"] == "bridge" and allowed != "false":
            yield f"they do on network {network['Name']}"


def _log_level(node: Node) -> Iterator[str]:
    if (level := node.daemon.get("log-level", "info")) != "info":
        yield f"got {level}"


def _iptables(node: Node) -> Iterator[str]:
    if node.daemon.get("iptables", True) is not True:
        yield "iptables is false in daemon.json"


def _registries(node: Node) -> Iterator[str]:
    known = node.info.get("RegistryConfig") or {}
    for network in known.get("InsecureRegistryCIDRs") or []:
        if network not in _LOCAL:
            yield f"{network} is insecure"
    for name, index in (known.get("IndexConfigs") or {}).items():
        if not index.get("Secure"):
            yield f"{name} is insecure"


def _storage(node: Node) -> Iterator[str]:
    if (driver := node.info.get("Driver", "nothing")) in ("aufs", "nothing"):
        yield f"the storage driver is {driver}"


def _sockets(node: Node) -> Iterator[str]:
    daemons = [
        line for line in node.text("processes").splitlines() if "dockerd" in line.split(" ")[0]
    ]
    if not daemons:
        yield "no dockerd among the processes"
    hosts = [*daemons, *node.daemon.get("hosts", [])]
    if any("tcp://" in host for host in hosts):
        yield "it listens on TCP"


def _authorization(node: Node) -> Iterator[str]:
    if not (node.info.get("Plugins") or {}).get("Authorization"):
        yield "none"


def _logging(node: Node) -> Iterator[str]:
    if (driver := node.info.get("LoggingDriver")) in ("json-file", "local"):
        yield f"containers' logs stay on the node ({driver})"
    if not {"max-size", "max-file"} <= set(node.daemon.get("log-opts", {})):
        yield "daemon.json has no log-opts max-size and max-file"


def _no_new_privileges(node: Node) -> Iterator[str]:
    if node.daemon.get("no-new-privileges") is not True:
        yield "no-new-privileges is not true in daemon.json"


def _live_restore(node: Node) -> Iterator[str]:
    if not node.info.get("LiveRestoreEnabled"):
        yield "off"


def _userland_proxy(node: Node) -> Iterator[str]:
    if node.daemon.get("userland-proxy", True) is not False:
        yield "on"


def _experimental(node: Node) -> Iterator[str]:
    if node.info.get("ExperimentalBuild"):
        yield "on"


def _swarm(nodes: Sequence[Node], planned: Mapping[str, str]) -> Iterator[Check]:
    managers = [node for node in nodes if node.role == "manager"]

    def one(name: str, title: str, look: _Look) -> Check:
        return Check(name, title, {node.name: list(look(node)) for node in managers})

    yield one("cis-7.1", "the Swarm's members are the plan's", lambda node: _members(node, planned))
    yield one("cis-7.2", "the Swarm listens on one address", _listening)
    yield one("cis-7.3", "overlays are encrypted", _encrypted)
    yield one("cis-7.5", "managers are locked when they start", _locked)
    yield one("cis-7.7", "nodes' certificates are short-lived", _expiry)


def _members(node: Node, planned: Mapping[str, str]) -> Iterator[str]:
    named = [(one["Spec"]["Labels"].get("node", ""), one["Spec"]) for one in node.each("members")]
    known = dict(named)
    for name, times in Counter(name for name, _ in named).items():
        if times > 1:
            yield f"{name or 'a node without a name'} is in the Swarm {times} times"
    for name in known.keys() - planned.keys():
        yield f"{name or 'a node without a name'} is in the Swarm, and not in the stack"
    for name in planned.keys() - known.keys():
        yield f"{name} is not in the Swarm"
    for name in known.keys() & planned.keys():
        if known[name]["Role"] != planned[name]:
            yield f"{name} is a {known[name]['Role']}, expected a {planned[name]}"


def _listening(node: Node) -> Iterator[str]:
    for line in node.text("listening").splitlines():
        host, _, port = line.split()[3].rpartition(":")
        if port in ("2377", "7946") and host in ("*", "0.0.0.0", "[::]"):
            yield f"port {port} is open on every address of the machine"


def _encrypted(node: Node) -> Iterator[str]:
    ports = [
        port
        for one in node.each("services")
        for port in one["Spec"].get("EndpointSpec", {}).get("Ports") or []
    ]
    used = any(port.get("PublishMode") == "ingress" for port in ports)
    for network in node.each("networks"):
        if network["Driver"] != "overlay" or (network.get("Ingress") and not used):
            continue
        if "encrypted" not in (network.get("Options") or {}):
            yield f"network {network['Name']} is not"


def _cluster(node: Node) -> dict[str, dict[str, object]]:
    swarm = node.info.get("Swarm") or {}
    spec: dict[str, dict[str, object]] = (swarm.get("Cluster") or {}).get("Spec") or {}
    return spec


def _locked(node: Node) -> Iterator[str]:
    if not _cluster(node).get("EncryptionConfig", {}).get("AutoLockManagers"):
        yield "they unlock themselves"


def _expiry(node: Node) -> Iterator[str]:
    nanoseconds = _cluster(node).get("CAConfig", {}).get("NodeCertExpiry")
    hours = float(str(nanoseconds or 0)) / 3.6e12
    if not 0 < hours <= _NODE_CERTIFICATE_H:
        yield f"they last {hours:g} hours, expected {_NODE_CERTIFICATE_H} at most"
