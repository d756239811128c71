"""An organisation that deploys by the workflows: its repository, the origin of clones; its secrets;
its bucket with the state (moto); GitHub's API; and runners without anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support import engine, github, s3
from tests.support.checkout import ROOT, copy_of_the_tree
from tests.support.workflows import Job, Runner
from toolchain import environment


@dataclass
class Organisation:
    """repository: the checkout that is pushed from. bucket: has the state. runner: GitHub's."""

    repository: Path
    bucket: s3.Bucket
    runner: Runner
    github: github.GitHub

    def push(self, message: str, **changes: object) -> str:
        """Commits the repository's content, after changes of the stack's configuration.

        Returns the commit.
        """
        file = self.repository / "Pulumi.prod.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"] |= {f"sophia:{key}": value for key, value in changes.items()}
        file.write_text(yaml.safe_dump(content))
        git(self.repository, "add", "--all")
        git(self.repository, "commit", "--quiet", "--allow-empty", "--message", message)
        commit = git(self.repository, "rev-parse", "HEAD")
        self.runner.github["sha"] = commit
        return commit

    def run(self, workflow: str, **inputs: str) -> dict[str, Job]:
        """A run of a workflow, which GitHub remembers."""
        jobs = self.runner.run(workflow, **inputs)
        good = all(job.result in ("success", "skipped") for job in jobs.values())
        conclusion = "success" if good else "failure"
        if workflow == "deploy":
            run = {"head_sha": self.runner.github["sha"], "head_branch": "main"}
            self.github.runs.insert(0, {**run, "conclusion": conclusion})
        return jobs

    def pulumi(self, *arguments: str) -> str:
        """`pulumi …` by hand, as an operator with the same secrets."""
        given = {
            **environment(),
            **self.runner.environment,
            **self.runner.secrets,
            **self.runner.variables,
            "PATH": environment()["PATH"],
        }
        return engine.pulumi(self.repository, given, *arguments)

    def locks(self) -> list[str]:
        """Files in the bucket that lock a stack."""
        return [name for name in self.bucket.files() if "/locks/" in name]


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def fresh_clone(repository: Path, folder: Path) -> None:
    """As actions/checkout leaves it, with the packages of this run in place."""
    git(folder, "clone", "--quiet", str(repository), ".")
    (folder / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    # Older than those packages: `make` installs none.
    os.utime(folder / "requirements-lock.txt", (0, 0))


@contextmanager
def organisation(
    folder: Path, configuration: Mapping[str, object], secrets: Mapping[str, str], **machine: str
) -> Iterator[Organisation]:
    """configuration: what stack prod has in place of the tree's. machine: variables of a runner."""
    (folder / "jobs").mkdir()
    repository = copy_of_the_tree(folder / "origin").root
    (repository / ".venv").unlink()
    (repository / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": dict(configuration)}))
    git(repository, "init", "--quiet", "--initial-branch", "main")
    kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    with s3.bucket() as state, github.serving() as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOPHIA_HOME", str(folder / "home"))
        runner = Runner(
            checkout=lambda workspace: fresh_clone(repository, workspace),
            folder=folder / "jobs",
            secrets={"PULUMI_CONFIG_PASSPHRASE": "correct horse", **s3.KEYS, **secrets},
            variables={"PULUMI_BACKEND_URL": state.backend, "AWS_REGION": "us-east-1"},
            github={
                "repository": github.REPOSITORY,
                "api_url": api.url,
                "token": github.TOKEN,
                "ref": "refs/heads/main",
                "sha": "",
                "run_attempt": 1,
                "event_name": "push",
                "event": {
                    "pull_request": {
                        "number": 7,
                        "head": {"repo": {"full_name": github.REPOSITORY}},
                    }
                },
            },
            environment={**kept, "SOPHIA_HOME": str(folder / "home"), **machine},
        )
        made = Organisation(repository, state, runner, api)
        made.push("first")
        made.pulumi("stack", "init", "prod")
        yield made


def dev_configuration(**changes: object) -> dict[str, object]:
    """That of stack dev, changed."""
    found: dict[str, object] = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    found.pop("sophia:startUnconfigured")
    return found | {f"sophia:{key}": value for key, value in changes.items()}
