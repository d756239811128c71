"""The engine's child processes end with it, however it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.polling import until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]

PROVIDER = f"""
import os, subprocess, sys
from dataclasses import dataclass
sys.path.insert(0, {str(ROOT)!r})
from providers.runtime.declare import Created, Lifecycle, Provider, prop
from providers.runtime.serve import serve

@dataclass(frozen=True)
class Nothing:
    pass

@dataclass(frozen=True)
class Inputs:
    seconds: float = prop()
    marker: str = prop()

@dataclass(frozen=True)
class Outputs:
    python: str = prop()

class Wait(Lifecycle):
    token = "slow:index:Wait"
    Inputs, Outputs = Inputs, Outputs

    def __init__(self, client):
        pass

    async def create(self, context, inputs):
        child = subprocess.Popen(["sleep", "600"])
        with open(inputs.marker + ".tmp", "w") as file:
            file.write(f"{{os.getpid()}} {{os.getppid()}} {{child.pid}}")
        os.rename(inputs.marker + ".tmp", inputs.marker)
        await context.sleep(inputs.seconds)
        child.kill()
        return Created("waited", Outputs(sys.executable))

    async def delete(self, context, id, inputs, outputs):
        pass

class Slow(Provider):
    name, version, Config, lifecycles = "slow", "0.1.0", Nothing, (Wait,)

    def configure(self, config):
        return config

serve(Slow())
"""

PROGRAM = """
import pulumi
class Wait(pulumi.CustomResource):
    python: pulumi.Output[str]
    def __init__(self, name, **inputs):
        super().__init__("slow:index:Wait", name, {**inputs, "python": None})
seconds = pulumi.Config().require_float("seconds")
waited = Wait("waiting", seconds=seconds, marker=pulumi.Config().require("marker"))
pulumi.export("python", waited.python)
"""


@pytest.fixture
def project(make_project):
    made = make_project(
        PROGRAM, "plugins:\n  providers:\n    - name: slow\n      path: ./providers/slow\n"
    )
    plugin = made.folder / "providers" / "slow"
    plugin.mkdir(parents=True)
    (plugin / "__main__.py").write_text(PROVIDER)
    (plugin / "PulumiPlugin.yaml").write_text(
        "runtime: {name: python, options: {virtualenv: ../../own-venv}}\n"
    )
    (made.folder / "own-venv").symlink_to(ROOT / ".venv")
    made.pulumi("config", "set", "marker", str(made.folder / "marker"))
    return made


def alive(pids: set[int]) -> dict[int, str]:
    return {
        pid: Path(f"/proc/{pid}/comm").read_text().strip()
        for pid in pids
        if Path(f"/proc/{pid}").exists()
        and Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    }


def children(pid: int) -> set[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    found = {int(child) for task in tasks for child in task.read_text().split()}
    return found.union(*(children(child) for child in found))


def test_a_provider_in_a_folder_runs_with_the_virtualenv_that_it_names(project):
    project.pulumi("config", "set", "seconds", "0")
    project.up()

    assert str(project.outputs()["python"]).endswith("own-venv/bin/python")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_nothing_is_left_when_the_engine_ends(project, number):
    project.pulumi("config", "set", "seconds", "300")
    log = (project.folder / "log").open("w+")
    engine = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview"],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    marker = project.folder / "marker"
    until(marker.exists, bool, "the provider's create", 30)
    started = children(engine.pid)
    assert {int(pid) for pid in marker.read_text().split()} <= started
    os.kill(engine.pid, number)
    engine.wait(30)

    until(lambda: alive(started), lambda left: not left, "end of what the engine started", 15)
    log.seek(0)
    assert "Traceback" not in log.read()
    if number == signal.SIGKILL:
        assert "currently locked" in project.up(fails=True)
        project.pulumi("cancel", "--yes")
