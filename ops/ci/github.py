"""What the workflows send to GitHub: outputs, summaries, a comment, an issue; and one query."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from ops.stack import StackError

_PATIENCE = 30.0
"""Seconds for an answer."""

Json = dict[str, Any]


class GitHubError(StackError):
    """A request to GitHub failed."""


def output(name: str, value: str) -> None:
    """An output of the step, for later steps and jobs; shown where no workflow runs."""
    if file := os.environ.get("GITHUB_OUTPUT"):
        if "\n" in value:
            raise ValueError(f"output {name}: more than one line")
        with open(file, "a") as outputs:
            outputs.write(f"{name}={value}\n")


def summary(text: str) -> None:
    """Adds Markdown to the run's page."""
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(file, "a") as page:
            page.write(f"{text}\n")


@dataclass(frozen=True)
class GitHub:
    """A repository at GitHub's API. repository: owner/name."""

    api: str
    repository: str
    token: str

    def comment(self, pull_request: str, mark: str, text: str) -> None:
        """Writes a comment, or updates the former one with the same mark."""
        body = f"<!-- {mark} -->\n{text}"
        for one in self._pages(f"issues/{pull_request}/comments"):
            if _of_a_bot(one) and one["body"].startswith(f"<!-- {mark} -->"):
                self._asked("PATCH", f"issues/comments/{one['id']}", body=body)
                return
        self._asked("POST", f"issues/{pull_request}/comments", body=body)

    def report(self, title: str, text: str) -> None:
        """Opens an issue with that title or updates the open one; closes it if text is empty."""
        for one in self._pages("issues?state=open"):
            if _of_a_bot(one) and one["title"] == title and "pull_request" not in one:
                change = {"body": text} if text else {"state": "closed"}
                self._asked("PATCH", f"issues/{one['number']}", **change)
                return
        if text:
            self._asked("POST", "issues", title=title, body=text)

    def last_good(self, workflow: str, branch: str) -> str:
        """The commit of a workflow's newest successful run, or ""."""
        found = self._asked(
            "GET", f"actions/workflows/{workflow}/runs?branch={branch}&status=success&per_page=1"
        ).json()
        runs = found["workflow_runs"]
        return str(runs[0]["head_sha"]) if runs else ""

    def _pages(self, path: str) -> Iterator[Json]:
        url = f"{path}{'&' if '?' in path else '?'}per_page=100"
        while url:
            answer = self._asked("GET", url)
            yield from answer.json()
            url = answer.links.get("next", {}).get("url", "")

    def _asked(self, method: str, path: str, **body: str) -> requests.Response:
        url = path if "://" in path else f"{self.api}/repos/{self.repository}/{path}"
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        try:
            answer = requests.request(
                method, url, json=body or None, headers=headers, timeout=_PATIENCE
            )
        except requests.RequestException as error:
            raise GitHubError(f"GitHub: {method} {url}: {error}") from None
        if not answer.ok:
            raise GitHubError(
                f"GitHub: {method} {url} answered {answer.status_code}: {answer.text[:200]!r};"
                " the job's `permissions` say what GITHUB_TOKEN may do"
            )
        return answer


def _of_a_bot(one: Json) -> bool:
    """Whether a workflow wrote it; somebody who is gone is null in GitHub's answers."""
    return bool(one["user"] and one["user"]["type"] == "Bot")


def of_this_run() -> GitHub:
    """The repository of the running workflow, or the one named in a shell. Raises GitHubError."""
    given = {
        name: os.environ.get(name, "")
        for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    }
    if missing := [name for name, value in given.items() if not value]:
        raise GitHubError(f"got no {', '.join(missing)}; a workflow sets them from `github.token`")
    return GitHub(*given.values())
