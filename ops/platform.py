"""`make up`, `down` and `purge`: the platform on this machine's simulated cloud."""

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
"""Seconds for replicas that were restarted while the stack changed."""


def stack_of(simulated: cloud.Cloud) -> Stack:
    """This machine's stack, with the environment of `make env`."""
    return Stack(
        STACK,
        PROJECT,
        {**os.environ, **environment(), **simulated.env},
        places.ROOT,
    )


def up() -> None:
    """Creates everything, or what is missing; ends with the address and a command to try."""
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
    """Destroys the stack, then whatever is left of the simulated cloud; returns this project's
    images in Docker, None if it no longer answers."""
    if simulated := cloud.running_at(simulator_folder()):
        with stage("destroying the platform"):
            try:
                stack = stack_of(simulated)
                stack.select()
                stack.recover()
                stack.pulumi("destroy", "--yes", "--skip-preview")
            except (StackError, ToolchainError) as failure:
                # Everything runs in the simulated cloud, which is removed next.
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
    """The default state folder of the simulator's command line."""
    return places.state() / "simulator"


def indented(line: str) -> None:
    """A line within a stage."""
    say(f"    {line}")
