"""What Patroni is told: which settings both share, and who is heard."""

from __future__ import annotations

import pytest

from components.plan import database
from images.database import member

HOSTS = {"database": "a", "database-2": "b"}
ARGS = [*database.workload("database").args, "-c", "restore_command=get %f %p"]


def told() -> dict:
    return member.configuration("database-2", HOSTS, ["e"], "pw", member.given(ARGS))


def test_a_commit_is_acknowledged_by_both_and_only_such_a_member_is_promoted():
    shared = member.shared(member.given(ARGS))
    assert shared["synchronous_mode"] is True
    assert shared["failsafe_mode"] is True
    assert shared["ttl"] >= shared["loop_wait"] + 2 * shared["retry_timeout"]


def test_what_both_must_have_in_common_is_in_etcd_and_the_rest_is_each_ones_own():
    settings = member.given(ARGS)
    common = member.shared(settings)["postgresql"]["parameters"]
    own = told()["postgresql"]["parameters"]
    assert common["max_connections"] == settings["max_connections"]
    assert own["shared_buffers"] == "256MB"
    assert not common.keys() & own.keys()
    assert told()["postgresql"]["recovery_conf"] == {"restore_command": "get %f %p"}


def test_no_member_makes_a_cluster_by_itself():
    # Without it Patroni only adopts what is there, or copies the primary.
    assert "bootstrap" not in told()


def test_superusers_come_in_by_the_socket_and_nobody_is_heard_without_a_certificate():
    config = told()
    assert config["postgresql"]["authentication"]["superuser"] == {"username": "postgres"}
    rules = config["postgresql"]["pg_hba"]
    assert rules.index("host all postgres all reject") < rules.index(
        "host all all all scram-sha-256"
    )
    assert (config["restapi"]["verify_client"], config["etcd3"]["protocol"]) == (
        "required",
        "https",
    )


@pytest.mark.parametrize(
    ("name", "known", "forgotten"),
    [
        ("database", "", False),
        ("database", "7001\n", False),
        ("database", "7002\n", True),
        # It copies the first one.
        ("database-2", "7002\n", False),
    ],
)
def test_etcd_forgets_a_former_standbys_cluster_where_there_is_another_one_now(
    tmp_path, monkeypatch, name, known, forgotten
):
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(member, "CLUSTER", tmp_path)
    monkeypatch.setattr(member, "identifier", lambda: "7001")
    monkeypatch.setattr(member, "insisted", lambda *words: asked.append(words) or known)
    monkeypatch.setenv("MEMBER", name)
    monkeypatch.setenv("MEMBERS", "database=a,database-2=b")
    member.begin()
    assert (("del", "/service/database/sync") in asked) == forgotten
    assert (("put", "/service/database/initialize", "7001") in asked) == forgotten
