"""The tutorial shows what a reader will see."""

import json
import re
import shlex
import sys
from pathlib import Path

import jsonschema
import pytest

from ops import client

ROOT = Path(__file__).parents[3]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def shown(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.M | re.S)[0]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    monkeypatch.setattr(client.urllib.request, "getproxies", dict)
    gateway = "https://192.0.2.11:8443"
    names = ("ai_memory", "lambda_labs_cli")
    return {
        "gateway_url": gateway,
        "ca_certificate": "-----BEGIN CERTIFICATE-----",
        "mcp_endpoints": {name: f"{gateway}/mcp/{name}" for name in names},
    }


def as_written(text: str, home: Path) -> str:
    text = text.replace(str(home), "~/.local/state/sophia")
    program = shlex.quote(str(Path(sys.executable).parent / "fastmcp"))
    return text.replace(program, ".venv/bin/fastmcp")


def test_the_last_lines_of_make_up(outputs, tmp_path, capfd):
    client.farewell(outputs, client.folder())
    assert as_written(capfd.readouterr().out, tmp_path).lstrip() == shown("text")


def test_how_claude_code_is_started(outputs, tmp_path):
    line = re.search(r"^    NODE_EXTRA_CA_CERTS=.*$", TUTORIAL, re.M)[0]
    assert line in as_written(client.readme(outputs), tmp_path)


def test_the_answer_has_the_form_that_the_tool_promises():
    tools = json.loads((ROOT / "mcp_catalog" / "ai_memory" / "tools.json").read_text())["tools"]
    schema = next(tool for tool in tools if tool["name"] == "store_memory")["outputSchema"]
    jsonschema.validate(json.loads(shown("json")), schema)
