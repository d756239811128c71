"""Measures an `up` that changes nothing: `python -m bench.noop`, on a platform that is up.

Alternates it with an `up` of an empty program that starts each of the same plugins once, and prints
the ratio of the shortest times: other load only adds to them. Then it shows where the time goes:
for each process of one more `up`, its start, end and processor time. Exits with 1 above RATIO.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ops.inspect import stack_named
from ops.platform import STACK
from ops.stack import Stack
from tests.support.checkout import ROOT
from tests.support.killing import descendants

RATIO = 3.0
REPEATS = 5
EVERY = 0.05
"""Seconds between two polls of the processes."""

UP = ("up", "--yes", "--skip-preview", "--expect-no-changes")

PROJECT = f"""\
name: empty
runtime: {{name: python, options: {{virtualenv: {ROOT / ".venv"}}}}}
plugins:
  providers:
    - {{name: lambdalabs, path: {ROOT / "providers" / "lambdalabs"}}}
    - {{name: swarm, path: {ROOT / "providers" / "swarm"}}}
"""

PROGRAM = f"""\
import os, sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi_command as command
import pulumi_docker as docker
import pulumi_random as random
from providers.lambdalabs import resources as lambdalabs
from providers.swarm import resources as swarm
lambdalabs.Provider("lambdalabs", api_url=os.environ["LAMBDA_API_URL"],
    api_key=os.environ["LAMBDA_API_KEY"])
swarm.Provider("swarm")
command.Provider("command")
docker.Provider("docker")
random.Provider("random")
"""


@dataclass
class Life:
    """A process. first, last: when it was seen, in seconds of the run. cpu: seconds it has used."""

    what: str
    first: float
    last: float
    cpu: float


def main() -> int:
    """Prints the ratio and the processes; returns the exit status. Takes a minute or two."""
    platform = stack_named(STACK)
    with tempfile.TemporaryDirectory() as folder:
        stacks = {
            "platform": platform,
            "empty program": _made(Path(folder, "empty"), platform, PROGRAM),
            "no plugin at all": _made(Path(folder, "none"), platform, ""),
        }
        for stack in stacks.values():
            stack.pulumi("up", "--yes", "--skip-preview", quiet=True)
        runs = [{name: _seconds(stack) for name, stack in stacks.items()} for _ in range(REPEATS)]
        lives = {name: _lives(stack) for name, stack in list(stacks.items())[:2]}
    print("".join(f"{name:>18}" for name in stacks))
    for run in runs:
        print("".join(f"{seconds:16.1f} s" for seconds in run.values()))
    ours, least, _ = (min(run[name] for run in runs) for name in stacks)
    print(f"least: platform {ours:.1f} s, empty program {least:.1f} s, ratio {ours / least:.2f}")
    used, needed = (sum(life.cpu for life in found) for found in lives.values())
    print(f"of a processor: {used:.1f} s and {needed:.1f} s, ratio {used / needed:.2f}")
    for name, found in lives.items():
        print(f"\n{name}\n{'from':>6} {'to':>6} {'cpu s':>6}")
        for life in sorted(found, key=lambda life: life.first):
            print(f"{life.first:6.1f} {life.last:6.1f} {life.cpu:6.2f}  {life.what}")
        print(f"{'':14}{sum(life.cpu for life in found):6.2f}  altogether")
    return 1 if ours / least > RATIO else 0


def _made(folder: Path, platform: Stack, program: str) -> Stack:
    project, state = folder / "project", folder / "state"
    project.mkdir(parents=True)
    state.mkdir()
    (project / "Pulumi.yaml").write_text(PROJECT)
    (project / "Pulumi.dev.yaml").write_text("")
    (project / "__main__.py").write_text(program)
    backend = {"PULUMI_BACKEND_URL": f"file://{state}?metadata=skip"}
    stack = Stack("dev", "empty", {**platform.environment, **backend}, project)
    stack.select()
    return stack


def _seconds(stack: Stack) -> float:
    began = time.monotonic()
    stack.pulumi(*UP, quiet=True)
    return time.monotonic() - began


def _lives(stack: Stack) -> list[Life]:
    """The processes of one more `up`."""
    running = threading.Thread(target=_seconds, args=(stack,))
    began = time.monotonic()
    running.start()
    lives: dict[int, Life] = {}
    while running.is_alive():
        for pid, command in descendants(os.getpid()).items():
            now, what = time.monotonic() - began, _what(command)
            if what:
                life = lives.setdefault(pid, Life(what, now, now, 0.0))
                life.what, life.last, life.cpu = what, now, max(life.cpu, _cpu(pid))
        time.sleep(EVERY)
    return list(lives.values())


def _what(command: str) -> str:
    """A name for one of the engine's processes, from its command line; "" for any other process."""
    for name in ("pulumi-language-python-exec", "pulumi-language-python", "pulumi-resource-docker"):
        if f"/{name}" in command:
            return {"pulumi-language-python-exec": "the program"}.get(name, name)
    if plugin := re.search(r"/(?:providers/|plugins/resource-)(\w+)", command):
        return f"plugin {plugin[1]}"
    return "engine" if command.startswith("pulumi ") else ""


def _cpu(pid: int) -> float:
    """Its processor seconds; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5)


if __name__ == "__main__":
    sys.exit(main())
