"""`make deployments STACK=organisation/sophia/prod`: `Pulumi.prod.deploy.yaml`, to Pulumi Cloud."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import requests
import yaml

from ops.progress import say
from ops.stack import StackError

API = "https://api.pulumi.com"
_PATIENCE = 30.0
"""Seconds for an answer."""
_UNSET = re.compile(r"\byour-[a-z]+")

Json = dict[str, Any]


def write(stack: str, folder: Path) -> None:
    """Writes the settings. stack: organisation/project/stack. Raises StackError."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+/[\w.-]+", stack):
        raise StackError(f"STACK: got {stack!r}, expected organisation/sophia/prod")
    file = folder / f"Pulumi.{stack.rpartition('/')[2]}.deploy.yaml"
    if not file.exists():
        raise StackError(f"{file.name} is missing: it says how Pulumi Deployments runs {stack}")
    body, problems = completed(file.read_text(), dict(os.environ))
    token = os.environ.get("PULUMI_ACCESS_TOKEN", "")
    if not token:
        problems.append("PULUMI_ACCESS_TOKEN: got nothing, expected a token of Pulumi Cloud")
    if problems:
        raise StackError("nothing was written:\n" + "\n".join(problems))
    url = f"{os.environ.get('PULUMI_API') or API}/api/stacks/{stack}/deployments/settings"
    try:
        answer = requests.post(
            url, json=body, headers={"Authorization": f"token {token}"}, timeout=_PATIENCE
        )
    except requests.RequestException as error:
        raise StackError(f"{url}: {error}") from None
    if not answer.ok:
        raise StackError(f"{url} answered {answer.status_code}: {answer.text[:200]!r}")
    say(f"Pulumi Deployments runs {stack} as {file.name} says")


def completed(text: str, environment: dict[str, str]) -> tuple[Json, list[str]]:
    """The request's body, its secrets from the environment, and what is missing in it. Pure."""
    body: Json = yaml.safe_load(text)["settings"]
    said = yaml.safe_dump(body)
    problems = [f"{one}: replace it with your own" for one in dict.fromkeys(_UNSET.findall(said))]
    for name, value in body["operationContext"].get("environmentVariables", {}).items():
        if isinstance(value, dict):
            value["secret"] = environment.get(name, "")
            if not value["secret"]:
                problems.append(f"{name}: got nothing in the environment, expected its value")
    return body, problems
