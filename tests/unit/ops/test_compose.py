"""What is read from Compose files, and that nothing secret in them is repeated."""

from pathlib import Path

import pytest
import yaml

from components.catalog import loader
from ops import compose, import_compose
from tests.support.catalog import place_for_jira, whole
from tests.support.checkout import Checkout, copy_of_the_tree

FILES = Path(__file__).parent / "compose"
CATALOG = tuple(server for server in whole().servers if server.name != "jira")
"""Without the server of new.yml, which a reader may have made."""


def services(name: str) -> dict[str, compose.Service]:
    return {one.name: one for one in compose.read((FILES / name).read_text(), CATALOG)}


def noted(service: compose.Service, word: str) -> tuple[int, str]:
    (found,) = [note for note in service.notes if note[1].startswith(word)]
    return found


def test_servers_of_the_catalog_are_known_by_name_or_image():
    found = services("catalog.yml")
    assert {name: one.server for name, one in found.items()} == {
        "slack-mcp-server": "slack",
        "notion": "notion_v2",
        "mcp-postgres-db": "",
        "postgres": "",
        "postgres-mcp": "postgres",
        "nginx": "",
        "web": "",
    }
    slack = found["slack-mcp-server"]
    assert slack.secrets == ["SLACK_BOT_TOKEN"]
    assert slack.env == ["SLACK_TEAM_ID"]
    assert noted(slack, "SLACK_BOT_TOKEN")[1].endswith("in plain text, so create a new one")
    assert "servers.slack.env.SLACK_TEAM_ID" in noted(slack, "SLACK_TEAM_ID")[1]
    assert "slack does not read it; did you mean" in noted(slack, "SLACK_CHANNEL_IDS")[1]
    assert noted(slack, "memory")[1] == (
        "memory: set `servers.slack.resources.memoryMb` if you need it"
    )
    assert "notion_v2 does not read it" in noted(found["notion"], "NOTION_API_KEY")[1]
    assert noted(found["postgres"], "the platform has a database")
    assert noted(found["nginx"], "the gateway")
    assert noted(found["web"], "not an MCP server")


def test_a_new_server_has_what_the_catalog_can_say():
    jira = services("new.yml")["jira-mcp"]
    assert (jira.server, jira.known) == ("jira", None)
    assert jira.secrets == ["JIRA_API_TOKEN", "JIRA_WEBHOOK", "JIRA_SIGNING"]
    assert jira.env == ["JIRA_BASE_URL", "JIRA_PROJECTS", "JIRA_PROXY", "JIRA_CACHE"]
    assert jira.defaults == {
        "JIRA_BASE_URL": "https://acme.atlassian.net",
        "JIRA_PROJECTS": "OPS,WEB",
    }
    assert jira.deploy == {
        "grace_s": 60,
        "replicas": 3,
        "resources": {"cpus": 1.5, "memory_mb": 1024, "pids": 200},
    }
    faults: list = []
    text = yaml.safe_dump(import_compose.description(jira, "new.yml"))
    described = loader.parse("server.yaml", text, "jira", faults)
    assert faults == []
    assert described.deploy.resources.memory_mb == 1024


def test_every_other_line_is_told():
    lines = (FILES / "new.yml").read_text().splitlines()
    jira = services("new.yml")["jira-mcp"]
    for word in ("build", "command", "env_file", "ports", "depends_on", "healthcheck", "volumes",
                 "gpus", "placement", "reservations", "jiraMode", "JIRA_TOKEN_FILE"):  # fmt: skip
        line, _ = noted(jira, word)
        assert word in lines[line - 1], word
    assert noted(jira, "restart")[0] == 3
    assert noted(jira, "LOG_LEVEL")[0] == 5
    assert noted(jira, "JIRA_CACHE: names another service")


@pytest.mark.parametrize("name", ["catalog.yml", "new.yml"])
def test_no_credential_and_no_address_is_repeated(name: str):
    for service in services(name).values():
        told = f"{service.notes}{import_compose.description(service, name)}"
        for secret in ("plain,", "xoxb-1111", "ATATT", "hunter2", "203.0.113"):
            assert secret not in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping `services`"),
        ("services: {}", "expected a mapping `services`"),
        ("services: [a]", "expected a mapping `services`"),
        ("services: {a-mcp: &a {<<: *a, x: {}}}", "an anchor contains itself"),
        ("a: b: secret-thing", r"^expected YAML \(line 1\)$"),
    ],
)
def test_what_is_no_compose_file_is_one_line_without_its_text(text: str, expected: str):
    with pytest.raises(compose.NoCompose, match=expected):
        compose.read(text, CATALOG)


@pytest.mark.parametrize(
    "service",
    ["null", "[]", "{environment: null}", "{environment: {A: {b: c}}}", "{secrets: x, ports: 1}",
     "{deploy: {resources: {limits: {cpus: many, memory: 3X}}}}", "{? [a] : b}"],
)  # fmt: skip
def test_odd_services_are_read(service: str):
    (found,) = compose.read(f"services: {{odd-mcp: {service}}}", CATALOG)
    assert found.server == "odd"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    copy = copy_of_the_tree(tmp_path_factory.mktemp("tree"))
    place_for_jira(copy.root / "mcp_catalog").rmdir()
    return copy


@pytest.mark.slow
def test_make_import_compose_writes_the_folder_of_a_new_server(checkout: Checkout):
    done = checkout.make("import-compose", f"FILE={FILES / 'new.yml'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "jira-mcp: mcp_catalog/jira/ is written" in done.stdout
    assert "redis: left out" in done.stdout
    catalog = loader.load(checkout.root / "mcp_catalog")
    assert catalog.faults == ()
    jira = next(server for server in catalog.servers if server.name == "jira")
    assert jira.secrets[0].env == "JIRA_API_TOKEN"
    assert "JIRA_API_TOKEN" in (checkout.root / "mcp_catalog/jira/server.py").read_text()
    again = checkout.make("import-compose", f"FILE={FILES / 'new.yml'}")
    assert "in the catalog as jira" in again.stdout


@pytest.mark.slow
def test_a_file_that_is_not_there_is_one_line(checkout: Checkout):
    done = checkout.make("import-compose", "FILE=gone.yml")
    assert done.returncode != 0
    assert done.stdout.startswith("error: FILE: got 'gone.yml'")
