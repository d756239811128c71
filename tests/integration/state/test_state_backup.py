"""Copies of the state beside the database's backups, in an S3 by TLS (moto), and whether the
state's own bucket keeps versions."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from ops import bucket, state_backup
from ops.ci import preflight
from ops.migrate_state import content
from ops.stack import Stack, StackError
from tests.integration.state.conftest import SECRET, by_hand
from tests.support import s3
from tests.support.certificates import issue

pytestmark = pytest.mark.slow


@pytest.fixture
def backed_up(made: Stack, tmp_path: Path) -> Iterator[Stack]:
    """The stack, with the setting `backup`."""
    root = issue("S3's CA")
    leaf = issue("S3", root, addresses=(IPv4Address("127.0.0.1"),))
    (tmp_path / "chain.pem").write_text(leaf.chain)
    (tmp_path / "key.pem").write_text(leaf.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    with s3.bucket() as there, s3.serving(tls=tls) as port:
        settings = {
            "bucket": there.name,
            "endpoint": f"127.0.0.1:{port}",
            "ca": root.pem,
            "accessKey": "access",
            "secretKey": "secret-key-canary",
        }
        (tmp_path / "backup.json").write_text(json.dumps(settings))
        given = dict(made.environment)
        by_hand(f"pulumi config set --secret backup <{tmp_path}/backup.json", given, made.root)
        yield made


def copies(stack: Stack) -> list[str]:
    with state_backup.of(stack, "sophia-prod") as there:
        return there.names("state")


def test_a_lost_state_comes_back_from_its_copy(backed_up: Stack, tmp_path: Path):
    state, outputs = backed_up.exported(), backed_up.outputs()
    place = state_backup.make(backed_up, "sophia-prod")
    [name] = copies(backed_up)
    assert place.endswith(f"/{name}")
    assert name.startswith("sophia-prod/state/20")
    with state_backup.of(backed_up, "sophia-prod") as there:
        kept = there.read(name)
    assert SECRET.encode() not in kept
    assert b"secret-key-canary" not in kept

    # As docs/how-to/backups.md says.
    given = dict(backed_up.environment)
    by_hand("pulumi stack rm prod --force --yes --preserve-config", given, backed_up.root)
    assert backed_up.siblings() == []
    (tmp_path / "state.json").write_bytes(kept)
    by_hand("pulumi stack init prod", given, backed_up.root)
    by_hand(f"pulumi stack import --file {tmp_path}/state.json", given, backed_up.root)
    assert content(backed_up.exported()) == content(state)
    assert backed_up.outputs() == outputs


def test_the_newest_copies_are_kept(backed_up: Stack, monkeypatch):
    monkeypatch.setattr(state_backup, "KEPT", 2)
    made = [state_backup.make(backed_up, "sophia-prod") for _ in range(3)]
    assert [place.rpartition("/")[2] for place in made[1:]] == [
        name.rpartition("/")[2] for name in copies(backed_up)
    ]
    # By a machine whose clock was wrong.
    with state_backup.of(backed_up, "sophia-prod") as there:
        for year in ("2090", "2091"):
            there.write(f"{state_backup.FOLDER}/{year}-01-01T00-00-00.000000Z.json", b"{}")
    newest = state_backup.make(backed_up, "sophia-prod").rpartition("/")[2]
    assert newest in [name.rpartition("/")[2] for name in copies(backed_up)]


def test_an_s3_that_is_away_is_one_clear_error(backed_up: Stack):
    away = {"bucket": "b", "endpoint": "localhost:1", "accessKey": "a", "secretKey": "nobody-sees"}
    with bucket.of_backups(away, "p") as there, pytest.raises(StackError) as failed:
        there.write("state/x.json", b"{}")
    assert str(failed.value).startswith("bucket b: ")
    assert "nobody-sees" not in str(failed.value)


def test_a_state_without_versions_is_one_warning():
    with s3.bucket() as made:
        given = {"PULUMI_BACKEND_URL": made.backend, "AWS_REGION": "us-east-1", **s3.KEYS}
        assert preflight._history(given) == (
            f"bucket {made.name} keeps no versions, so a state that is overwritten is lost: turn"
            " them on (docs/how-to/backends.md)"
        )
        made.client.put_bucket_versioning(
            Bucket=made.name, VersioningConfiguration={"Status": "Enabled"}
        )
        assert preflight._history(given) == ""
        gone = given | {"PULUMI_BACKEND_URL": made.backend.replace(made.name, "nobodys")}
        assert preflight._history(gone).startswith("whether the state's bucket keeps versions is")
    assert preflight._history({"PULUMI_BACKEND_URL": "file:///srv/state"}) == ""
