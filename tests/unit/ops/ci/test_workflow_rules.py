"""Rules for all workflow files: rights on the repository, pinned actions, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ops.ci import preflight
from tests.support.workflows import WORKFLOWS, parsed

NAMES = sorted(file.stem for file in WORKFLOWS.iterdir())
CHANGES = {"deploy", "destroy"}
"""Workflows that change the stack."""
RIGHTS: dict[str, dict[str, dict[str, str]]] = {
    "check": {"check": {"contents": "read"}},
    "preview": {"preview": {"contents": "read", "pull-requests": "write"}},
    "deploy": {
        "infrastructure": {"contents": "read"},
        "verify": {"contents": "read"},
        "rollback": {"contents": "read", "actions": "read"},
    },
    "drift": {"drift": {"contents": "read", "issues": "write"}},
    "restore-drill": {"restore-drill": {"contents": "read", "issues": "write"}},
    "destroy": {"destroy": {"contents": "read"}},
}
STATE = {preflight.BACKEND, preflight.PASSPHRASE, *sum(preflight.OF_BACKEND.values(), ())}
ALL = STATE | {preflight.LAMBDA, preflight.REGISTRY}
FEWER = {"verify": STATE, "destroy": STATE | {preflight.LAMBDA}}
"""Commands that need less than all of them."""


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in parsed(name)["jobs"].values():
        yield from job["steps"]


def test_the_workflows_are_these():
    assert set(RIGHTS) == set(NAMES)
    assert {file.suffix for file in WORKFLOWS.iterdir()} == {".yml"}


@pytest.mark.parametrize("name", NAMES)
def test_a_job_may_do_what_it_needs_and_nothing_else(name):
    assert parsed(name)["permissions"] == {}
    jobs = parsed(name)["jobs"]
    assert {id: job["permissions"] for id, job in jobs.items()} == RIGHTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_actions_of_others_are_pinned_by_commit_with_their_version_beside(name):
    used = re.findall(r"uses: *(.*)", (WORKFLOWS / f"{name}.yml").read_text())
    assert len(used) == sum("uses" in step for step in steps(name)) > 0
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("name", NAMES)
def test_nothing_from_outside_becomes_part_of_a_script(name):
    """Text of a title or an input would be run: a script gets it by its environment only."""
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("name", NAMES)
def test_no_workflow_of_strangers_gets_secrets(name):
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(name))
    if "pull_request" in triggers(name):
        for job in parsed(name)["jobs"].values():
            assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


def triggers(name: str) -> list[str]:
    on = parsed(name)["on"]
    return [on] if isinstance(on, str) else list(on)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_step_that_needs_secrets_gets_them_and_no_other_ones(name):
    text = (WORKFLOWS / f"{name}.yml").read_text()
    assert not re.search(r"toJSON|inherit|secrets\[", text)
    workflow = parsed(name)
    assert "env" not in workflow
    for job in workflow["jobs"].values():
        assert not {"env", "secrets"} & set(job)
        for step in job["steps"]:
            given = {key for key, value in step.get("env", {}).items() if is_of_organisation(value)}
            command = re.search(r"ops\.ci (\w+) --stack prod", step.get("run", ""))
            if command is None:
                assert not given
            else:
                expected = FEWER.get(command[1], ALL)
                assert given >= expected, f"{command[0]} lacks {expected - given}"
                assert given <= ALL
            for key in given:
                kind = "vars" if key in preflight.PLAIN else "secrets"
                assert step["env"][key] == f"${{{{ {kind}.{key} }}}}"


def is_of_organisation(value: str) -> bool:
    return bool(re.search(r"\b(secrets|vars)\.", str(value)))


@pytest.mark.parametrize("name", NAMES)
def test_one_run_at_a_time_changes_the_stack_and_is_never_cancelled_for_another(name):
    concurrency = parsed(name)["concurrency"]
    if name in CHANGES:
        assert concurrency == {"group": "changes-prod", "cancel-in-progress": False}
    else:
        # GitHub lets only one run wait in a group: a preview would push out a waiting deployment.
        assert concurrency["group"] != "changes-prod"


def test_people_approve_what_changes_the_stack():
    assert parsed("deploy")["jobs"]["infrastructure"]["environment"] == "prod"
    assert parsed("destroy")["jobs"]["destroy"]["environment"] == "prod"
    assert triggers("destroy") == ["workflow_dispatch"]
    assert parsed("destroy")["on"]["workflow_dispatch"]["inputs"]["stack"]["required"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_job_ends_and_its_machine_is_a_known_one(name):
    for job in parsed(name)["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90
        assert job["runs-on"] == "ubuntu-24.04"


@pytest.mark.parametrize("name", NAMES)
def test_the_checkout_leaves_no_token_behind(name):
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_a_cancelled_run_reaches_who_has_to_know(name):
    """A shell in between would keep the signal to itself."""
    for step in steps(name):
        if "ops.ci" in (script := step.get("run", "")) and "last-good" not in script:
            assert script.startswith("exec .venv/bin/python -m ops.ci ")
            assert "\n" not in script.strip()


def test_check_runs_what_a_person_runs():
    lines = (WORKFLOWS.parents[1] / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line.startswith("make")]
    scripts = [step["run"] for step in steps("check") if "run" in step]
    assert [script.removeprefix("sudo ") for script in scripts] == commands
