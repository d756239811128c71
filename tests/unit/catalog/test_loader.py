"""The catalog's rules: each fault names file, key and rule, and all come together."""

from pathlib import Path

import pytest

from components.catalog import loader

CATALOG = Path(__file__).parents[3] / "mcp_catalog"
GOOD = """
run: {env: {SLACK_PAGE: "100"}}
config:
  secrets:
    - {env: SLACK_BOT_TOKEN, example: xoxb-1, description: A token}
  env:
    - {name: SLACK_API_URL, description: Where Slack's API is}
deploy: {tier: 1, resources: {cpus: 0.5, memory_mb: 256}}
"""


@pytest.fixture
def catalog(tmp_path):
    def build(**texts):
        folder = tmp_path / "mcp_catalog"
        for name, text in texts.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "server.yaml").write_text(text)
        return folder

    return build


def faults(folder):
    return [str(fault) for fault in loader.load(folder).faults]


def test_the_real_catalog_is_without_fault():
    catalog = loader.load(CATALOG)
    assert catalog.faults == ()
    assert {"ai_memory", "lambda_labs_cli"} <= set(catalog.names())


def test_a_good_entry(catalog):
    loaded = loader.load(catalog(slack=GOOD))
    assert loaded.faults == ()
    (server,) = loaded.servers
    assert server.env == {"SLACK_PAGE": "100"}
    assert server.deploy.replicas == 2, "two replicas are what tier 1 means"
    assert server.deploy.grace_s == 20
    assert server.secrets[0].required
    assert not server.variables[0].required


def test_a_server_may_have_slow_tools(catalog):
    (server,) = loader.load(
        catalog(slack=GOOD.replace("tier: 1,", "tier: 1, grace_s: 65,"))
    ).servers
    assert server.deploy.grace_s == 65


BAD = {
    "a tool slower than the gateway": (
        ("tier: 1,", "tier: 1, grace_s: 120,"),
        "mcp_catalog/slack/server.yaml: deploy.grace_s: got 120, expected a whole number from 1 to "
        "110",
    ),
    "unknown tier": (
        ("tier: 1", "tier: 3"),
        "mcp_catalog/slack/server.yaml: deploy.tier: got 3, expected one of 1, 2",
    ),
    "tier as a text": (
        ("tier: 1", 'tier: "1"'),
        "mcp_catalog/slack/server.yaml: deploy.tier: got '1', expected one of 1, 2",
    ),
    "true is no tier": (
        ("tier: 1", "tier: true"),
        "mcp_catalog/slack/server.yaml: deploy.tier: got True, expected one of 1, 2",
    ),
    "a port of its own": (
        ("tier: 1", "tier: 1, port: 9004"),
        "mcp_catalog/slack/server.yaml: deploy.port: got an unknown key, expected one of",
    ),
    "more replicas than the gateway balances": (
        ("tier: 1", "tier: 1, replicas: 11"),
        "mcp_catalog/slack/server.yaml: deploy.replicas: got 11, expected a whole number from 1 to",
    ),
    "unknown key": (
        ("cpus: 0.5", "cpu: 0.5"),
        "mcp_catalog/slack/server.yaml: deploy.resources.cpu: got an unknown key, expected one of",
    ),
    "bad variable name": (
        ("env: SLACK_BOT_TOKEN", "env: slack-token"),
        "mcp_catalog/slack/server.yaml: config.secrets[0].env: got 'slack-token', expected",
    ),
    "more replicas than are balanced": (
        ("tier: 1", "tier: 1, replicas: 11"),
        "mcp_catalog/slack/server.yaml: deploy.replicas: got 11, expected a whole number from 1 to",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_names_file_key_and_rule(catalog, case):
    (old, new), expected = BAD[case]
    assert old in GOOD
    found = faults(catalog(slack=GOOD.replace(old, new)))
    assert len(found) == 1, found
    assert found[0].startswith(expected)


def test_the_folders_name_is_the_servers(catalog):
    assert loader.load(catalog(slack=GOOD)).names() == ["slack"]
    [fault] = faults(catalog(slack=GOOD, **{"my-server": GOOD}))
    assert fault.startswith("mcp_catalog/: got 'my-server', expected a folder's name in lower case")


def test_text_that_is_no_yaml_and_a_folder_without_description(catalog):
    folder = catalog(slack="name: [")
    (folder / "empty").mkdir()
    (folder / "base").mkdir()
    found = faults(folder)
    assert [line.split(": got ")[0] for line in found] == [
        "mcp_catalog/empty/server.yaml",
        "mcp_catalog/slack/server.yaml",
    ]
