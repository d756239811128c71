"""What a restore drill makes of a stack's configuration, and when its outcome is an issue."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.catalog import loader
from components.settings import decoded
from components.settings_rules import read
from ops.ci import drill
from ops.nodes import NotUp
from ops.stack import Stack, StackError
from tests.support.checkout import ROOT

NOW = 1_795_780_000.0
CONTENT = {"tables": 3, "rows": 1200, "differences": []}
GOOD = drill.Outcome(rpo=68, rto=540, at="2026-11-27T03:00:07.123456+00:00", content=CONTENT)


def production(**changes: object) -> dict[str, str]:
    """Stack prod, as the engine returns it."""
    values = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    values = {key.partition(":")[2]: value for key, value in values.items()} | changes
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in values.items()}


def test_a_drill_rents_one_manager_with_the_server_that_uses_the_database():
    values = production(
        monitoring={"enabled": True},
        logs={"enabled": True},
        standby={"enabled": True},
        tracing={"endpoint": "https://collector.example:4318"},
        gateway={"port": 443, "hosts": ["mcp.example"], "callers": {"ann": {"servers": ["slack"]}}},
        servers={"ai_memory": {"replicas": 3}, "slack": {}},
        volumes={"database": "manager-3"},
    )
    small = drill.small(values)
    changed = {key: json.dumps(value) for key, value in small.items()}
    secrets = {"lambdaApiKey": "k", "registry": {"server": "r", "username": "u", "password": "p"}}
    settings, faults = read(
        {**decoded({**values, **changed}), **secrets},
        project="sophia",
        stack="prod-drill",
        catalog=loader.load(ROOT / "mcp_catalog"),
        offers=None,
    )
    assert faults == ()
    [group] = settings.node_groups
    assert (group.count, group.role, group.instance_types) == (
        1,
        "manager",
        ("cpu_4x_general", "gpu_1x_a10"),
    )
    [server] = settings.servers
    assert (server.name, server.deploy.replicas) == ("ai_memory", 3)
    assert (settings.gateway.port, settings.gateway.callers) == (443, ())
    off = (settings.monitoring.enabled, settings.logs, settings.standby, settings.tracing)
    assert off == (False, False, False, None)
    assert settings.overlay.encrypted, "the rest stays"


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        ({"archived": NOW - 68, "waiting": 0}, 68),
        ({"archived": NOW - 9 * 3600, "waiting": 0}, 120),
        ({"archived": NOW - 9, "waiting": 2, "waiting_since": NOW - 700}, 700),
        ({"archived": None, "waiting": 0}, 120),
    ],
)
def test_what_a_loss_would_cost_is_what_has_not_been_sent(state, seconds):
    assert drill.unsent(state, NOW) == seconds


def test_what_a_database_that_does_not_answer_has_sent_is_not_guessed():
    with pytest.raises(NotUp, match="what it has not sent to S3 is unknown"):
        drill.unsent({"count": 3, "noted": GOOD.at}, NOW)


def test_a_good_outcome_is_no_issue():
    assert drill.report(GOOD) == ""
    assert drill.told(GOOD).splitlines() == [
        "RTO 540 s: from nothing until clients got through",
        "RPO 68 s: of changes that were not in S3",
        "1200 rows in 3 tables, as of 2026-11-27T03:00:07.123456+00:00",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"content": CONTENT | {"differences": ["public.a: got 1 rows, expected 2"]}},
            "what was restored differs: public.a: got 1 rows, expected 2",
        ),
        ({"rpo": 700}, "the database's changes of 700 s were not in S3: see `make status`"),
        ({"rto": 901}, "it took 901 s, expected 900 at most"),
    ],
)
def test_each_thing_that_is_wrong_is_an_issue(changes, line):
    text = drill.report(drill.Outcome(**vars(GOOD) | changes))
    assert f"```text\n{line}\n\nRTO " in text


def test_a_drill_that_failed_is_an_issue_with_its_reason():
    assert "```text\nno machine available\n```" in drill.report("no machine available")


ENGINE = """\
#!/bin/sh
echo "$*" >>calls
case "$*" in
    "config --json"*) cat configuration ;;
    "stack ls"*) echo '[]' ;;
    "config set"*) cat >>said ;;
esac
"""
"""Stands in for Pulumi's, and notes what it is told, and how."""


