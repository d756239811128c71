"""A server's files agree with one another."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from sophia_mcp.settings import read_settings

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


class Asked(dict[str, str]):
    """An environment that notes which variables are looked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_description_and_code_agree(folder: Path):
    """What server.yaml names is what `build` reads, and the other way round."""
    environment = Asked()
    settings = read_settings(folder.name, environment)
    of_the_runtime = set(environment.names)
    importlib.import_module(f"mcp_catalog.{folder.name}.server").build(settings)
    described = yaml.safe_load((folder / "server.yaml").read_text())
    config = described.get("config", {})
    named = {secret["env"] for secret in config.get("secrets", [])}
    named |= {variable["name"] for variable in config.get("env", [])}
    named |= set(described.get("run", {}).get("env", {}))
    read = environment.names - of_the_runtime
    assert not {name for name in named - read if not name.startswith("MCP_")}, "nothing reads them"
    assert not {name for name in read - named if not name.startswith("MCP_")}, (
        "not in server.yaml, so that no operator can set them"
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_server_locks_what_the_base_has_to_the_same_version(folder: Path):
    lock = folder / "requirements.txt"
    base = pins(BASE_LOCK)
    assert base["mcp"] == "2.3.0"
    own = pins(lock.read_text()) if lock.exists() else {}
    assert {name: own[name] for name in own.keys() & base.keys()} == {
        name: base[name] for name in own.keys() & base.keys()
    }


NOT_PROBED = {"figma_context"}
"""Each of its tools needs a file of somebody's."""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_called_once_a_minute_only_reads_and_takes_these_arguments(folder: Path):
    probe = yaml.safe_load((folder / "server.yaml").read_text()).get("probe")
    if folder.name in NOT_PROBED:
        assert probe is None
        return
    listed = json.loads((folder / "tools.json").read_text())["tools"]
    (tool,) = (one for one in listed if one["name"] == probe["tool"])
    assert tool["annotations"]["readOnlyHint"]
    arguments, schema = probe.get("arguments", {}), tool["inputSchema"]
    assert set(schema.get("required", ())) <= set(arguments) <= set(schema["properties"])
