"""The setting `backup`: off without it, and every fault at once without showing a secret."""

from __future__ import annotations

import re

import pytest

from components.plan import workloads
from components.plan.backup import Repository
from components.settings import SECRETS
from tests.support.certificates import issue
from tests.unit.components.samples import GOOD, changed, check

LEAST = {"bucket": "sophia-backups", "accessKey": "AKIA", "secretKey": "key-nobody-may-see"}


def names(settings) -> list[str]:
    return [one.name for one in workloads.planned(settings)]


def test_there_are_none_unless_they_are_configured():
    for values in (GOOD, changed(backup={}), changed(backup=None)):
        settings, faults = check(values)
        assert (settings.backup, faults) == (None, [])
        assert "backup" not in names(settings)
        (server, *_) = workloads.planned(settings)
        assert (server.networks, server.health.start_period_s) == (("data",), 120)


def test_bucket_and_keys_are_enough():
    settings, faults = check(changed(backup=LEAST))
    assert faults == []
    assert settings.backup.repository == Repository(
        "sophia-backups", "us-east-1", "", "/sophia-dev", 4
    )
    assert settings.backup.secret_key.reveal() == "key-nobody-may-see"
    assert settings.backup.passphrase.reveal() == ""
    assert names(settings)[:2] == ["database", "backup"]


def test_an_s3_of_ones_own():
    ca = issue("ca").pem
    own = {"endpoint": "s3.example.com:9000", "ca": ca, "path": "/team/prod", "retention": 8}
    settings, faults = check(changed(backup=LEAST | own | {"passphrase": "p" * 20}))
    assert faults == []
    assert settings.backup.repository == Repository(
        "sophia-backups", "us-east-1", "s3.example.com:9000", "/team/prod", 8, ca
    )


def test_everything_that_is_wrong_is_told_at_once_and_no_secret_with_it():
    wrong = {
        "bucket": "Not_a_bucket",
        "accessKey": "two words",
        "endpoint": "https://s3.example.com",
        "path": "no-slash",
        "retention": 0,
        "passphrase": "short",
        "regoin": "eu-central-1",
    }
    _, faults = check(changed(backup=wrong))
    assert [fault.partition(": ")[0] for fault in faults] == [
        f"sophia:backup.{key}"
        for key in (
            *("bucket", "endpoint", "path", "retention", "accessKey", "secretKey", "passphrase"),
            "regoin",
        )
    ]
    told = "\n".join(faults)
    assert "got 'Not_a_bucket', expected the name of an S3 bucket" in told
    assert "run `pulumi config set --secret --path 'sophia:backup.secretKey'`" in told
    assert "did you mean 'region'?" in told
    for secret in ("two words", "short"):
        assert secret not in told


@pytest.mark.parametrize("value", ["sophia-backups", ["AKIA"]])
def test_what_is_no_mapping_is_not_shown(value):
    _, faults = check(changed(backup=value))
    assert "sophia:backup: got a" in faults[0]
    assert "AKIA" not in str(faults)


def test_a_ca_is_for_an_endpoint_of_ones_own():
    _, (fault,) = check(changed(backup=LEAST | {"ca": issue("ca").pem}))
    assert fault.startswith("sophia:backup.ca: got a str (not shown), expected none without")


def test_a_stack_that_only_reads_anothers_backups_has_no_job_and_needs_its_passphrase():
    _, faults = check(changed(backup=LEAST | {"restoreOnly": True}))
    expected = "expected that of the stack whose backups these are, as sophia:backup.restoreOnly"
    assert [expected in fault for fault in faults] == [True, True]
    assert [fault.partition(": ")[0].rpartition(".")[2] for fault in faults] == [
        "path",
        "passphrase",
    ]
    of = {"restoreOnly": True, "path": "/sophia-prod", "passphrase": "p" * 20}
    settings, faults = check(changed(backup=LEAST | of))
    assert faults == []
    server, second, *_ = workloads.planned(settings)
    assert server.env["BACKUP_RESTORE_ONLY"] == "true"
    assert second.name != "backup"


def test_its_keys_are_looked_for_in_plain_text():
    sign, _ = SECRETS["backup"]
    assert re.search(sign, '{"bucket":"b","secretKey":"s"}')
    assert not re.search(sign, '{"bucket":"b","secretKey":"","passphrase":null}')
