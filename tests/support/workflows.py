"""Runs a workflow file as GitHub does, on this machine: the `run:` steps of its jobs, in order.

It evaluates only the expressions that the files use, and refuses others. Documentation:
docs.github.com, workflow syntax, contexts, and "workflow cancellation reference".
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.killing import descendants

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
NAME = r"[\w-]+(?:\.[\w-]+)*"
INTERRUPTED, TERMINATED = 7.5, 2.5
"""Seconds that a cancelled step has after SIGINT, and after the SIGTERM that follows."""

Json = Mapping[str, Any]


def parsed(name: str) -> dict[str, Any]:
    """A workflow of this repository, by its name."""
    found: dict[str, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    return {"on": found.pop(True), **found}  # YAML 1.1 takes `on` for a boolean


@dataclass
class Job:
    """A job's outcome. result: success, failure, cancelled, skipped. log: its whole output."""

    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Runner:
    """checkout: fills a folder as actions/checkout does. folder: a separate one, for all jobs.

    secrets, variables: of the organisation. github: that context. environment: of the machine.
    cancels: whether to cancel the run now; called while steps run. minute: seconds in one of the
    minutes that a job may take.
    """

    checkout: Callable[[Path], None]
    folder: Path
    secrets: Mapping[str, str]
    variables: Mapping[str, str]
    github: Json
    environment: Mapping[str, str]
    cancels: Callable[[], bool] = lambda: False
    minute: float = 60.0
    cancelled: bool = False
    tracking: str = field(default_factory=lambda: f"github_{secrets.token_hex(8)}")

    def run(self, name: str, **inputs: str) -> dict[str, Job]:
        """All jobs of a workflow, each once those that it needs have ended."""
        self.cancelled = False
        jobs: dict[str, Job] = {}
        for id, job in parsed(name)["jobs"].items():
            needed = job.get("needs", [])
            needed = [needed] if isinstance(needed, str) else needed
            context = {
                "secrets": self.secrets,
                "vars": self.variables,
                "github": self.github,
                "inputs": inputs,
                "needs": {one: vars(jobs[one]) for one in needed},
                "steps": {},
            }
            if self._is_wanted(job.get("if", ""), [jobs[one] for one in needed], context):
                jobs[id] = self._job(
                    job, self.folder / f"{len(list(self.folder.iterdir()))}", context
                )
            else:
                jobs[id] = Job("skipped")
        return jobs

    def _is_wanted(self, condition: str, needed: list[Job], context: Json) -> bool:
        if not condition:
            return all(one.result == "success" for one in needed)
        bare = re.fullmatch(r"\$\{\{(.*)\}\}", condition)
        parts = [part.strip() for part in (bare[1] if bare else condition).split("&&")]
        if "!cancelled()" in parts:
            parts.remove("!cancelled()")
            if self.cancelled:
                return False
        elif not all(one.result == "success" for one in needed):
            return False
        return all(self._is_equal(part, context) for part in parts)

    @staticmethod
    def _is_equal(part: str, context: Json) -> bool:
        compared = re.fullmatch(rf"({NAME}) ([!=]=) (?:'([^']*)'|({NAME}))", part)
        assert compared, f"a condition that this runner does not know: {part}"
        left, operator, text, right = compared.groups()
        same = looked_up(left, context) == (text if right is None else looked_up(right, context))
        return same == (operator == "==")

    def _job(self, job: Json, folder: Path, context: dict[str, Any]) -> Job:
        folder.mkdir()
        workspace = folder / "workspace"
        ends = time.monotonic() + job["timeout-minutes"] * self.minute
        done = Job()
        for number, step in enumerate(job["steps"]):
            if "uses" in step:
                assert step["uses"].startswith("actions/checkout@"), step["uses"]
                self._check_out(workspace, filled(step["with"].get("ref", ""), context))
                continue
            files = {name: folder / f"{name}-{number}" for name in ("output", "summary")}
            for file in files.values():
                file.touch()
            done.result = self._step(step, workspace, files, folder / "log", context, ends)
            outputs = dict(line.split("=", 1) for line in files["output"].read_text().splitlines())
            context["steps"][step.get("id", number)] = {"outputs": outputs}
            done.summary += files["summary"].read_text()
            if done.result != "success":
                break
        end_orphans(self.tracking)
        done.log = (folder / "log").read_text() if (folder / "log").exists() else ""
        done.outputs = {
            name: filled(text, context) for name, text in job.get("outputs", {}).items()
        }
        return done

    def _check_out(self, workspace: Path, ref: str) -> None:
        """Nothing stays of a former one. ref: a commit, "" for the run's."""
        shutil.rmtree(workspace, ignore_errors=True)
        workspace.mkdir()
        self.checkout(workspace)
        if ref:
            for command in (("fetch", "--depth", "1", "origin", ref), ("checkout", ref)):
                subprocess.run(["git", *command], cwd=workspace, check=True, capture_output=True)

    def _step(
        self,
        step: Json,
        workspace: Path,
        files: Mapping[str, Path],
        log: Path,
        context: Json,
        ends: float,
    ) -> str:
        script = log.with_name("step.sh")
        script.write_text(filled(step["run"], context))
        environment = {
            **self.environment,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "RUNNER_TRACKING_ID": self.tracking,
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_REPOSITORY": self.github["repository"],
            "GITHUB_API_URL": self.github["api_url"],
            "GITHUB_SHA": self.github["sha"],
            "GITHUB_RUN_ATTEMPT": str(self.github["run_attempt"]),
            "GITHUB_EVENT_NAME": self.github["event_name"],
            **{name: filled(str(text), context) for name, text in step.get("env", {}).items()},
        }
        with log.open("a") as out:
            process = subprocess.Popen(
                ["bash", "-e", str(script)],
                cwd=workspace,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            while not _ended(process, 0.1):
                self.cancelled = self.cancelled or self.cancels()
                if self.cancelled or time.monotonic() > ends:
                    cancel(process)
                    return "cancelled"
        return "success" if process.returncode == 0 else "failure"


def cancel(process: subprocess.Popen[Any]) -> None:
    """As GitHub's runner cancels a step: the process is asked twice, then all of them are ended."""
    for signum, patience in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
        process.send_signal(signum)
        if _ended(process, patience):
            return
    for pid in [*descendants(process.pid), process.pid]:
        _kill(pid)
    process.wait()


def end_orphans(tracking: str) -> None:
    """As GitHub's runner does when a job has ended: what its steps left running goes."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and tracking.encode() in (entry / "environ").read_bytes():
                _kill(int(entry.name))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _ended(process: subprocess.Popen[Any], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def filled(text: str, context: Json) -> str:
    """The text with its expressions replaced; each is a name."""

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        assert re.fullmatch(NAME, name), f"an expression that this runner does not know: {name}"
        return looked_up(name, context)

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def looked_up(name: str, context: Json) -> str:
    """A name such as `needs.build.outputs.digest`; "" if it doesn't exist."""
    found: Any = context
    first, *_ = name.split(".")
    assert first in context, f"a context that this runner does not know: {name}"
    for part in name.split("."):
        found = found.get(part, "") if isinstance(found, Mapping) else ""
    return str(found)
