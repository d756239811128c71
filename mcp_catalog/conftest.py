"""What the servers' own tests share."""

import pytest
from sophia_mcp.upstream import client
from sophia_mcp.upstream.pace import Pace


@pytest.fixture(autouse=True)
def _without_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real services limit calls per second; a stand-in allows any number."""
    monkeypatch.setattr(client, "Pace", lambda at_once, _: Pace(at_once, None))
