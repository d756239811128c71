"""GitHub Actions: runs of workflows, and the ends of their jobs' logs."""

import re
from datetime import datetime
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, BaseModel, Field
from sophia_mcp.errors import Refused
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit, NextCursor

from .fields import Name, Owner, Repo, Sha
from .github import GitHub

_Id = Annotated[int | None, Field(ge=1)]
_Characters = Annotated[int, Field(ge=500, le=24_000, description="Of the logs together")]

_LOGS = 3
_KEPT_BYTES = 200_000
_NOISE = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z |\x1b\[[0-9;]*[A-Za-z]", re.MULTILINE)
"""A time before each line, and colours."""
_FAILED = ("failure", "timed_out", "startup_failure")
_GONE = (404, 410)


class Run(BaseModel):
    """A run of a workflow. conclusion: null while it is not completed."""

    id: int
    workflow: str | None = at("name", default=None)
    title: str | None = at("display_title", default=None)
    number: int = at("run_number")
    attempt: int = at("run_attempt", default=1)
    event: str
    status: str | None = None
    conclusion: str | None = None
    branch: str | None = at("head_branch", default=None)
    sha: str = at("head_sha")
    created_at: datetime
    url: str = at("html_url")


class Runs(BaseModel):
    """Runs, newest first. total: of all pages."""

    total: int = at("total_count")
    runs: list[Run] = at("workflow_runs")
    next_cursor: NextCursor = None


class Step(BaseModel):
    """A step of a job."""

    name: str
    conclusion: str | None = None


def _unsuccessful(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.conclusion not in ("success", "skipped")]


_Failed = Annotated[list[Step], AfterValidator(_unsuccessful)]


class Job(BaseModel):
    """A job of a run, with the end of its log if that was asked for."""

    id: int
    name: str
    status: str
    conclusion: str | None = None
    steps: _Failed = Field(default_factory=list, description="Those that did not succeed")
    log: str | None = None
    url: str | None = at("html_url", default=None)


class Jobs(BaseModel):
    """Jobs of a run; logs of the first failed ones."""

    jobs: list[Job]
    next_cursor: NextCursor = None


class _Page(BaseModel):
    jobs: list[Job]


class Actions:
    """The tools."""

    def __init__(self, hub: GitHub) -> None:
        self._hub = hub

    async def list_workflow_runs(
        self, owner: Owner, repo: Repo,
        workflow: Annotated[Name | None, Field(description="Its file, like ci.yml, or id")] = None,
        branch: Name | None = None, sha: Sha | None = None, event: Name | None = None,
        actor: Name | None = None,
        status: Annotated[
            Name | None, Field(description="A status or conclusion, like failure or in_progress")
        ] = None,
        limit: Limit = 20, cursor: Cursor = None,
    ) -> Runs:  # fmt: skip
        """List runs of workflows, newest first; get_job_logs shows why one failed."""
        of = ("workflows", workflow) if workflow else ()
        return await self._hub.listed(
            Runs, "repos", owner, repo, "actions", *of, "runs", limit=limit, cursor=cursor,
            branch=branch, head_sha=sha, event=event, actor=actor, status=status,
        )  # fmt: skip

    async def get_job_logs(
        self, owner: Owner, repo: Repo, job_id: _Id = None, run_id: _Id = None,
        characters: _Characters = 20_000, limit: Limit = 50, cursor: Cursor = None,
    ) -> Jobs:  # fmt: skip
        """Get the end of a job's log; or a run's jobs, with the logs of the first failed ones."""
        path = ("repos", owner, repo, "actions")
        if (job_id is None) is (run_id is None):
            raise ToolError("expected a job_id or a run_id, one of them")
        if job_id is not None:
            job = await self._hub.get(Job, *path, "jobs", str(job_id))
            job.log = await self._log(path, job.id, characters)
            return Jobs(jobs=[job])
        found, following = await self._hub.page(
            _Page, *path, "runs", str(run_id), "jobs", limit=limit, cursor=cursor
        )
        failed = [job for job in found.jobs if job.conclusion in _FAILED][:_LOGS]
        for job in failed:
            job.log = await self._log(path, job.id, characters // len(failed))
        return Jobs(jobs=found.jobs, next_cursor=following)

    async def _log(self, path: tuple[str, ...], job: int, most: int) -> str:
        try:
            answer = await self._hub.request(
                "GET", *path, "jobs", str(job), "logs", last=_KEPT_BYTES
            )
        except Refused as error:
            if error.status not in _GONE:
                raise
            return "[no log: the job has not ended, or its log has expired]"
        text = _NOISE.sub("", answer.content.decode(errors="replace"))
        if answer.size <= _KEPT_BYTES and len(text) <= most:
            return text
        end = text[-most:]
        return f"[cut: the last {len(end)} characters of {answer.size} bytes] …{end}"
