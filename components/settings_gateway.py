"""The setting `gateway`: where MCP clients connect, who may call, from which websites. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from components.plan import own_certificate
from components.plan.gateway import CALLER, Caller
from components.reading import Reader, closest, listed
from components.settings_model import Gateway, Sensitive

PORT = 8443
TAKEN_PORTS = {22: "ssh", 2377: "Swarm's managers", 4789: "overlays", 7946: "Swarm's gossip"}

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"(?=.{{1,253}}$)({_LABEL}\.)*(?!\d+$){_LABEL}"
"""RFC 1123, in small letters. The last label is not a number: that would be an address."""
_ORIGIN = rf"[a-z][a-z0-9+.-]*://({_NAME}|[0-9.]+|\[[0-9a-f:]+\])(:[0-9]{{1,5}})?"
_DEFAULT_PORTS = (r"http://[^/]*:80", r"https://[^/]*:443")


def read(top: Reader, servers: Sequence[str]) -> Gateway:
    """The setting; what is wrong goes to the reader's faults. servers: names of those that run."""
    new, old = f"{top.path}:gateway.port", f"{top.path}:gatewayPort"
    move = f"`pulumi config set --path '{new}' {top.plain('gatewayPort')}`"
    top.retired("gatewayPort", "gateway.port", f"run {move} and `pulumi config rm {old}`")
    # Somebody may have put a key where the mapping belongs: don't show it.
    reader = top.inner("gateway", hidden=not isinstance(top.plain("gateway") or {}, Mapping))
    port, hosts, origins = _port(reader), _hosts(reader), _origins(reader)
    callers = _callers(reader.inner("callers"), servers)
    keep_former_ca = reader.flag("keepFormerCa", default=False)
    before = len(top.faults)
    # People paste both into one key: never show either.
    pair = (reader.secret("certificate", ""), reader.secret("privateKey", ""))
    if any(pair) and len(top.faults) == before:
        now = datetime.now(UTC)
        top.faults.extend(own_certificate.faults(reader.path, *pair, hosts, now))
    reader.finish()
    return Gateway(
        port, hosts, origins, callers, pair[0], Sensitive(pair[1]), keep_former_ca=keep_former_ca
    )


def _port(reader: Reader) -> int:
    port = reader.integer("port", PORT, low=1, high=65535)
    if port in TAKEN_PORTS:
        reader.fault("port", port, f"another port: this is {TAKEN_PORTS[port]}'s")
    return port


def _hosts(reader: Reader) -> tuple[str, ...]:
    expected = "a DNS name such as mcp.example.com, without scheme, port or path"
    hosts = reader.texts("hosts", (), pattern=rf"(?i:{_NAME})", expected=expected)
    return tuple(dict.fromkeys(host.lower() for host in hosts))


def _origins(reader: Reader) -> tuple[str, ...]:
    expected = "a website as browsers name it, such as https://app.example.com: scheme, host, port"
    origins = reader.texts("origins", (), pattern=_ORIGIN, expected=expected)
    for index, origin in enumerate(origins):
        if any(re.fullmatch(default, origin) for default in _DEFAULT_PORTS):
            expected = f"{origin.rpartition(':')[0]!r}: browsers leave the scheme's own port out"
            reader.fault(f"origins[{index}]", origin, expected)
    return tuple(dict.fromkeys(origins))


def _callers(reader: Reader, servers: Sequence[str]) -> tuple[Caller, ...]:
    callers = []
    for name in reader.names():
        if not CALLER.fullmatch(name):
            expected = "a caller's name: 1 to 32 small letters, digits, '.', '-' and '_'"
            reader.fault("", name, expected, "for example alice")
        entry = reader.inner(name)
        callers.append(
            Caller(
                name,
                _may_use(entry, servers),
                entry.token("rotate", ""),
                entry.flag("keepFormer", default=False),
            )
        )
        entry.finish()
    return tuple(callers)


def _may_use(entry: Reader, servers: Sequence[str]) -> tuple[str, ...] | None:
    """The servers that a caller may use, None for all."""
    if entry.plain("servers") == []:
        advice = "leave the key out for all of them, or the caller for none"
        entry.fault("servers", [], "at least one server", advice)
    wanted = entry.texts("servers", ())
    for index, server in enumerate(wanted):
        if server not in servers:
            entry.fault(f"servers[{index}]", server, listed(servers), closest(server, servers))
    return wanted or None
