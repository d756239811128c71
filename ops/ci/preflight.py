"""Checks a run's environment before anything else is done: one line, with the name, for each thing
that is missing or wrong."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from ops import bucket, orphans
from ops.progress import say
from ops.stack import Stack, StackError
from providers.lambdalabs.client import LambdaClient
from providers.lambdalabs.errors import Forbidden, InvalidKey, LambdaError

BACKEND, PASSPHRASE = "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"
LAMBDA, REGISTRY = "LAMBDA_API_KEY", "SOPHIA_REGISTRY_PASSWORD"
OF_BACKEND = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"),
    "https": ("PULUMI_ACCESS_TOKEN",),
}
"""The variables that each kind of backend needs."""
PLAIN = frozenset({BACKEND, "AWS_REGION"})
"""Not secret: variables of the organisation."""


class NotReady(StackError):
    """Something in the environment is missing or wrong."""


def check(stack: Stack, *, account: bool, registry: bool) -> None:
    """Raises NotReady with a line for each problem. account, registry: also checks the key of
    Lambda Cloud and the registry's password. Who reads the state needs neither, and who destroys
    pushes no image: a password that has expired must not keep machines rented."""
    given = stack.environment
    configured = _configured(stack)
    problems = list(missing(given, configured, account=account, registry=registry))
    if not problems:
        problems = list(_state(stack))
    if not problems:
        problems += _account(stack) if account else ()
        problems += _registry(stack) if registry else ()
    if problems:
        raise NotReady("\n".join(problems))
    if warning := _history(given):
        say(f"warning: {warning}")
        if "GITHUB_ACTIONS" in os.environ:
            say(f"::warning::{warning}")


def missing(
    given: Mapping[str, str], configured: Mapping[str, Any], *, account: bool, registry: bool
) -> Iterator[str]:
    """What is missing in the environment. configured: the stack's file, which may hold some.
    Pure."""
    backend = given.get(BACKEND, "")
    if not backend:
        yield _missing(BACKEND, "where the stack's state is, such as s3://your-bucket")
    for name in OF_BACKEND.get(urlsplit(backend).scheme, ()):
        if not given.get(name) and not given.get("AWS_PROFILE"):
            yield _missing(name, f"the credential for {_place(backend)}")
    encrypts = backend.startswith("https:") or "secretsprovider" in configured
    if not encrypts and not (given.get(PASSPHRASE) or given.get(f"{PASSPHRASE}_FILE")):
        yield _missing(PASSPHRASE, "the passphrase of the stack's secrets")
    values = configured.get("config") or {}
    if account and not given.get(LAMBDA) and not values.get("sophia:lambdaApiKey"):
        yield _missing(LAMBDA, "a key of Lambda Cloud's API")
    password = (values.get("sophia:registry") or {}).get("password")
    if registry and not given.get(REGISTRY) and not password:
        yield _missing(REGISTRY, "the password for pushing images")


def _missing(name: str, expected: str) -> str:
    kind = "variable" if name in PLAIN else "secret"
    return f"{kind} {name}: got nothing, expected {expected}; add it to the organisation's {kind}s"


def _configured(stack: Stack) -> Mapping[str, Any]:
    path = stack.configuration_file
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def _state(stack: Stack) -> Iterator[str]:
    """Opens the backend and decrypts."""
    place = _place(stack.environment[BACKEND])
    try:
        names = stack.siblings()
    except StackError as failure:
        kind = urlsplit(stack.environment[BACKEND]).scheme
        secrets = ", ".join((*OF_BACKEND.get(kind, ()), BACKEND))
        yield f"one of {secrets} is wrong: {place} can't be read: {_last(failure)}"
        return
    if stack.bare not in names:
        found = ", ".join(names) or "none"
        yield (
            f"variable {BACKEND}: {place} has no stack {stack.name} (it has {found}), so its"
            f" machines would be unknown; create a new one with"
            f" `pulumi stack init {stack.name}`"
        )
        return
    try:
        _encrypt_something(stack)
    except StackError as failure:
        if "passphrase" not in str(failure):
            yield f"the secrets of {stack.name} can't be decrypted: {_last(failure)}"
        else:
            yield f"secret {PASSPHRASE}: it doesn't decrypt the secrets of stack {stack.name}"


def _encrypt_something(stack: Stack) -> None:
    """The engine checks the passphrase only when it needs it: encrypt into a copy of the file."""
    path = stack.configuration_file
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as copy:
        copy.write(path.read_text() if path.exists() else "")
        copy.flush()
        command = ("config", "set", "--secret", "preflight", "x", "--config-file", copy.name)
        stack.pulumi(*command, quiet=True)


def _history(given: Mapping[str, str]) -> str:
    """Why a lost or damaged state might not come back, "" if it would."""
    try:
        there = bucket.of_state(given)
        if there is None or there.keeps_versions():
            return ""
    except StackError as failure:
        return f"whether the state's bucket keeps versions is unknown ({failure})"
    return (
        f"bucket {there.name} keeps no versions, so a state that is overwritten is lost: turn them"
        " on (docs/how-to/backends.md)"
    )


def _account(stack: Stack) -> Iterator[str]:
    try:
        url, key, spare = orphans.credentials(stack)
        LambdaClient(url, key, spare).instance_types()
    except StackError as failure:
        yield f"secret {LAMBDA}: {failure}"
    except (InvalidKey, Forbidden) as refused:
        yield f"secret {LAMBDA}: {url} refuses it: {refused}"
    except LambdaError as failure:
        yield f"Lambda Cloud at {url} can't be reached: {failure}"


def _registry(stack: Stack) -> Iterator[str]:
    """Logs in with a separate folder: the runner's Docker stores nothing."""
    settings = json.loads(stack.configuration().get("registry") or "{}")
    for name in ("server", "username", "password"):
        settings.setdefault(name, stack.environment.get(f"SOPHIA_REGISTRY_{name.upper()}", ""))
    if not all(settings[name] for name in ("server", "username", "password")):
        return  # the program reports what is missing there
    with tempfile.TemporaryDirectory() as folder:
        command = ["docker", "login", "--username", settings["username"], "--password-stdin"]
        try:
            done = subprocess.run(
                [*command, settings["server"]],
                env={**stack.environment, "DOCKER_CONFIG": folder},
                input=settings["password"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            yield f"docker, which builds the images, can't be run: {error}"
            return
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        who = f"user {settings['username']} at {settings['server']}"
        yield f"secret {REGISTRY}: {who} is refused: {said}"


def _place(address: str) -> str:
    found = urlsplit(address)
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"


def _last(failure: StackError) -> str:
    """The engine's message, in one line."""
    lines = [line for line in str(failure).splitlines() if line.startswith("error:")]
    return (lines or str(failure).splitlines())[-1].removeprefix("error: ")
