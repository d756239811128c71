"""A database of the operator's: which addresses are good, and what its check gets."""

from __future__ import annotations

import pytest

from components.plan import own_database
from components.plan.workload import job_inputs
from providers.swarm.services.rules import job_faults

GOOD = "postgresql://me:p%40ss%25@db.example.com/memories?sslmode=require&connect_timeout=3"


def test_an_address_becomes_the_variables_of_the_clients():
    assert own_database.parsed(GOOD).variables.splitlines() == [
        "PGHOST=db.example.com",
        "PGPORT=5432",
        "PGDATABASE=memories",
        "PGUSER=me",
        "PGPASSWORD=p@ss%",
        "PGSSLMODE=require",
        "PGCONNECT_TIMEOUT=3",
    ]
    assert own_database.parsed("postgres://u:p@198.51.100.9:6432/d").port == 6432


def test_what_stands_after_it_means_what_it_means_to_servers():
    """libpq, by which they connect, knows no `+` for a space."""
    url = "postgresql://u:p@db/x?options=-c%20search_path%3Dmine&application_name=a+b"
    assert own_database.parsed(url).options == {
        "options": "-c search_path=mine",
        "application_name": "a+b",
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://u:p@db/x", "an address such as postgresql://"),
        ("postgresql://u:p@db", "an address such as postgresql://"),
        ("postgresql://u@db/x", "an address such as postgresql://"),
        ("postgresql://u:p@db:x/y", "an address such as postgresql://"),
        ("postgresql://u:p@a,b/x", "an address such as postgresql://"),
        ("postgresql://u:p%0aPGHOST=evil@db/x", "an address such as postgresql://"),
        ("postgresql://u:p@db/x?application_name=a%0APGHOST=evil", "an address such as"),
        ("postgresql://u:p@evil@db/x", "special characters as %40"),
        ("postgresql://u:p@db/x?sslmod=require", "only application_name, .*; got sslmod"),
        ("postgresql://u:p@localhost/x", "a host that every node reaches"),
        ("postgresql://u:p@127.0.0.1/x", "a host that every node reaches"),
        ("postgresql://u:p@[::1]/x", "a host that every node reaches"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_without_it(url, expected):
    with pytest.raises(ValueError, match=expected) as wrong:
        own_database.parsed(url)
    assert "evil" not in str(wrong.value)


def test_the_check_keeps_the_rules_and_shows_no_secret():
    job = own_database.check("database-check", "by the provider")
    assert job_faults(job_inputs(job, "p")) == []
    assert job.env == {"BACKUPS_ELSEWHERE": "by the provider"}
    assert own_database.check("database-check", "").env == {}
    assert job.networks == ("services",), "which has a way out"
