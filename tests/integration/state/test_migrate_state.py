"""`make migrate-state` with the real engine: a folder, a bucket (moto), another folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from ops.migrate_state import content, migrate
from ops.stack import Stack, StackError
from tests.integration.state.conftest import SECRET, by_hand, in_folder

pytestmark = pytest.mark.slow


def in_backend(stack: Stack, address: str) -> Stack:
    return replace(stack, environment={**stack.environment, "PULUMI_BACKEND_URL": address})


def test_there_and_back_everything_is_as_it_was(made: Stack, bucket: str, capfd):
    old, file = made.exported(), made.configuration_file.read_bytes()
    there = in_backend(made, bucket)
    by_hand("pulumi stack init prod", dict(there.environment), made.root)  # as if interrupted then
    migrate(made, bucket)
    told = "".join(capfd.readouterr())
    assert "warning" not in told, told
    assert content(there.exported()) == content(old)
    assert len(content(old)) == 3
    assert there.outputs()["token"] == SECRET
    assert SECRET not in told + json.dumps(there.exported())
    assert made.exported() == old

    (removal,) = [line for line in told.splitlines() if " pulumi stack rm " in line]
    by_hand(removal, dict(made.environment), made.root)
    assert made.siblings() == []
    migrate(there, made.environment["PULUMI_BACKEND_URL"])
    assert content(made.exported()) == content(old)
    assert made.outputs()["token"] == SECRET
    assert made.configuration_file.read_bytes() == file


def test_a_state_that_was_lost_is_restored_from_its_backups(made: Stack):
    """As docs/how-to/backends.md says for a bucket without versions."""
    kept, state = made.root / "old" / ".pulumi", made.exported()
    (kept / "stacks" / "sophia" / "prod.json").unlink()
    assert made.siblings() == []
    newest = max((kept / "backups" / "sophia" / "prod").glob("*.json"))
    shutil.copy(newest, kept / "stacks" / "sophia" / "prod.json")
    assert content(made.exported()) == content(state)


def test_what_is_in_the_way_is_kept(made: Stack):
    other = in_folder(made.root, "other")
    there = in_backend(made, other)
    state = {"version": 3, "deployment": made.exported()}
    state["deployment"]["resources"][0]["outputs"]["one"] = "another"
    (made.root / "another.json").write_text(json.dumps(state))
    commands = "pulumi stack init prod && pulumi stack import --file another.json"
    by_hand(commands, dict(there.environment), made.root)
    before = there.exported()
    with pytest.raises(
        StackError, match="has a stack prod with 3 resources, which differ from the 3 here"
    ):
        migrate(made, other)
    assert there.exported() == before


def test_a_stack_that_a_run_works_on_is_left_alone(made: Stack):
    lock = made.root / "old" / ".pulumi" / "locks" / "organization" / "sophia" / "prod" / "1.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(
        '{"pid": 1, "username": "alice", "hostname": "far", "timestamp": "2026-11-27T10:00:00Z"}'
    )
    empty = in_folder(made.root, "empty")
    try:
        with pytest.raises(StackError, match=r"(?s)nothing was copied: .*locked.*pulumi cancel"):
            migrate(made, empty)
    finally:
        lock.unlink()
    assert in_backend(made, empty).siblings() == []


def test_the_same_place_by_another_address_is_none_to_copy_to(made: Stack):
    address = f"file://{made.root}/./old?metadata=skip"
    with pytest.raises(StackError, match="expected another backend"):
        migrate(made, address)
