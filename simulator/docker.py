"""The host's Docker: its command line as a function.

Everything goes through the `docker` command, so contexts and DOCKER_HOST mean the same as in the
user's shell.
"""

from __future__ import annotations

import subprocess

from simulator.exceptions import DockerError

LABEL = "sophia.simulator"


def docker(*arguments: str, stdin: bytes | None = None, timeout: float = 120) -> str:
    """The output of `docker <arguments>`, stripped.

    Raises DockerError with docker's message; `timeout` is in seconds.
    """
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout)
    except FileNotFoundError:
        raise DockerError("the `docker` command is not installed") from None
    except subprocess.TimeoutExpired:
        words = " ".join(command[:3])
        raise DockerError(f"`{words} …` did not end within {timeout:.0f} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise DockerError(f"`{' '.join(command[:3])} …` failed ({done.returncode}): {said}")
    return done.stdout.decode(errors="replace").strip()


def exists(kind: str, name: str) -> bool:
    """Whether a `kind` (image, container, volume, network) of that name exists."""
    try:
        docker(kind, "inspect", "--format", "{{.ID}}" if kind == "image" else "{{.Name}}", name)
    except DockerError as error:
        if "No such" in str(error) or "not found" in str(error):
            return False
        raise
    return True
