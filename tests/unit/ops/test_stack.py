"""Repairs of the stack's files without the engine."""

import dataclasses
import json

import pytest

from ops import stack as stacks
from ops.stack import Stack, StackError

SALT = "encryptionsalt: v1:AAAA=:v1:BBBB\n"
CONFIG = "config:\n  sophia:sshUser: debian\n"
ENGINE = f"""\
[ -f Pulumi.dev.yaml ] && sed -i 's/: true$/: "true"/; $a {SALT.rstrip()}' Pulumi.dev.yaml
echo '{{}}'
"""
SECRET = "config:\n  sophia:lambdaApiKey:\n    secure: v1:CCCC\n"


@pytest.fixture
def stack(tmp_path, monkeypatch) -> Stack:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\n" + ENGINE)
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Stack("dev", "sophia", {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CONFIG, CONFIG),
        (CONFIG + SALT, CONFIG),
        (SALT + SECRET, SALT + SECRET),
        (CONFIG + "  sophia:startUnconfigured: true\n",) * 2,
    ],
)
def test_a_run_leaves_the_file_as_it_was_without_a_salt_that_no_value_needs(stack, before, after):
    file = stack.root / "Pulumi.dev.yaml"
    file.write_text(before)
    stack.outputs()
    assert file.read_text() == after


def test_a_stack_without_a_file_gets_none(stack):
    assert stack.outputs() == {}
    assert not (stack.root / "Pulumi.dev.yaml").exists()


def test_what_somebody_writes_during_a_run_stays(stack):
    file = stack.root / "Pulumi.dev.yaml"
    file.write_text(CONFIG)
    edit = f"#!/bin/sh\necho '  sophia:more: 1' >>Pulumi.dev.yaml\n{ENGINE}"
    (stack.root / "bin" / "pulumi").write_text(edit)
    stack.outputs()
    assert "sophia:more: 1" in file.read_text()


OWN = [
    "stacks/sophia/dev.json",
    "stacks/sophia/dev.json.bak",
    "stacks/sophia/dev.json.attrs",
    "stacks/sophia/dev.json.bak.attrs",
    "stacks/sophia/dev.json.bak.18eb4938f4986e6c.tmp",
    "history/sophia/dev/dev-1.history.json",
    "backups/sophia/dev/dev.1.json",
    "locks/organization/sophia/dev/x.json",
]
OTHERS = [
    "stacks/sophia/prod.json",
    "stacks/sophia/dev2.json",
    "stacks/sophia/dev-alice.json",
    "stacks/sophia/dev.json-old.json",
    "stacks/otherproject/dev.json",
    "stacks/devtools/prod.json",
    "history/sophia/devops/x.json",
    "backups/sophia/dev-alice/dev-alice.1.json",
    "locks/organization/otherproject/dev/x.json",
]


def test_a_forgotten_stack_leaves_no_file_and_every_other_stays(stack):
    root = stack.backend / ".pulumi"
    for name in (*OWN, *OTHERS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("not even JSON")
    stack.forget()
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert left == set(OTHERS)


@pytest.mark.parametrize("before", [None, CONFIG, SALT + CONFIG])
def test_an_operators_configuration_is_only_looked_at(stack, before):
    file = stack.root / "Pulumi.prod.yaml"
    if before is not None:
        file.write_text(before)
    engine = stack.root / "bin" / "pulumi"
    engine.write_text(f"#!/bin/sh\necho 'encryptionsalt: v1:NEW' > {file}\necho '{{}}'\n")
    dataclasses.replace(stack, name="prod", ours=False).outputs()
    assert (file.read_text() if file.exists() else None) == before


def test_a_backends_password_is_not_told(stack):
    engine = stack.root / "bin" / "pulumi"
    engine.write_text('#!/bin/sh\necho "error: no answer from $PULUMI_BACKEND_URL" >&2\nexit 1\n')
    environment = {**stack.environment, "PULUMI_BACKEND_URL": "postgres://me:geheim@db/state?a=b"}
    prod = dataclasses.replace(stack, name="prod", environment=environment, ours=False)
    for call in (prod.outputs, prod.siblings):
        with pytest.raises(StackError) as failed:
            call()
        assert "postgres://db/state: " in str(failed.value)
        assert "geheim" not in str(failed.value)


OURS = {
    "PATH": "/ours:/usr/bin",
    "PULUMI_BACKEND_URL": "file:///ours",
    "PULUMI_HOME": "/ours/home",
    "PULUMI_CONFIG_PASSPHRASE_FILE": "/ours/passphrase",
    "PULUMI_SKIP_UPDATE_CHECK": "true",
}


@pytest.fixture
def found(tmp_path, monkeypatch):
    """The environment of an operator's stack, in a shell that has just these variables."""

    def look(login: str = "", **variables: str) -> dict[str, str]:
        (tmp_path / ".pulumi").mkdir(exist_ok=True)
        (tmp_path / ".pulumi" / "credentials.json").write_text(json.dumps({"current": login}))
        shell = {"HOME": str(tmp_path), "PATH": "/usr/bin", **variables}
        monkeypatch.setattr(stacks.os, "environ", shell)
        monkeypatch.setattr(stacks, "environment", lambda: dict(OURS))
        return dict(stacks.of_this_shell("prod").environment)

    return look


def test_without_any_backend_an_operators_stack_is_looked_for_in_ours(found):
    assert found(PULUMI_CONFIG_PASSPHRASE="x").items() >= OURS.items()


def test_a_shells_own_no_proxy_does_not_undo_what_was_added_to_it(found, monkeypatch):
    monkeypatch.setitem(OURS, "no_proxy", ".corp.example,127.0.0.1")
    assert found(no_proxy=".corp.example")["no_proxy"] == ".corp.example,127.0.0.1"


@pytest.mark.parametrize(
    ("login", "variables"),
    [("s3://theirs", {}), ("", {"PULUMI_BACKEND_URL": "s3://theirs", "PULUMI_HOME": "/theirs"})],
)
def test_an_operators_backend_gets_nothing_of_ours_but_the_engine(found, login, variables):
    environment = found(login, **variables)
    assert environment["PATH"] == OURS["PATH"]
    for name in ("PULUMI_BACKEND_URL", "PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        assert environment.get(name) == variables.get(name)
