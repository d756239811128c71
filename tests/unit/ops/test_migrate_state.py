"""Which states can be copied, and when two of them are equal."""

import pytest

from ops.migrate_state import content, migrate, refusals
from ops.stack import Stack, StackError

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
GOOD = {"resources": [{"urn": "a"}], "secrets_providers": {"type": "passphrase"}}


def state(ciphertext: str, **inputs: object) -> dict[str, object]:
    hidden = {**SECRET, "ciphertext": ciphertext}
    return {"resources": [{"urn": "a", "inputs": {"many": [{"key": hidden}], **inputs}}]}


def test_what_is_encrypted_anew_is_the_same_and_all_else_is_not():
    assert content(state("v1:a")) == content(state("v1:b"))
    assert content(state("v1:a")) != content(state("v1:a", size=2))
    plain = {"resources": [{"ciphertext": "of somebody's own"}]}
    assert content(plain) == plain["resources"]
    assert content({"resources": None}) == content({}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resources": None}, "its state has no resources"),
        ({"pending_operations": [{}, {}]}, "while it changed 2 resources; run `pulumi refresh"),
        ({"secrets_providers": {"type": "service"}}, "change-secrets-provider passphrase"),
    ],
)
def test_a_state_that_cant_be_copied_says_why(change, said):
    assert list(refusals(GOOD, "prod")) == []
    (problem,) = refusals({**GOOD, **change}, "prod")
    assert problem.startswith("stack prod: ")
    assert said in problem


OLD = "s3://state?region=eu-west-1&endpoint=here:9000"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("", "got '', expected the address of a backend"),
        ("bucket", "got 'bucket', expected the address of a backend"),
        ("s3://state/?endpoint=here:9000", "expected another backend"),
    ],
)
def test_an_address_that_leads_nowhere_else_is_refused_before_anything_runs(tmp_path, to, said):
    stack = Stack("prod", "sophia", {"PULUMI_BACKEND_URL": OLD, "PATH": ""}, tmp_path, ours=False)
    with pytest.raises(StackError, match=said):
        migrate(stack, to)


def test_a_backends_password_is_not_told(tmp_path):
    engine = tmp_path / "pulumi"
    engine.write_text('#!/bin/sh\necho "error: no answer from $PULUMI_BACKEND_URL" >&2\nexit 1\n')
    engine.chmod(0o755)
    environment = {"PULUMI_BACKEND_URL": "postgres://me:geheim@db/state", "PATH": str(tmp_path)}
    stack = Stack("prod", "sophia", environment, tmp_path, ours=False)
    with pytest.raises(StackError, match="no answer from postgres://db/state") as failed:
        migrate(stack, "s3://other")
    assert "geheim" not in str(failed.value)
