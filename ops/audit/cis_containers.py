"""CIS Docker Benchmark 1.6, sections 4 and 5: images and containers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.audit.findings import Check
from ops.audit.nodes import Node

Json = dict[str, Any]

SERVICE = "com.docker.swarm.service.name"
OLDEST = timedelta(days=60)
"""The oldest age of a running image: its packages have had security fixes since."""
_SYSTEM = ("/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sys", "/usr", "/var/run")
"""Host folders that no container needs."""
_DOCKER = "/var/lib/docker"

_Look = Callable[[Json], Iterable[str]]


def checks(nodes: Sequence[Node], now: datetime) -> list[Check]:
    """All of them; subjects are named after their services."""
    containers = [one for node in nodes for one in node.each("containers")]
    jobs = {
        one["Spec"]["Name"]
        for node in nodes
        for one in node.each("services")
        if "ReplicatedJob" in one["Spec"]["Mode"]
    }
    images = {one["Id"]: one for node in nodes for one in node.each("images")}
    no_new_privileges = all(node.daemon.get("no-new-privileges") is True for node in nodes)

    def every(number: str, title: str, look: _Look) -> Check:
        found: dict[str, dict[str, None]] = {}
        for one in containers:
            found.setdefault(name_of(one), {}).update(dict.fromkeys(look(one)))
        return Check(f"cis-{number}", title, {name: list(said) for name, said in found.items()})

    def aged(one: Json) -> Iterator[str]:
        if (image := images.get(one["Image"])) is None:
            yield "nothing is known of its image"
            return
        made = datetime.fromisoformat(image["Created"][:19]).replace(tzinfo=UTC)
        if now - made > OLDEST:
            old = f"its image is {(now - made).days} days old"
            yield f"{old}: set images.refresh, or a newer one where it is not ours"

    def watched(one: Json) -> Iterator[str]:
        test = (one["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
        if test == ["NONE"] and name_of(one) not in jobs:
            yield "no health check"

    def privileges(one: Json) -> Iterator[str]:
        options = one["HostConfig"].get("SecurityOpt") or []
        said = [option for option in options if option.startswith("no-new-privileges")]
        if said[:1] in (["no-new-privileges=false"], ["no-new-privileges:false"]):
            yield "it may gain privileges"
        elif not said and not no_new_privileges:
            yield "neither it nor Docker's configuration forbids new privileges"

    return [
        Check("seen", "a container of every service was seen", _unseen(nodes, containers)),
        every("4.1", "a user that isn't root", _user),
        every("4.4", "images are rebuilt for security fixes", aged),
        every("4.6", "a health check in the image", _image_watched(images, jobs)),
        every("5.2", "AppArmor", _apparmor),
        every("5.4", "no capabilities", _capabilities),
        every("5.5", "not privileged", _is("Privileged", False, "privileged")),
        every("5.6", "no folders of the system", _folders),
        every("5.8", "no ports below 1024", _low_ports),
        every("5.9", "only the gateway publishes a port", _published),
        every("5.10", "not the host's network", _apart("NetworkMode")),
        every("5.11", "memory is limited", _limited("Memory")),
        every("5.12", "processors are limited", _limited("NanoCpus", "CpuShares")),
        every("5.13", "a read-only root", _is("ReadonlyRootfs", True, "its root can be written")),
        every("5.14", "ports on one address", _one_address),
        every("5.15", "Swarm restarts, not Docker", _restarts),
        every("5.16", "not the host's processes", _apart("PidMode")),
        every("5.17", "not the host's IPC", _apart("IpcMode")),
        every("5.18", "no devices", _devices),
        every("5.20", "no shared mounts", _propagation),
        every("5.21", "not the host's UTS", _apart("UTSMode")),
        every("5.22", "seccomp is on", _seccomp),
        every("5.25", "Docker's own cgroup", _is("CgroupParent", "", "a cgroup of its own")),
        every("5.26", "no new privileges", privileges),
        every("5.27", "health is watched", watched),
        every("5.29", "processes are limited", _limited("PidsLimit")),
        every("5.30", "not on the default bridge", _bridge),
        every("5.31", "not the host's users", _apart("UsernsMode")),
        every("5.32", "without Docker's socket", _socket),
        Check("image-digest", "services run images by digest", _digests(nodes)),
    ]


def name_of(container: Json) -> str:
    """Its service's name, or its own name without one."""
    labels = container["Config"].get("Labels") or {}
    return str(labels.get(SERVICE) or container["Name"].lstrip("/"))


def _is(key: str, wanted: object, problem: str) -> _Look:
    def look(one: Json) -> Iterator[str]:
        if one["HostConfig"].get(key) != wanted:
            yield problem

    return look


def _apart(key: str) -> _Look:
    def look(one: Json) -> Iterator[str]:
        if one["HostConfig"].get(key) == "host":
            yield f"{key} is host"

    return look


