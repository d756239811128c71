"""Programs of these tests' own, run by the engine that `toolchain` provides."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolchain import Toolchain, ensure, environment

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Project:
    """A Pulumi project with a stack named dev."""

    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Runs the engine to its end and returns both its outputs; checks its exit status."""
        done = subprocess.run(
            ["pulumi", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout
        return done.stdout

    def up(self, fails: bool = False) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", fails=fails)

    def outputs(self) -> dict[str, object]:
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))


@pytest.fixture(scope="session")
def engine() -> Toolchain:
    return ensure()


@pytest.fixture
def make_project(engine, tmp_path, monkeypatch):
    """A function: program text and extra lines of Pulumi.yaml to a `Project`."""
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "state"))
    ensure()
    variables = {**os.environ, **environment(engine)}

    def make(program: str, more: str = "") -> Project:
        folder = tmp_path / "project"
        folder.mkdir()
        runtime = f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}"
        (folder / "Pulumi.yaml").write_text(f"name: trial\n{runtime}\n{more}")
        (folder / "__main__.py").write_text(program)
        project = Project(folder, variables)
        project.pulumi("stack", "init", "dev")
        return project

    return make
