"""The workflows' own steps in fresh clones, with the real engine, the state in S3 and the API of
Lambda Cloud alone: an `up` never ends. `tests/long/test_workflows.py` has machines."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import cloud
from tests.support.organisation import Organisation, dev_configuration, organisation

pytestmark = pytest.mark.slow

REGISTRY = {"server": "registry.example", "username": "u", "repository": "sophia"}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Iterator[cloud.Cloud]:
    with cloud.running(tmp_path_factory.mktemp("cloud"), boot_seconds=0.1) as made:
        yield made


@pytest.fixture(scope="module")
def acme(tmp_path_factory, simulated) -> Iterator[Organisation]:
    """Docker of its runners logs in anywhere and builds for ever: an `up` waits for images."""
    folder = tmp_path_factory.mktemp("acme")
    (folder / "bin").mkdir()
    (folder / "bin" / "docker").write_text("#!/bin/sh\nexit 0\n")
    (folder / "bin" / "docker").chmod(0o755)
    configuration = dev_configuration(
        lambdaApiUrl=simulated.url, registry=REGISTRY, servers=["ai_memory"]
    )
    secrets = {"LAMBDA_API_KEY": simulated.api_key, "SOPHIA_REGISTRY_PASSWORD": "pw"}
    with socket.create_server(("127.0.0.1", 0)) as slow:
        machine = {
            "DOCKER_HOST": f"tcp://127.0.0.1:{slow.getsockname()[1]}",
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }
        with organisation(folder, configuration, secrets, **machine) as made:
            yield made


def rented(simulated: cloud.Cloud) -> list[str]:
    machines = simulated.control("GET", "/instances")
    return [one["id"] for one in machines if one["status"] != "terminated"]


def test_a_pull_request_is_told_what_it_costs(acme: Organisation, simulated):
    jobs = acme.run("preview")
    assert jobs["preview"].result == "success", jobs["preview"].log
    (comment,) = acme.github.comments.values()
    assert comment["body"].startswith("<!-- preview of prod -->\n### What this does to `prod`\n")
    assert "**Price an hour:** $0.00 → $1.35 (+$1.35)" in comment["body"]
    assert "`manager-1-instance` (lambdalabs:index:Instance) is created" in comment["body"]
    assert "**Price an hour:**" in jobs["preview"].summary
    assert rented(simulated) == []
    for secret in acme.runner.secrets.values():
        if len(secret) > 4:
            assert secret not in comment["body"] + jobs["preview"].log


def test_a_refused_change_fails_the_preview_and_its_comment_says_why(acme: Organisation):
    acme.push("wrong", sshUser="not a user!")
    try:
        assert acme.run("preview")["preview"].result == "failure"
    finally:
        acme.push("right", sshUser="ubuntu")
    (comment,) = acme.github.comments.values()
    assert "**Refused.**" in comment["body"]
    assert "sophia:sshUser: got 'not a user!'" in comment["body"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PULUMI_CONFIG_PASSPHRASE", "secret-that-is-wrong"),
        ("LAMBDA_API_KEY", "secret-that-is-wrong"),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ],
)
def test_a_wrong_or_missing_secret_ends_in_one_line_that_names_it(acme: Organisation, name, value):
    right = dict(acme.runner.secrets)
    acme.runner.secrets = right | {name: value}
    try:
        job = acme.run("deploy")["infrastructure"]
    finally:
        acme.runner.secrets = right
    assert job.result == "failure"
    (line,) = [line for line in job.log.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: secret {name}: "), job.log
    assert line.removeprefix("error: ") == job.log.splitlines()[-1].removeprefix("::error::")
    assert "secret-that-is-wrong" not in job.log


def test_destroy_asks_for_the_stacks_name(acme: Organisation):
    job = acme.run("destroy", stack="production")["destroy"]
    assert job.result == "failure"
    assert "nothing was destroyed: got 'production', expected the stack's name prod" in job.log


def test_what_a_cancelled_deployment_left_is_no_work_for_anybody(
    acme: Organisation, simulated, tmp_path: Path
):
    for moment in (lambda: acme.locks(), lambda: len(rented(simulated)) >= 4):
        acme.runner.cancels = lambda moment=moment: bool(moment())
        jobs = acme.run("deploy")
        assert {job: one.result for job, one in jobs.items()} == {
            "infrastructure": "cancelled",
            "verify": "skipped",
            "rollback": "skipped",
        }, jobs["infrastructure"].log
    assert len(rented(simulated)) == 4
    acme.runner.cancels = lambda: False
    job = acme.run("destroy", stack="prod")["destroy"]
    assert job.result == "success", job.log
    assert rented(simulated) == []
    assert acme.locks() == []


def test_a_look_that_can_not_begin_is_an_issue(acme: Organisation):
    """A key that has expired makes every run of the schedule fail, and nobody reads those."""
    right = dict(acme.runner.secrets)
    acme.runner.secrets = right | {"LAMBDA_API_KEY": "secret-that-is-wrong"}
    try:
        assert acme.run("drift")["drift"].result == "failure"
    finally:
        acme.runner.secrets = right
    (issue,) = acme.github.issues.values()
    assert issue["title"] == "Stack prod is not as it should be"
    assert "## Nothing could be checked\n\n```text\nsecret LAMBDA_API_KEY: " in issue["body"]
    assert "secret-that-is-wrong" not in issue["body"]


def test_a_state_that_is_not_what_the_code_says_is_an_issue(acme: Organisation):
    job = acme.run("drift")["drift"]
    assert job.result == "success", job.log
    (issue,) = acme.github.issues.values()
    assert issue["title"] == "Stack prod is not as it should be"
    assert "The code and the machines differ" in issue["body"]


def test_a_drill_that_can_not_be_done_is_an_issue_of_its_own(acme: Organisation):
    without = acme.runner.variables
    acme.runner.variables = {**without, "RESTORE_DRILL": "weekly"}
    try:
        job = acme.run("restore-drill")["restore-drill"]
    finally:
        acme.runner.variables = without
    assert job.result == "failure", job.log
    [issue] = [one for one in acme.github.issues.values() if "backups" in one["title"]]
    assert issue["title"] == "The backups of stack prod can't be relied on"
    assert "this stack has no backups" in issue["body"]
