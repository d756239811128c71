"""The workflows' own steps, run in order in a small repository: what is done when, and what is
handed on. `tests/long/test_workflows.py` runs them in this one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.workflows import Runner

PYTHON = """#!/bin/sh
# Stands for `python -m ops.ci COMMAND`: notes the call, and does what `version` says.
shift 2
echo "$* at $(cat version)${LAMBDA_API_KEY:+ with key}" >>"$CALLS"
case "$1" in
  deploy) [ "$(cat version)" != "no image" ] || exit 1
    printf 'manager_ip=192.0.2.1\\ngateway_urls=["https://192.0.2.1"]\\n' >>"$GITHUB_OUTPUT" ;;
  verify) echo "$MANAGER_IP $GATEWAY_URLS$DEPLOYED_IN_ATTEMPT" >>"$CALLS"
    [ "$(cat version)" != "no end" ] || exec sleep 60
    [ "$(cat version)" != "no answer" ] ;;
  preview) echo "of #$PULL_REQUEST" >>"$CALLS" ;;
  last-good) echo "commit=$GOOD" >>"$GITHUB_OUTPUT" ;;
  destroy) [ "$5" = prod ] ;;
esac
"""
MAKEFILE = 'tools check test:\n\t@echo "make $@ at $$(cat version)" >>"$$CALLS"\n'
HANDED = '192.0.2.1 ["https://192.0.2.1"]3'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two versions, the newer one as the test writes it."""
    folder = tmp_path / "repository"
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(PYTHON)
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    (folder / "Makefile").write_text(MAKEFILE)
    git(folder, "init", "--quiet")
    for version in ("1", "2"):
        commit(folder, version)
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path, version: str, *options: str) -> None:
    (folder / "version").write_text(version)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", version, *options)


@pytest.fixture
def runner(repository: Path, tmp_path: Path) -> Runner:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return Runner(
        checkout=lambda folder: git(
            folder, "clone", "--quiet", "--depth", "1", f"file://{repository}", "."
        ),
        folder=tmp_path / "jobs",
        secrets={"LAMBDA_API_KEY": "the-key"},
        variables={},
        github={
            "repository": "acme/platform",
            "api_url": "http://127.0.0.1:9",
            "sha": "0" * 40,
            "run_attempt": 3,
            "event_name": "push",
            "event": {
                "pull_request": {"number": 7, "head": {"repo": {"full_name": "acme/platform"}}}
            },
        },
        environment={
            "PATH": path,
            "CALLS": str(tmp_path / "calls"),
            "GOOD": git(repository, "rev-parse", "HEAD"),
        },
    )


def results(runner: Runner, workflow: str, **inputs: str) -> dict[str, str]:
    return {id: job.result for id, job in runner.run(workflow, **inputs).items()}


def calls(runner: Runner) -> list[str]:
    return Path(runner.environment["CALLS"]).read_text().splitlines()


def test_check(runner):
    assert results(runner, "check") == {"check": "success"}
    assert calls(runner) == ["make check at 2", "make test at 2"]


def test_a_preview_knows_its_pull_request(runner):
    assert results(runner, "preview") == {"preview": "success"}
    expected = ["make tools at 2", "preview --stack prod at 2 with key", "of #7"]
    assert calls(runner) == expected


def test_a_pull_request_from_a_fork_has_no_preview(runner):
    runner.github["event"]["pull_request"]["head"]["repo"]["full_name"] = "mallory/platform"
    assert results(runner, "preview") == {"preview": "skipped"}


def test_a_deployment_hands_on_what_is_verified(runner):
    jobs = runner.run("deploy")
    assert {id: job.result for id, job in jobs.items()} == {
        "infrastructure": "success",
        "verify": "success",
        "rollback": "skipped",
    }
    assert jobs["infrastructure"].outputs["manager_ip"] == "192.0.2.1"
    assert calls(runner) == [
        "make tools at 2",
        "deploy --stack prod at 2 with key",
        "make tools at 2",
        "verify --stack prod at 2",
        HANDED,
    ]


def test_a_failed_deployment_is_not_verified_and_the_old_version_serves(runner, repository):
    commit(repository, "no image")
    assert results(runner, "deploy") == {
        "infrastructure": "failure",
        "verify": "skipped",
        "rollback": "skipped",
    }


def test_a_failed_verification_brings_the_last_good_commit_back(runner, repository):
    commit(repository, "no answer")
    assert results(runner, "deploy") == {
        "infrastructure": "success",
        "verify": "failure",
        "rollback": "success",
    }
    assert calls(runner)[-5:] == [
        "last-good at no answer",
        "make tools at 2",
        "deploy --stack prod at 2 with key",
        "verify --stack prod at 2 with key",
        " ",
    ]


def test_a_verification_that_runs_out_of_time_is_a_failed_one(runner, repository):
    commit(repository, "no end")
    runner.minute = 0.1
    assert results(runner, "deploy") == {
        "infrastructure": "success",
        "verify": "cancelled",
        "rollback": "success",
    }
    assert "deploy --stack prod at 2 with key" in calls(runner)


def test_a_good_commit_that_was_pushed_away_is_deployed_all_the_same(runner, repository):
    commit(repository, "no answer", "--amend")
    assert results(runner, "deploy")["rollback"] == "success"
    assert "deploy --stack prod at 2 with key" in calls(runner)


def test_a_cancelled_deployment_starts_nothing_else(runner):
    begun = Path(runner.environment["CALLS"])
    runner.cancels = lambda: begun.exists() and "deploy" in begun.read_text()
    slow = PYTHON.replace("deploy) ", "deploy) exec sleep 60;")
    checkout = runner.checkout

    def and_slow(folder: Path) -> None:
        checkout(folder)
        (folder / ".venv" / "bin" / "python").write_text(slow)

    runner.checkout = and_slow
    assert results(runner, "deploy") == {
        "infrastructure": "cancelled",
        "verify": "skipped",
        "rollback": "skipped",
    }


def test_drift(runner):
    assert results(runner, "drift") == {"drift": "success"}
    assert calls(runner)[-1] == "drift --stack prod at 2 with key"


def test_a_restore_drill_is_off_until_its_variable_is_there(runner):
    assert results(runner, "restore-drill") == {"restore-drill": "skipped"}
    runner.variables = {"RESTORE_DRILL": "weekly"}
    assert results(runner, "restore-drill") == {"restore-drill": "success"}
    assert calls(runner)[-1] == "drill --stack prod at 2 with key"


@pytest.mark.parametrize(
    "typed", ["prod", "prod x", "dev", "", "$(touch injected)", '"; touch injected; "']
)
def test_what_is_typed_reaches_destroy_as_one_word(runner, typed):
    result = results(runner, "destroy", stack=typed)
    assert result == {"destroy": "success" if typed == "prod" else "failure"}
    assert calls(runner)[-1].startswith(f"destroy --stack prod --confirmed {typed}")
    assert not list(runner.folder.rglob("injected"))


def test_it_refuses_what_it_does_not_know(runner):
    for condition in ("always()", "needs.a.result > 'failure'"):
        with pytest.raises(AssertionError, match="does not know"):
            runner._is_wanted(condition, [], {"needs": {}})
