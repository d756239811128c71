"""python -m simulator up | down | status | env"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import fields
from pathlib import Path

from simulator import cloud, server
from simulator.exceptions import SimulatorError
from simulator.knobs import Knobs

KNOB_HELP = {
    "boot_seconds": "from launch to active (0.5)",
    "terminate_seconds": "least time that a machine is terminating (0)",
    "remember_seconds": "how long a terminated machine is still found (600)",
    "requests_per_second": "rate limit, 0 for none (0; the real service: 1)",
    "launch_interval": "least seconds between launches, 0 for none (0; the real service: 12)",
    "quota": "most instances, 0 for any number (0)",
}


def default_state() -> Path:
    """$SOPHIA_HOME/simulator for this user."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(os.environ.get("SOPHIA_HOME") or Path(base) / "sophia") / "simulator"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="Lambda Cloud on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    texts = {
        "up": "bring it up, or repair it",
        "down": "remove everything",
        "status": "what runs",
        "env": "print lines for a shell that uses it",
        "serve": "(what `up` starts)",
    }
    for name, text in texts.items():
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--state", type=Path, default=default_state(), help="state folder (%(default)s)"
        )
        if name == "up":
            command.add_argument(
                "--api-only", action="store_true", help="no machines and no registry, no Docker"
            )
            for knob in fields(Knobs):
                command.add_argument(
                    f"--{knob.name.replace('_', '-')}",
                    type=type(knob.default),
                    help=KNOB_HELP[knob.name],
                )
        if name == "serve":
            command.add_argument("--revision", help="marks the process")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    folder: Path = options.state
    if options.command == "up":
        knobs = {
            knob.name: getattr(options, knob.name)
            for knob in fields(Knobs)
            if getattr(options, knob.name) is not None
        }
        cloud.up(folder, api_only=options.api_only, **knobs)
    elif options.command == "down":
        cloud.down(folder)
    elif options.command == "status":
        print("\n".join(cloud.status(folder)))
    elif options.command == "serve":
        server.serve(folder)
    else:
        found = cloud.find(folder)
        if found is None:
            raise SimulatorError(f"no simulator in {folder}; run `python -m simulator up` first")
        for name, value in found.env.items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except SimulatorError as error:
        sys.exit(f"simulator: {error}")