def _limited(*keys: str) -> _Look:
    def look(one: Json) -> Iterator[str]:
        if not any((one["HostConfig"].get(key) or 0) > 0 for key in keys):
            yield f"no limit ({' or '.join(keys)})"

    return look


def _user(one: Json) -> Iterator[str]:
    if (user := one["Config"].get("User") or "root").split(":")[0] in ("root", "0"):
        yield f"it runs as {user}"


def _image_watched(images: dict[str, Json], jobs: set[str]) -> _Look:
    def look(one: Json) -> Iterator[str]:
        config = images.get(one["Image"], {}).get("Config") or {}
        if not config.get("Healthcheck") and name_of(one) not in jobs:
            yield "none"

    return look


def _apparmor(one: Json) -> Iterator[str]:
    if one.get("AppArmorProfile") in (None, "", "unconfined"):
        yield "no profile of AppArmor"


def _capabilities(one: Json) -> Iterator[str]:
    host = one["HostConfig"]
    if "ALL" not in [str(name).removeprefix("CAP_") for name in host.get("CapDrop") or []]:
        yield "not all are dropped"
    for name in host.get("CapAdd") or []:
        yield f"it has {name}"


def _sources(one: Json) -> list[str]:
    return [str(mount["Source"]) for mount in one.get("Mounts") or [] if mount["Type"] == "bind"]


def _folders(one: Json) -> Iterator[str]:
    for source in _sources(one):
        secret = source.startswith(f"{_DOCKER}/containers/") and "/mounts/" in source
        inside = any(source == place or source.startswith(f"{place}/") for place in _SYSTEM)
        docker = source == _DOCKER or source.startswith(f"{_DOCKER}/")
        if source == "/" or inside or (docker and not secret):
            yield f"{source} is mounted"


def _ports(one: Json) -> list[tuple[str, int]]:
    bindings = (one["HostConfig"].get("PortBindings") or {}).values()
    shown = (one.get("NetworkSettings") or {}).get("Ports") or {}
    every = [place for places in (*bindings, *shown.values()) for place in places or []]
    return [(place.get("HostIp") or "0.0.0.0", int(place["HostPort"] or 0)) for place in every]


def _low_ports(one: Json) -> Iterator[str]:
    for _, port in _ports(one):
        if port < 1024:
            yield f"port {port}"


def _published(one: Json) -> Iterator[str]:
    if not name_of(one).endswith("-gateway"):
        for _, port in _ports(one):
            yield f"it publishes port {port}"


def _one_address(one: Json) -> Iterator[str]:
    for address, port in _ports(one):
        if address in ("0.0.0.0", "::"):
            yield f"port {port} on every address"


def _restarts(one: Json) -> Iterator[str]:
    if (name := (one["HostConfig"].get("RestartPolicy") or {}).get("Name")) in (
        "always",
        "unless-stopped",
    ):
        yield f"Docker restarts it ({name})"


def _devices(one: Json) -> Iterator[str]:
    for device in one["HostConfig"].get("Devices") or []:
        yield f"{device.get('PathOnHost')} is exposed"


def _propagation(one: Json) -> Iterator[str]:
    for mount in one.get("Mounts") or []:
        if "shared" in str(mount.get("Propagation", "")):
            yield f"{mount['Destination']} is shared"


def _seccomp(one: Json) -> Iterator[str]:
    if "seccomp=unconfined" in (one["HostConfig"].get("SecurityOpt") or []):
        yield "off"


def _bridge(one: Json) -> Iterator[str]:
    if "bridge" in ((one.get("NetworkSettings") or {}).get("Networks") or {}):
        yield "it is on it"


def _socket(one: Json) -> Iterator[str]:
    for source in _sources(one):
        if source.endswith("docker.sock"):
            yield f"{source} is mounted"


def _unseen(nodes: Sequence[Node], containers: Sequence[Json]) -> dict[str, list[str]]:
    """What nothing is seen of would pass every check. Jobs have ended, most of the time."""
    modes = {one["Spec"]["Name"]: one["Spec"]["Mode"] for n in nodes for one in n.each("services")}
    if not modes:
        return {"the Swarm": ["it has no services"]}
    there = {name_of(one) for one in containers}
    return {
        name: ["no container of it was seen: nothing of it was checked"]
        for name, mode in modes.items()
        if name not in there
        and ("Global" in mode or (mode.get("Replicated") or {}).get("Replicas", 0) > 0)
    }


def _digests(nodes: Sequence[Node]) -> dict[str, list[str]]:
    services = {one["Spec"]["Name"]: one["Spec"] for n in nodes for one in n.each("services")}
    return {
        name: []
        if "@sha256:" in (image := spec["TaskTemplate"]["ContainerSpec"]["Image"])
        else [f"got {image}, expected one with its digest"]
        for name, spec in services.items()
    }
