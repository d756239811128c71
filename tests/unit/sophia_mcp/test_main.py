"""`python -m sophia_mcp <name>`, as the image runs it."""

import socket
from pathlib import Path

import pytest

from tests.support import mcp_process
from tests.support.mcp_process import ROOT
from tests.support.polling import until

pytestmark = pytest.mark.slow


def test_a_server_of_the_catalog_starts_by_its_name_without_any_credential(tmp_path: Path):
    command = ["-m", "sophia_mcp", "ai_memory"]
    with mcp_process.running(command, tmp_path / "log", {}, (ROOT,)) as replica:
        status, body = replica.health()
    assert (status, body["status"], body["server"]) == (200, "not_configured", "ai_memory")
    assert "MEMORY_DATABASE_URL is not set" in body["problem"]


def test_a_server_listens_where_it_is_told(tmp_path: Path):
    command, told = ["-m", "sophia_mcp", "lambda_labs_cli"], {"LISTEN_ADDRESS": "127.0.0.1"}
    with mcp_process.running(command, tmp_path / "log", told, (ROOT,)) as replica:
        assert replica.health()[0] == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", replica.port)).close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "expected a server in mcp_catalog/fly/server.py, got none"),
        ([], "usage: python -m sophia_mcp NAME"),
        (["a", "b"], "usage: python -m sophia_mcp NAME"),
    ],
)
def test_any_other_name_is_one_line(tmp_path: Path, arguments: list[str], said: str):
    log = tmp_path / "log"
    replica = mcp_process.launch(["-m", "sophia_mcp", *arguments], log, {}, (ROOT,))
    until(replica.process.poll, lambda status: status is not None, "its end", 20)
    assert replica.process.returncode in (1, 2)
    (line,) = log.read_text().splitlines()
    assert said in line


def test_a_server_whose_own_import_fails_says_which(tmp_path: Path):
    folder = tmp_path / "mcp_catalog" / "broken"
    folder.mkdir(parents=True)
    (folder / "server.py").write_text("import no_such_library\n")
    log = tmp_path / "log"
    replica = mcp_process.launch(["-m", "sophia_mcp", "broken"], log, {}, (tmp_path,))
    until(replica.process.poll, lambda status: status is not None, "its end", 20)
    assert "No module named 'no_such_library'" in log.read_text()
