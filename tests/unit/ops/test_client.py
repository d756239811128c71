"""The files that clients of a platform that is up are given."""

import json

import pytest

from ops import client

OUTPUTS = {
    "gateway_token": "the-token",
    "gateway_url": "https://192.0.2.1:8443",
    "gateway_urls": ["https://192.0.2.1:8443", "https://192.0.2.2:8443"],
    "mcp_endpoints": {"ai_memory": "https://192.0.2.1:8443/mcp/ai_memory"},
    "nodes": {"manager-1": {"address": "192.0.2.1", "host_key": "ssh-ed25519 AAAA"}},
    "ca_certificate": "-----BEGIN CERTIFICATE-----",
    "ssh_private_key": "key",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))


def test_an_mcp_client_is_told_the_transport():
    """Claude Code drops entries without a type."""
    content = json.loads((client.write_files(OUTPUTS) / "mcp.json").read_text())
    assert content["mcpServers"]["ai_memory"] == {
        "type": "http",
        "url": "https://192.0.2.1:8443/mcp/ai_memory",
        "headers": {"Authorization": "Bearer the-token"},
    }


def test_files_are_for_their_owner_alone():
    folder = client.write_files(OUTPUTS)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
