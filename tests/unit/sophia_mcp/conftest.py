import sys
from collections.abc import Callable, Iterator
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
    """The toy server as a process, shared by tests that don't change it."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "dependency").touch()
    environment = {
        "MCP_ALLOWED_HOSTS": "sophia-dev-toy",
        "TOY_DEPENDENCY": str(folder / "dependency"),
    }
    with mcp_process.running([TOY], folder / "log", environment) as replica:
        yield replica


@pytest.fixture
def build_toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Builds the toy server in this process, with these variables."""
    monkeypatch.syspath_prepend(str(HERE))
    import toy_server

    yield lambda **variables: toy_server.build(read_settings("toy", variables))
    del sys.modules["toy_server"]


@pytest.fixture
def toy_in_process(build_toy: Callable[..., Server]) -> Server:
    return build_toy()
