"""Requests to GitHub, at a stand-in of its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.ci import github
from ops.ci.github import GitHubError
from tests.support import github as stand_in

MARK = "preview of prod"


@pytest.fixture
def repository() -> Iterator[stand_in.GitHub]:
    with stand_in.serving() as server:
        yield server


@pytest.fixture
def ours(repository, monkeypatch) -> github.GitHub:
    for name, value in {**repository.environment, "GITHUB_TOKEN": stand_in.TOKEN}.items():
        monkeypatch.setenv(name, value)
    return github.of_this_run()


def test_a_pull_request_has_one_comment_of_ours_however_many_others(repository, ours):
    for _ in range(5):
        repository.comment("somebody's")
    ours.comment("7", MARK, "first")
    repository.comment("later")
    ours.comment("7", MARK, "second")
    ours.comment("7", "preview of dev", "another stack's")
    bodies = [one["body"] for one in repository.comments.values()]
    assert bodies == [
        *["somebody's"] * 5,
        f"<!-- {MARK} -->\nsecond",
        "later",
        "<!-- preview of dev -->\nanother stack's",
    ]


def test_a_comment_of_a_person_is_never_written_over(repository, ours):
    repository.comment(f"<!-- {MARK} -->\nmine", stand_in.PERSON)
    ours.comment("7", MARK, "ours")
    assert repository.comments[1]["body"].endswith("mine")
    assert len(repository.comments) == 2


def test_what_somebody_wrote_who_is_gone_is_not_ours(repository, ours):
    repository.comment(f"<!-- {MARK} -->\ntheirs", None)
    repository.issue("Drift", "theirs", None)
    ours.comment("7", MARK, "ours")
    ours.report("Drift", "ours")
    assert [one["user"] for one in repository.comments.values()] == [None, stand_in.BOT]
    assert [one["user"] for one in repository.issues.values()] == [None, stand_in.BOT]


def test_an_issue_is_opened_once_written_anew_and_closed(repository, ours):
    repository.issue("Drift", "a person's", stand_in.PERSON)
    repository.issue("Drift", "a pull request", pull_request={})
    ours.report("Drift", "")
    assert len(repository.issues) == 2
    ours.report("Drift", "one")
    ours.report("Drift", "two")
    assert [one["body"] for one in repository.issues.values()] == [
        "a person's",
        "a pull request",
        "two",
    ]
    ours.report("Drift", "")
    assert [one["state"] for one in repository.issues.values()] == ["open", "open", "closed"]
    ours.report("Drift", "again")
    assert repository.issues[4]["body"] == "again"


def test_the_last_good_commit_is_that_of_the_newest_good_run_on_main(repository, ours):
    assert ours.last_good("deploy.yml", "main") == ""
    for sha, branch, conclusion in (
        ("d" * 40, "main", "failure"),
        ("c" * 40, "other", "success"),
        ("b" * 40, "main", "success"),
        ("a" * 40, "main", "success"),
    ):
        repository.runs.append({"head_sha": sha, "head_branch": branch, "conclusion": conclusion})
    assert ours.last_good("deploy.yml", "main") == "b" * 40


def test_a_refusal_says_where_permissions_stand(repository, ours):
    repository.refuses = 403
    with pytest.raises(GitHubError, match=r"answered 403.*Resource not accessible.*permissions"):
        ours.report("Drift", "text")


def test_an_api_that_is_away_is_an_error_without_the_token(monkeypatch):
    with pytest.raises(GitHubError) as failed:
        github.GitHub("http://127.0.0.1:9", "acme/platform", "token-x").last_good("d.yml", "main")
    assert "GET http://127.0.0.1:9/repos/acme/platform/" in str(failed.value)
    assert "token-x" not in str(failed.value)


def test_what_a_shell_lacks_is_named(monkeypatch):
    for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(GitHubError, match="got no GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN"):
        github.of_this_run()


def test_outputs_and_summaries_are_written_where_a_workflow_runs(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    github.output("name", "value")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    github.output("a", '["x", "y"]')
    github.output("b", "")
    github.summary("text")
    assert (tmp_path / "output").read_text() == 'a=["x", "y"]\nb=\n'
    assert (tmp_path / "summary").read_text() == "text\n"
    with pytest.raises(ValueError, match="more than one line"):
        github.output("c", "x\nd=injected")
