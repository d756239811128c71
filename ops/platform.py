"""`make up`, `down` and `purge`: the main job, on the simulated cloud of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ops import client, gateways, leftovers
from ops.progress import say, stage
from ops.stack import PROJECT, Stack, StackError
from simulator import cloud
from toolchain import ToolchainError, ensure, environment, places

STACK = "dev"
PATIENCE = 180.0
"""Seconds for replicas that were ended and started anew while the stack changed."""


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
        try:
            stack.pulumi("up", "--yes", "--skip-preview")
        except StackError as failure:
            log = cloud.log_file(simulated.folder)
            raise StackError(f"{failure}; the simulated cloud's own log is {log}") from None
    outputs = stack.outputs()
    gateways.wait(outputs, indented, PATIENCE)
    client.farewell(outputs, client.write_files(outputs))


def down() -> None:
    """Destroys the platform, and lists what stays on the machine."""
    images = _destroy()
    if lines := leftovers.listed(None if images is None else len(images)):
        say("Left on this machine (`make purge` removes it):")
        for line in lines:
            say(f"    {line}")


def purge() -> None:
    """Destroys the platform, and removes what `down` would list."""
    _destroy()
    with stage("removing images, caches and state"):
        leftovers.remove()


def _destroy() -> list[str] | None:
    """Destroys the stack, then whatever may be left of the simulated cloud; returns the images
    that Docker has of this project, None where it can't be asked any more."""
    if simulated := cloud.running_at(simulator_folder()):
        with stage("destroying the platform"):
            try:
                stack = stack_of(simulated)
                stack.select()
                stack.recover()
                stack.pulumi("destroy", "--yes", "--skip-preview")
            except (StackError, ToolchainError) as failure:
                # Nothing lives outside the simulated cloud, and that is removed next.
                say(f"    {failure}\n    continuing: the simulated cloud is removed entirely")
    images = leftovers.image_names()
    with stage("removing the simulated cloud"):
        try:
            cloud.down(simulator_folder(), indented)
        finally:
            Stack(STACK, PROJECT, {}, places.ROOT).forget()
            shutil.rmtree(client.folder(), ignore_errors=True)
    return images


def simulator_folder() -> Path:
    """The state folder that the simulator's command line takes by default."""
    return places.state() / "simulator"


def indented(line: str) -> None:
    """A line within a stage."""
    say(f"    {line}")
