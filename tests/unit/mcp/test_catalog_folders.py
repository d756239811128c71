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
def test_file_image_and_code_agree(folder: Path):
    described = yaml.safe_load((folder / "server.yaml").read_text())
    dockerfile = (folder / "Dockerfile").read_text()
    assert described["name"] == folder.name
    assert f"EXPOSE {described['deploy']['port']}\n" in dockerfile
    assert f'CMD ["python", "-m", "{folder.name}"]' in dockerfile
    assert len(described["about"]["description"]) <= 100
    code = "".join(path.read_text() for path in (folder / folder.name).glob("*.py"))
    for secret in described["config"]["secrets"]:
        assert f'secret("{secret["env"]}")' in code
    assert f'title="{described["about"]["title"]}"' in code
    for variable in [*described["run"]["env"], *(v["name"] for v in described["config"]["env"])]:
        assert f'"{variable}"' in code or variable.startswith("MCP_"), "MCP_ is the runtime's"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_server_locks_what_the_base_has_to_the_same_version(folder: Path):
    lock = folder / "requirements.txt"
    base = pins(BASE_LOCK)
    assert base["mcp"] == "2.3.0"
    own = pins(lock.read_text()) if lock.exists() else {}
    assert {name: own[name] for name in own.keys() & base.keys()} == {
        name: base[name] for name in own.keys() & base.keys()
    }
