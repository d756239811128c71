"""Each missing or wrong thing in a run's environment is one line that names it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from ops.ci import preflight
from ops.ci.preflight import NotReady, missing
from ops.stack import Stack
from simulator import cloud

S3 = {
    "PULUMI_BACKEND_URL": "s3://bucket",
    "PULUMI_CONFIG_PASSPHRASE": "x",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_REGION": "us-east-1",
    "LAMBDA_API_KEY": "x",
    "SOPHIA_REGISTRY_PASSWORD": "x",
}
NAMED = {name: "variable" if name in ("PULUMI_BACKEND_URL", "AWS_REGION") else "secret"
         for name in S3}  # fmt: skip

ALL, NONE = ({"account": needed, "registry": needed} for needed in (True, False))


def told(given: dict[str, str], configured: dict[str, object] | None = None, **needs):
    return list(missing(given, configured or {}, **(ALL | needs)))


def test_nothing_is_missing():
    assert told(S3) == []


@pytest.mark.parametrize("name", S3)
@pytest.mark.parametrize("value", [None, ""])
def test_each_thing_that_is_missing_is_one_line_with_its_name(name, value):
    given = {key: text for key, text in S3.items() if key != name or value is not None}
    if value is not None:
        given[name] = value
    lines = told(given)
    if name == "PULUMI_BACKEND_URL":
        assert lines[0].startswith("variable PULUMI_BACKEND_URL: got nothing, expected where")
        return
    (line,) = lines
    assert line.startswith(f"{NAMED[name]} {name}: got nothing, expected ")
    assert line.endswith(f"add it to the organisation's {NAMED[name]}s")


def test_all_of_it_is_told_at_once():
    names = [line.split()[1].rstrip(":") for line in told({"PULUMI_BACKEND_URL": "s3://bucket"})]
    assert sorted(names) == sorted(S3.keys() - {"PULUMI_BACKEND_URL"})


def test_who_only_reads_the_state_needs_neither_key_nor_password():
    state = {
        key: S3[key] for key in S3 if key not in ("LAMBDA_API_KEY", "SOPHIA_REGISTRY_PASSWORD")
    }
    assert told(state, **NONE) == []
    assert len(told(state)) == 2


def test_pulumi_cloud_needs_its_token_and_no_passphrase():
    given = {"PULUMI_BACKEND_URL": "https://api.pulumi.com"}
    (line,) = told(given, **NONE)
    assert line.startswith("secret PULUMI_ACCESS_TOKEN: got nothing")


def test_what_the_stacks_file_holds_is_not_missing():
    configured = {
        "secretsprovider": "awskms://alias/sophia",
        "config": {
            "sophia:lambdaApiKey": {"secure": "v1:x"},
            "sophia:registry": {"password": {"secure": "v1:y"}},
        },
    }
    held = ("LAMBDA_API_KEY", "SOPHIA_REGISTRY_PASSWORD", "PULUMI_CONFIG_PASSPHRASE")
    assert told({key: S3[key] for key in S3 if key not in held}, configured) == []


ENGINE = """#!/bin/sh
case "$1 $2" in
  "stack ls") [ "$AWS_SECRET_ACCESS_KEY" = right ] ||
    { echo "error: read '.pulumi': SignatureDoesNotMatch" >&2; exit 1; }
    echo '[{"name": "organization/sophia/prod"}]' ;;
  "config --json") cat config.json ;;
  *) [ "$PULUMI_CONFIG_PASSPHRASE" = right ] ||
    { echo "error: getting secrets manager: incorrect passphrase" >&2; exit 1; }
    echo '{}' ;;
