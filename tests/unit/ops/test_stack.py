"""What is mended in the stack's files without the engine."""

import pytest

from ops.stack import Stack

SALT = "encryptionsalt: v1:AAAA=:v1:BBBB\n"
CONFIG = "config:\n  sophia:sshUser: debian\n"
SECRET = "config:\n  sophia:lambdaApiKey:\n    secure: v1:CCCC\n"


@pytest.fixture
def stack(tmp_path, monkeypatch) -> Stack:
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\necho '{}'\n")
    (tmp_path / "bin" / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Stack("dev", "sophia", {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [(CONFIG, CONFIG), (CONFIG + SALT, CONFIG), (SALT + SECRET, SALT + SECRET)],
)
def test_the_engines_salt_goes_unless_values_need_it(stack, before, after):
    file = stack.root / "Pulumi.dev.yaml"
    file.write_text(before)
    stack.outputs()
    assert file.read_text() == after


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
