"""The files that clients of a platform that is up are given."""

import json
import shlex
import socket

import pytest

from ops import client

OUTPUTS = {
    "gateway_token": "the-token",
    "gateway_url": "https://127.0.0.2:1",
    "gateway_urls": ["https://127.0.0.2:1", "https://127.0.0.3:1"],
    "mcp_endpoints": {"ai_memory": "https://127.0.0.2:1/mcp/ai_memory"},
    "nodes": {"manager-1": {"address": "192.0.2.1", "host_key": "ssh-ed25519 AAAA"}},
    "ca_certificate": "-----BEGIN CERTIFICATE-----",
    "ssh_private_key": "key",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    monkeypatch.setattr(client.urllib.request, "getproxies", dict)


def test_an_mcp_client_is_told_the_transport():
    """Claude Code drops entries without a type."""
    content = json.loads((client.write_files(OUTPUTS) / "mcp.json").read_text())
    assert content["mcpServers"]["ai_memory"] == {
        "type": "http",
        "url": "https://127.0.0.2:1/mcp/ai_memory",
        "headers": {"Authorization": "Bearer the-token"},
    }


def test_a_client_is_led_past_a_gateway_that_is_lost():
    with socket.create_server(("127.0.0.3", 0)) as server:
        living = f"https://127.0.0.3:{server.getsockname()[1]}"
        outputs = {**OUTPUTS, "gateway_urls": ["https://127.0.0.2:1", living]}
        content = json.loads((client.write_files(outputs) / "mcp.json").read_text())
        assert content["mcpServers"]["ai_memory"]["url"] == f"{living}/mcp/ai_memory"

        name = "https://mcp.example.com"
        outputs |= {"ca_certificate": "", "gateway_url": name, "gateway_urls": [name, living]}
        content = json.loads((client.write_files(outputs) / "mcp.json").read_text())
    # The operator's certificate doesn't contain the managers' addresses.
    assert content["mcpServers"]["ai_memory"]["url"] == f"{name}/mcp/ai_memory"


def test_without_a_ca_of_the_platforms_own_clients_trust_what_they_do_anyway(capfd):
    client.write_files(OUTPUTS)
    outputs = {**OUTPUTS, "ca_certificate": ""}
    folder = client.write_files(outputs)
    assert not (folder / "ca.pem").exists()
    client.farewell(outputs, folder)
    assert "SSL_CERT_FILE" not in capfd.readouterr().out
    client.farewell(OUTPUTS, folder)
    assert "SSL_CERT_FILE" in capfd.readouterr().out


def test_vs_code_has_a_file_of_its_own_form():
    folder = client.write_files(OUTPUTS)
    servers = json.loads((folder / "mcp.json").read_text())["mcpServers"]
    assert json.loads((folder / "vscode.json").read_text()) == {"servers": servers}


def test_one_entry_finds_the_tools_of_all_servers():
    content = json.loads((client.write_files(OUTPUTS) / "search.json").read_text())
    [entry] = content["mcpServers"].values()
    assert entry["url"] == "https://127.0.0.2:1/mcp?tools=search"


def test_clients_are_told_how_to_trust_the_platform_and_no_token_is_in_a_command():
    folder = client.write_files(OUTPUTS)
    lines = (folder / "README.md").read_text()
    for program in ("claude", "code", "cursor"):
        assert f"NODE_EXTRA_CA_CERTS={folder}/ca.pem {program} " in lines
    assert "the-token" not in lines
    client.write_files({**OUTPUTS, "ca_certificate": ""})
    assert "NODE_EXTRA_CA_CERTS" not in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        (["ai_memory"], " call {}/mcp.json store_memory "),
        (["ai_memory", "github"], " call {}/mcp.json ai_memory_store_memory "),
        (["github"], " list {}/mcp.json"),
    ],
)
def test_the_example_fits_the_servers_that_run(servers, words):
    outputs = {**OUTPUTS, "mcp_endpoints": dict.fromkeys(servers, "https://a.b")}
    folder = client.folder()
    assert words.format(folder) in client.example(outputs, folder)


def test_every_command_can_be_pasted_whatever_its_folders_are_called(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "my home"))
    folder = client.write_files(OUTPUTS)
    monkeypatch.setattr(client.sys, "executable", str(tmp_path / "my clone" / "python"))
    told = client.example(OUTPUTS, folder)
    readme = (folder / "README.md").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("    ")]
    assert len(commands) == 5
    for command in (told, *commands):
        words = shlex.split(command)
        assert any(str(folder) in word for word in words) or words == ["cursor", "."], words
    assert str(tmp_path / "my clone" / "fastmcp") in shlex.split(told)
    assert shlex.split(told)[1] == f"SSL_CERT_FILE={folder / 'ca.pem'}"


def test_the_example_passes_a_proxy_by(monkeypatch):
    folder = client.write_files(OUTPUTS)
    assert "no_proxy" not in client.example(OUTPUTS, folder)
    monkeypatch.setattr(client.urllib.request, "getproxies", lambda: {"https": "http://192.0.2.1"})
    assert " no_proxy=127.0.0.2 " in client.example(OUTPUTS, folder)


def test_files_are_for_their_owner_alone():
    folder = client.write_files(OUTPUTS)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
