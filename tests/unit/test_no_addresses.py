"""No tracked file contains a machine's address: they come from `pulumi stack output`."""

import ipaddress
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"(?<![\d.])(?<!==)(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\d.]*\d)")
ALLOWED = [
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "0.0.0.0/32",
        "169.254.169.254/32",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
]
"""Loopback, "every address", where clouds tell a machine of itself, and what RFC 5737 keeps for
documentation."""


def addresses(text: str) -> list[str]:
    """The addresses of machines in a text; networks with a prefix length are configuration."""
    found = []
    for match in ADDRESS.finditer(text):
        try:
            address = ipaddress.IPv4Interface(match.group())
        except ValueError:
            continue
        network = "/" in match.group() and address.network.prefixlen < 32
        if not network and not any(address.ip in allowed for allowed in ALLOWED):
            found.append(match.group())
    return found


PUBLISHED = {
    Path("tests/unit/simulator/lambda-cloud-openapi-1.8.3.json"),
    Path("mcp_catalog/ui_ux_agent/axe/axe.min.js"),
}
"""Third-party files, kept as published; the addresses in their examples are not machines."""


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    names = [Path(name) for name in listed.split("\0") if name]
    return [ROOT / name for name in names if name not in PUBLISHED and (ROOT / name).is_file()]


def test_no_tracked_file_holds_an_address():
    found = {}
    for file in tracked():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if held := addresses(text):
            found[str(file.relative_to(ROOT))] = held
    assert found == {}


# Put together here, since this file is tracked as well.
REAL = ".".join(["129", "146", "3", "7"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ssh ubuntu@{REAL}", [REAL]),
        (f"http://{REAL}:8443/mcp", [REAL]),
        (f"host: {REAL}/32", [f"{REAL}/32"]),
        ("127.0.0.1 and 0.0.0.0:8443 and 198.51.100.7", []),
        ("addressPools: [10.200.0.0/16]", []),
        ("version 1.2.3.4.5 and 999.1.1.1 and package==1.53.0.6", []),
    ],
)
def test_what_counts_as_an_address(text, expected):
    assert addresses(text) == expected
