"""Which ways into the platform answer, and what is said of their certificate."""

import socket
from datetime import UTC, datetime

import pytest

from ops import gateways


@pytest.fixture
def door():
    """A way in that takes connections; the addresses around it refuse them."""
    with socket.create_server(("127.0.0.3", 0)) as server:
        yield f"https://127.0.0.3:{server.getsockname()[1]}"


def test_the_first_that_answers_is_given_to_clients(door):
    lost = door.replace("127.0.0.3", "127.0.0.2")
    assert gateways.living([lost, door]) == door
    assert gateways.living([door, lost]) == door
    assert gateways.living([lost, lost + "/"]) == lost


def test_each_way_in_is_told_with_what_it_says(door):
    lost = door.replace("127.0.0.3", "127.0.0.2")
    said = gateways.lines({"gateway_urls": [lost, door]})
    assert [line.split()[:2] for line in said] == [["gateway", lost], [door, "answers"]]
    assert "refused" in said[0]


def test_a_name_that_leads_nowhere_is_no_crash():
    assert gateways.silence("https://nowhere.invalid:8443")


OURS = {
    "ends": "2027-11-25T12:00:00+00:00",
    "renew_from": "2027-07-27T00:00:00+00:00",
    "renewed_by": "pulumi up",
}
OWN = {**OURS, "renewed_by": "you"}


@pytest.mark.parametrize(
    ("certificate", "today", "said"),
    [
        (OURS, "2027-07-26", "ends on 2027-11-25; `pulumi up` renews it from 2027-07-27 on"),
        (OURS, "2027-07-27", "ends on 2027-11-25: run `pulumi up` now"),
        (OURS, "2027-11-26", "ended on 2027-11-25, clients refuse it: run `pulumi up`"),
        (OWN, "2027-07-26", "ends on 2027-11-25; replace it from 2027-07-27 on"),
        (OWN, "2027-07-28", "ends on 2027-11-25: give `gateway` a new one now"),
        (OWN, "2027-11-26", "ended on 2027-11-25, clients refuse it: give `gateway` a new one"),
    ],
)
def test_the_certificates_end_is_told_with_what_to_do(certificate, today, said):
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    assert gateways.validity(certificate, now) == said


def test_a_platform_of_an_earlier_version_has_no_such_line(door):
    assert len(gateways.lines({"gateway_urls": [door]})) == 1
    assert len(gateways.lines({"gateway_urls": [door], "gateway_certificate": OWN})) == 2
