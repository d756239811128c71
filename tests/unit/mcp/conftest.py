import sys
from pathlib import Path

import pytest
from sophia_mcp.server import Server
from sophia_mcp.settings import read_settings

from tests.support import mcp_process

HERE = Path(__file__).parent
TOY = str(HERE / "toy_server.py")


@pytest.fixture(scope="session")
def toy_command() -> list[str]:
    return [TOY]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory):
    """The toy server as a process, shared by tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "dependency").touch()
    environment = {
        "MCP_ALLOWED_HOSTS": "sophia-dev-toy",
        "TOY_DEPENDENCY": str(folder / "dependency"),
    }
    with mcp_process.running([TOY], folder / "log", environment) as replica:
        yield replica


@pytest.fixture
def toy_in_process(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.syspath_prepend(str(HERE))
    import toy_server

    try:
        return toy_server.build(read_settings("toy", {}))
    finally:
        del sys.modules["toy_server"]
