"""The setting `database`: a database of the operator's in place of the platform's."""

from __future__ import annotations

import re

import pytest

from components.plan import workloads
from components.settings import SECRETS
from tests.unit.components.samples import changed, check
from tests.unit.components.test_settings_standby import MANAGERS

URL = "postgresql://me:password-nobody-may-see@db.example.com/memories"
OWN = {"url": URL, "backups": "by the provider, daily"}


def planned(settings):
    return {one.name: one for one in workloads.planned(settings)}


def test_without_it_the_platform_runs_its_own():
    for values in (changed(), changed(database={}), changed(database=None)):
        settings, faults = check(values)
        assert (settings.database, faults) == (None, [])
        assert "database" in planned(settings)
        assert "database-check" not in planned(settings)


def test_it_replaces_the_database_and_what_needs_one_starts_after_its_check():
    settings, faults = check(changed(database=OWN))
    assert faults == []
    assert settings.database.url.reveal() == URL
    every = planned(settings)
    assert [name for name in every if name.startswith(("database", "backup"))] == ["database-check"]
    assert every["ai_memory"].needs == ("database-check",)
    assert every["ai_memory"].networks == ("services",)
    assert [file.target for file in every["ai_memory"].secrets] == ["MEMORY_DATABASE_URL"]
    assert every["lambda_labs_cli"].needs == ()
    assert every["database-check"].env == {"BACKUPS_ELSEWHERE": "by the provider, daily"}


def test_a_server_with_an_address_of_its_own_needs_no_check():
    own = {"ai_memory": {"secrets": {"MEMORY_DATABASE_URL": "postgresql://a:b@c/d"}}}
    settings, faults = check(changed(database=OWN, servers=own))
    assert faults == []
    assert planned(settings)["ai_memory"].needs == ()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (URL, "sophia:database: got a str (not shown), expected a mapping"),
        ({"backups": "there"}, "sophia:database.url: got nothing, expected a text"),
        ({"url": "db-password-nobody-may-see"}, "sophia:database.url: got a str (not shown)"),
        (OWN | {"backups": "a\nb"}, "sophia:database.backups: got 'a\\nb', expected one line"),
    ],
)
def test_what_is_wrong_is_told_without_the_address(value, told):
    _, faults = check(changed(database=value))
    assert told in faults[0]
    assert len(faults) == 1
    assert "nobody-may-see" not in str(faults)


def test_the_platform_makes_no_backups_of_it():
    backup = {"bucket": "sophia-backups", "accessKey": "a", "secretKey": "nobody-may-see"}
    _, (fault,) = check(changed(database=OWN, backup=backup))
    assert fault.startswith("sophia:backup: got a dict (not shown), expected none with sophia:data")


def test_a_standby_and_a_rotation_are_the_platforms_own_and_refused_at_once():
    wanted = {"standby": {"enabled": True}, "rotate": {"database": 2}, "nodeGroups": [MANAGERS]}
    standby, rotation = check(changed(database=OWN, **wanted))[1]
    assert standby.startswith("sophia:standby.enabled: got true, expected false with sophia:data")
    assert rotation.startswith("sophia:rotate.database: got '2', expected none with sophia:data")
    off = {"standby": {"enabled": False}, "rotate": {"database": ""}}
    assert check(changed(database=OWN, **off))[1] == []


def test_its_address_is_looked_for_in_plain_text():
    sign, _ = SECRETS["database"]
    assert re.search(sign, f'{{"url": "{URL}"}}')
    assert not re.search(sign, '{"backups": "there"}')