@pytest.fixture
def source(tmp_path: Path) -> Stack:
    (tmp_path / "pulumi").write_text(ENGINE)
    (tmp_path / "pulumi").chmod(0o755)
    values = production(
        backup={"bucket": "b", "secretKey": "key-of-s3"},
        servers={"ai_memory": {"secrets": {"EMBEDDINGS_API_KEY": "key-of-embeddings"}}},
    )
    told = {f"sophia:{key}": {"value": value} for key, value in values.items()}
    (tmp_path / "configuration").write_text(json.dumps(told))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return Stack("prod", "sophia", environment, tmp_path, ours=False)


def test_what_may_be_secret_is_on_no_command_line_and_encrypted(source: Stack):
    drill.made(source, {"backup_passphrase": "of-the-backups"}, "sophia-prod")
    calls, said = ((source.root / name).read_text() for name in ("calls", "said"))
    for secret in ("key-of-s3", "key-of-embeddings", "of-the-backups"):
        assert secret not in calls
        assert secret in said
    for key in ("servers", "backup"):
        assert re.search(rf"config set --secret {key} ", calls), "or the plan refuses it"


@pytest.mark.parametrize("named", ["", "awskms://alias/sophia"])
def test_its_secrets_are_encrypted_as_the_stacks(source: Stack, named):
    source.configuration_file.write_text(f"secretsprovider: {named}\n" if named else "{}")
    drill.made(source, {"backup_passphrase": "p"}, "sophia-prod")
    calls = (source.root / "calls").read_text()
    keeper = f"--secrets-provider {named} " if named else ""
    assert f"stack init {keeper}--copy-config-from prod --stack prod-drill" in calls


@pytest.mark.parametrize(
    ("stacks", "resources", "machines"),
    [
        ("prod", "[]", 0),
        ("prod prod-drill", '[{"type": "lambdalabs:index:Instance", "id": "i"}]', 1),
        ("prod prod-drill", "[]", 0),
    ],
)
def test_what_a_cancelled_drill_left_is_found(source: Stack, stacks, resources, machines):
    names = json.dumps([{"name": name} for name in stacks.split()])
    state = f'{{"deployment": {{"resources": {resources}}}}}'
    script = f"""#!/bin/sh
case "$*" in
    "stack ls"*) echo '{names}' ;;
    "stack export --stack prod-drill"*) echo '{state}' ;;
    *) exit 1 ;;
esac
"""
    (source.root / "pulumi").write_text(script)
    assert drill.left(source) == machines


NOTED = {"noted": GOOD.at, "archived": 0, "waiting": 0}


def test_the_end_of_an_earlier_drill_is_not_counted(source: Stack, monkeypatch):
    now = [0.0]

    def later(seconds: float, found: object = None) -> Callable[..., object]:
        def happens(*_: object) -> object:
            now[0] += seconds
            return found

        return happens

    monkeypatch.setattr(drill.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Stack, "outputs", lambda _: {"gateway_urls": []})
    monkeypatch.setattr(drill.backup, "state", lambda *_: NOTED)
    monkeypatch.setattr(drill, "made", later(600, source))
    monkeypatch.setattr(drill.engine, "changed", later(400))
    monkeypatch.setattr(drill.verify, "verify", later(5))
    monkeypatch.setattr(drill.backup, "restore", later(30, {"content": CONTENT}))
    monkeypatch.setattr(drill, "_remove", later(60))
    assert drill.run(source).rto == 405


@pytest.mark.parametrize("destroy", ["works", "fails"])
def test_the_reason_is_told_even_if_the_drill_is_not_removed_either(
    source: Stack, monkeypatch, destroy
):
    def fails(_: Stack, command: str) -> None:
        if command == "up":
            raise StackError("no capacity in any region")
        if destroy == "fails":
            raise StackError("the cloud doesn't answer")

    monkeypatch.setattr(Stack, "outputs", lambda _: {})
    monkeypatch.setattr(drill.backup, "state", lambda *_: NOTED)
    monkeypatch.setattr(drill, "made", lambda *_: source)
    monkeypatch.setattr(drill.engine, "changed", fails)
    with pytest.raises(StackError, match="no capacity in any region") as failure:
        drill.run(source)
    both = "may be rented still: the cloud doesn't answer\nno capacity in any region"
    assert (both in str(failure.value)) is (destroy == "fails")