esac
"""
DOCKER = """#!/bin/sh
echo "$@" >docker-arguments
[ "$(cat)" = right ] || { echo "Error: unauthorized: access denied" >&2; exit 1; }
"""
REGISTRY = (
    '{"sophia:registry": {"value": "{\\"server\\": \\"ghcr.io\\", \\"username\\": \\"me\\"}"}}'
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    with cloud.running(tmp_path_factory.mktemp("cloud"), boot_seconds=0.1) as made:
        yield made


@pytest.fixture
def stack(tmp_path: Path, simulated, monkeypatch) -> Stack:
    for name, text in {"pulumi": ENGINE, "docker": DOCKER}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "config.json").write_text(REGISTRY)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "_history", lambda given: "")
    right = dict.fromkeys(S3, "right") | {"PULUMI_BACKEND_URL": "s3://bucket"}
    given = {**right, **simulated.env, "PATH": os.environ["PATH"]}
    given |= {"SOPHIA_REGISTRY_PASSWORD": "right"}
    return Stack("prod", "sophia", given, tmp_path, ours=False)


def test_a_stack_with_its_organisation_is_the_same_one(stack):
    """As `make migrate-state` and `make deployments` name it."""
    held = "config: {sophia:lambdaApiKey: {secure: v1:x}}"
    (stack.root / "Pulumi.prod.yaml").write_text(held)
    (stack.root / "config.json").write_text(
        '{"sophia:lambdaApiKey": {"value": "' + stack.environment["LAMBDA_API_KEY"] + '"}}'
    )
    given = {**stack.environment, "LAMBDA_API_KEY": ""}
    there = dataclasses.replace(stack, name="acme/sophia/prod", environment=given)
    preflight.check(there, **ALL)


def wrong(stack: Stack, name: str) -> str:
    """The single line for a wrong value."""
    given = {**stack.environment, name: "wrong-value"}
    with pytest.raises(NotReady) as refused:
        preflight.check(dataclasses.replace(stack, environment=given), **ALL)
    assert "wrong-value" not in str(refused.value)
    (line,) = str(refused.value).splitlines()
    return line


def test_a_good_environment_passes(stack):
    preflight.check(stack, **ALL)
    arguments = (stack.root / "docker-arguments").read_text()
    assert arguments == "login --username me --password-stdin ghcr.io\n"


def test_a_wrong_passphrase_is_named(stack):
    line = wrong(stack, "PULUMI_CONFIG_PASSPHRASE")
    assert line == "secret PULUMI_CONFIG_PASSPHRASE: it doesn't decrypt the secrets of stack prod"


def test_a_wrong_key_of_the_bucket_is_named_with_what_the_bucket_says(stack):
    line = wrong(stack, "AWS_SECRET_ACCESS_KEY")
    assert line.startswith("one of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, PULUMI_")
    assert line.endswith("s3://bucket can't be read: read '.pulumi': SignatureDoesNotMatch")


def test_a_key_that_the_cloud_refuses_is_named(stack, simulated):
    line = wrong(stack, "LAMBDA_API_KEY")
    assert line.startswith(f"secret LAMBDA_API_KEY: {simulated.url} refuses it: ")


def test_a_password_that_the_registry_refuses_is_named(stack):
    line = wrong(stack, "SOPHIA_REGISTRY_PASSWORD")
    assert line == (
        "secret SOPHIA_REGISTRY_PASSWORD: user me at ghcr.io is refused:"
        " Error: unauthorized: access denied"
    )


def test_a_machine_without_docker_is_told(stack, monkeypatch):
    monkeypatch.setattr(preflight.subprocess, "run", missing_docker(preflight.subprocess.run))
    with pytest.raises(NotReady, match="docker, which builds the images, can't be run"):
        preflight.check(stack, **ALL)


def missing_docker(run):
    def found(command, **options):
        if command[0] == "docker":
            raise FileNotFoundError(2, "No such file or directory", "docker")
        return run(command, **options)

    return found


def test_a_backend_without_the_stack_rents_nothing_twice(stack):
    with pytest.raises(
        NotReady, match=r"has no stack other \(it has prod\).*its machines would be unknown"
    ):
        preflight.check(dataclasses.replace(stack, name="other"), **ALL)


def test_only_the_state_is_looked_at_for_who_only_reads(stack):
    given = {**stack.environment, "LAMBDA_API_KEY": "wrong", "SOPHIA_REGISTRY_PASSWORD": "wrong"}
    preflight.check(dataclasses.replace(stack, environment=given), **NONE)


def test_who_destroys_needs_the_account_and_no_registry(stack):
    without = {**stack.environment, "SOPHIA_REGISTRY_PASSWORD": ""}
    expired = {**stack.environment, "SOPHIA_REGISTRY_PASSWORD": "expired"}
    for given in (without, expired):
        here = dataclasses.replace(stack, environment=given)
        preflight.check(here, account=True, registry=False)
    wrong_key = dataclasses.replace(stack, environment={**without, "LAMBDA_API_KEY": "wrong"})
    with pytest.raises(NotReady, match="secret LAMBDA_API_KEY"):
        preflight.check(wrong_key, account=True, registry=False)
