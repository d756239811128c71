"""Rules as a packet filter; tests/integration/simulator sees it at work."""

import pytest

from simulator.packet_filter import script
from simulator.records import FirewallRule

SOURCE = "192.0.2.7"


@pytest.mark.parametrize(
    ("protocol", "ports", "matches"),
    [
        ("tcp", [22, 22], [f"-p tcp -s {SOURCE} --dport 22:22"]),
        ("udp", [4789, 7946], [f"-p udp -s {SOURCE} --dport 4789:7946"]),
        ("icmp", None, [f"-p icmp -s {SOURCE}"]),
        ("all", [1, 65535], [f"-s {SOURCE}"]),
        ("all", [1, 80], [f"-p {one} -s {SOURCE} --dport 1:80" for one in ("tcp", "udp")]),
    ],
)
def test_what_a_rule_lets_in(protocol, ports, matches):
    assert chain([FirewallRule(protocol, SOURCE, "", ports)]) == [
        "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
        *(f"{match} -j RETURN" for match in matches),
        "-j DROP",
    ]


def test_without_rules_only_answers_come_in():
    assert chain([]) == ["-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN", "-j DROP"]


def test_without_a_firewall_everything_comes_in():
    assert chain(None) == ["-j RETURN"]


def chain(rules):
    """The rules of the chain, in order."""
    start = "-A CLOUD-FIREWALL "
    lines = script(rules).splitlines()
    return [line.removeprefix(start) for line in lines if line.startswith(start)]
