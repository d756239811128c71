"""What a server's files say about it agrees."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.mcp_process import ROOT

FOLDERS = sorted(path.parent for path in (ROOT / "mcp_catalog").glob("*/server.yaml"))
BASE_LOCK = (ROOT / "mcp_catalog" / "base" / "requirements.txt").read_text()


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+) \\$", lock, re.M))


def test_there_are_servers():
    assert {folder.name for folder in FOLDERS} >= {"ai_memory", "lambda_labs_cli"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_has_what_a_server_is(folder: Path):
    names = {path.name for path in folder.iterdir()}
    assert {"server.yaml", "server.py", "README.md", "test_server.py", "tools.json"} <= names
    assert not {"Dockerfile", "__main__.py"} & names, "all servers share those of base/"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_description_and_code_agree(folder: Path):
    described = yaml.safe_load((folder / "server.yaml").read_text())
    code = "".join(p.read_text() for p in folder.glob("*.py") if not p.name.startswith("test_"))
    config = described.get("config", {})
    asked = [secret["env"] for secret in config.get("secrets", [])]
    asked += [variable["name"] for variable in config.get("env", [])]
    asked += described.get("run", {}).get("env", {})
    for name in asked:
        # Those of the runtime's own are read there.
        assert name.startswith("MCP_") or f'"{name}"' in code, f"nothing reads {name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_server_locks_what_the_base_has_to_the_same_version(folder: Path):
    lock = folder / "requirements.txt"
    base = pins(BASE_LOCK)
    assert base["mcp"] == "2.3.0"
    own = pins(lock.read_text()) if lock.exists() else {}
    assert {name: own[name] for name in own.keys() & base.keys()} == {
        name: base[name] for name in own.keys() & base.keys()
    }
