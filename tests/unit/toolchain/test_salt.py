"""The engine's salt stays out of git, a user's edits do not."""

import json
import subprocess
from pathlib import Path

import pytest

from toolchain import salt

SALT = "v1:c2FsdA==:v1:bm9uY2U=:dGV4dA=="
CONFIG = "config:\n  sophia:sshUser: ubuntu\n"


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "state"))
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "Pulumi.dev.yaml").write_text(CONFIG)
    attributes = Path(salt.places.ROOT, ".gitattributes").read_text()
    (checkout / ".gitattributes").write_text(attributes)
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    return checkout


def record(tmp_path: Path) -> None:
    state = tmp_path / "state" / "pulumi" / ".pulumi" / "stacks" / "sophia" / "dev.json"
    state.parent.mkdir(parents=True)
    providers = {"type": "passphrase", "state": {"salt": SALT}}
    state.write_text(json.dumps({"checkpoint": {"latest": {"secrets_providers": providers}}}))


def test_the_engines_salt_leaves_the_tree_clean_and_stays_in_the_file(root):
    # As the engine writes it: without a newline at the end.
    (root / "Pulumi.dev.yaml").write_text(f"{CONFIG}encryptionsalt: {SALT}")
    assert git(root, "status", "--short") != ""

    salt.settle(root)

    assert git(root, "status", "--short") == ""
    assert SALT in (root / "Pulumi.dev.yaml").read_text()


def test_a_commit_of_another_change_does_not_carry_the_salt(root):
    salt.settle(root)
    changed = CONFIG.replace("ubuntu", "admin")
    (root / "Pulumi.dev.yaml").write_text(f"{changed}encryptionsalt: {SALT}")
    git(root, "commit", "-q", "-a", "-m", "second")

    assert git(root, "show", "HEAD:Pulumi.dev.yaml") == changed


def test_a_users_edit_stays_visible_and_unstaged(root):
    (root / "Pulumi.dev.yaml").write_text(
        f"{CONFIG.replace('ubuntu', 'admin')}encryptionsalt: {SALT}"
    )
    salt.settle(root)

    assert git(root, "status", "--short") == " M Pulumi.dev.yaml\n"


def test_another_clone_gets_the_states_salt_once(root, tmp_path):
    record(tmp_path)
    salt.settle(root)
    salt.settle(root)

    assert (root / "Pulumi.dev.yaml").read_text() == f"{CONFIG}encryptionsalt: {SALT}\n"
    assert git(root, "status", "--short") == ""


@pytest.mark.parametrize("content", ["", "{", "{}", '{"checkpoint": {"latest": null}}'])
def test_a_damaged_state_is_no_error(root, tmp_path, content):
    record(tmp_path)
    (tmp_path / "state/pulumi/.pulumi/stacks/sophia/dev.json").write_text(content)

    salt.settle(root)

    assert (root / "Pulumi.dev.yaml").read_text() == CONFIG


def test_outside_git_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "state"))
    record(tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text(CONFIG)

    salt.settle(tmp_path)

    assert (tmp_path / "Pulumi.dev.yaml").read_text() == CONFIG
