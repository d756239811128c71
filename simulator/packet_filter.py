"""The firewall's rules as a script that a node runs: what its kernel lets in.

It filters packets as they arrive, before Docker's published ports redirect them: a rule means a
port of the machine, whether a process or a container listens there. Docker doesn't use this table,
so restarts of Docker and the Swarm change nothing. Replies to the node's own connections come in,
and traffic between its containers never passes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.records import FirewallRule

CHAIN = "CLOUD-FIREWALL"
INTERFACE = "eth0"
"""The interface of the nodes' network: its name in a container with one network."""

EVERY_PORT = [1, 65535]

SCRIPT = f"""\
#!/bin/sh
# What the simulated cloud's firewall lets in here. The cloud writes this file.
set -e
iptables-restore --wait --noflush <<'END'
*mangle
:{CHAIN} - [0:0]
%s
COMMIT
END
jump="PREROUTING -i {INTERFACE} -j {CHAIN}"
iptables --wait --table mangle --check $jump 2>/dev/null ||
  iptables --wait --table mangle --insert $jump
"""
"""The chain is replaced atomically: there is no moment without rules."""


def script(rules: Iterable[FirewallRule] | None) -> str:
    """Lets in only what the rules allow; everything if they are None. Pure."""
    if rules is None:
        return SCRIPT % f"-A {CHAIN} -j RETURN"
    matches = ["-m conntrack --ctstate ESTABLISHED,RELATED"]
    matches += [match for rule in rules for match in _matches(rule)]
    lines = [f"-A {CHAIN} {match} -j RETURN" for match in matches]
    return SCRIPT % "\n".join([*lines, f"-A {CHAIN} -j DROP"])


def _matches(rule: FirewallRule) -> Iterator[str]:
    """`all` with every port means any protocol, including ESP; with fewer ports, those that have
    ports. The document says neither."""
    source = f"-s {rule.source_network}"
    if rule.port_range is None:
        yield f"-p {rule.protocol} {source}"
    elif rule.protocol == "all" and rule.port_range == EVERY_PORT:
        yield source
    else:
        first, last = rule.port_range
        for protocol in ("tcp", "udp") if rule.protocol == "all" else (rule.protocol,):
            yield f"-p {protocol} {source} --dport {first}:{last}"
