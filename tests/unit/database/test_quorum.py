"""How a member of etcd starts: none votes with what it has forgotten."""

from __future__ import annotations

import pytest

from images.database import quorum

HOSTS = {"etcd-1": "a", "etcd-2": "b", "etcd-3": "c"}
URL = "https://a:2380"
THERE = {"ID": 7, "name": "etcd-1", "peerURLs": [URL], "clientURLs": ["https://a:2379"]}
EXPECTED = {"ID": 7, "name": "etcd-1", "peerURLs": [URL], "clientURLs": []}
ADDED = {"ID": 9, "name": "", "peerURLs": [URL]}
OTHER = {"ID": 8, "name": "etcd-2", "peerURLs": ["https://b:2380"], "clientURLs": ["x"]}


@pytest.mark.parametrize(
    ("number", "known", "way"),
    [
        (None, None, "found"),
        (None, [EXPECTED, OTHER], "found"),
        (None, [THERE, OTHER], "join"),
        (None, [ADDED, OTHER], "join"),
        (None, [OTHER], "join"),
        ("", None, "continue"),
        ("", [THERE, OTHER], "continue"),
        ("7", None, "continue"),
        ("7", [THERE, OTHER], "continue"),
        ("7", [ADDED, OTHER], "join"),
    ],
)
def test_it_founds_continues_or_joins(number, known, way):
    assert quorum.way(URL, number, known) == way


def test_nobody_is_heard_without_a_certificate():
    options = quorum.command("etcd-1", HOSTS, "new", list(HOSTS))
    for wanted in ("client-cert-auth=true", "peer-client-cert-auth=true"):
        assert f"--{wanted}" in options
    assert not [one for one in options if "http://" in one]
    assert (
        "--initial-cluster="
        + ",".join(f"{name}=https://{host}:2380" for name, host in HOSTS.items())
        in options
    )


def test_members_are_read_as_the_plan_writes_them():
    assert quorum.parsed("etcd-1=a,etcd-2=b,etcd-3=c") == HOSTS
