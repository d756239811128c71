"""`make up` and `make down`: the main job, on the simulated cloud of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ops import client
from ops.progress import say, stage
from ops.stack import Stack, StackError
from simulator import cloud
from toolchain import ToolchainError, ensure, environment, places

PROJECT = "sophia"
STACK = "dev"


def stack_of(simulated: cloud.Cloud) -> Stack:
    """The stack of this machine, its environment that of `make env`."""
    return Stack(
        STACK,
        PROJECT,
        {**os.environ, **environment(), **simulated.env},
        places.ROOT,
    )


def up() -> None:
    """Everything from nothing, or what is missing; ends with the address and a command to try."""
    with stage("the Pulumi engine and its plugins"):
        ensure(indented)
    with stage("the simulated cloud"):
        simulated = cloud.up(simulator_folder(), indented)
    stack = stack_of(simulated)
    with stage("the platform"):
        stack.select()
        stack.recover()
        stack.pulumi("up", "--yes", "--skip-preview")
    outputs = stack.outputs()
    client.farewell(outputs, client.write_files(outputs))


def down() -> None:
    """Leaves nothing: the stack is destroyed, then whatever may be left of the simulated cloud."""
    if simulated := cloud.running_at(simulator_folder()):
        with stage("destroying the platform"):
            try:
                stack = stack_of(simulated)
                stack.select()
                stack.recover()
                stack.pulumi("destroy", "--yes", "--skip-preview")
            except (StackError, ToolchainError) as failure:
                # Nothing lives outside the simulated cloud, and that is removed next.
                say(f"    {failure}\n    going on: the simulated cloud is removed as a whole")
    with stage("removing the simulated cloud"):
        cloud.down(simulator_folder(), indented)
    Stack(STACK, PROJECT, {}, places.ROOT).forget()
    shutil.rmtree(client.folder(), ignore_errors=True)


def simulator_folder() -> Path:
    """The state folder that the simulator's command line takes by default."""
    return places.state() / "simulator"


def indented(line: str) -> None:
    """A line within a stage."""
    say(f"    {line}")
