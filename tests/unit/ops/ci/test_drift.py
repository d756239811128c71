"""What the daily check writes into its issue."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from ops.ci import drift, preview
from ops.ci.preview import Change, Preview
from ops.orphans import Orphan
from providers.lambdalabs.errors import NOT_LOOKED_AT
from providers.lambdalabs.models import Machine
from tests.support.certificates import issue

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OUTPUTS = {
    "gateway_certificate": {
        "ends": "2027-11-25T12:00:00+00:00",
        "renew_from": "2027-07-27T00:00:00+00:00",
        "renewed_by": "pulumi up",
    }
}
WELL = Preview((), (("gpu_1x_a10", "gpu_1x_a10"),), warnings=("traffic is not encrypted",))
BROKEN = Preview((Change("update", "swarm:index:Service", "gateway-service", ("status",)),), ())
LOST = Orphan(
    Machine(id="0123", status="active", name="sophia-prod-x", price_cents_per_hour=75),
    "the state of prod does not know it",
    "curl …",
)


def report(seen=WELL, orphans=(), outputs=OUTPUTS, now=NOW, jobs=(), drilled=0) -> str:
    return drift.report("prod", seen, orphans, drilled, jobs, outputs, now)


def test_a_platform_that_is_as_it_should_be_needs_no_issue():
    assert report() == ""
    assert report(outputs={}) == ""


def test_a_job_that_failed_is_told_as_its_status_has_it():
    text = report(jobs=["backup       FAILED, started on 2026-11-27 at 03:00:02 UTC: exit (1)"])
    assert "## Jobs that failed\n\n```text\nbackup       FAILED, started" in text


def test_a_difference_is_told_with_what_to_do():
    text = report(BROKEN)
    assert "`gateway-service` (swarm:index:Service) is updated (status)" in text
    assert "make deploy STACK=prod" in text
    assert "Price" not in text
    assert "certificate" not in text


def test_machines_that_nobody_knows_are_told_with_their_price_and_end():
    text = report(orphans=[LOST])
    for part in ("sophia-prod-x  0123", "$0.75 an hour", "the state of prod does not know it"):
        assert part in text
    assert "make orphans STACK=prod" in text


def test_what_a_cancelled_drill_rents_is_told():
    """Its stack knows the machine, so it is no orphan."""
    text = report(drilled=1)
    assert "`prod-drill` still rents 1, unless a drill is under way." in text
    assert "make drill STACK=prod" in text


def test_a_certificate_is_told_when_it_is_time_to_renew_it():
    due = datetime(2027, 7, 27, tzinfo=UTC)
    assert "ends on 2027-11-25: run `pulumi up` now" in report(now=due)
    assert report(now=datetime(2027, 7, 26, tzinfo=UTC)) == ""


def test_the_stacks_own_ca_is_told_in_its_last_year():
    """Nothing renews it in time: clients must be given its successor first."""
    ends = datetime(2036, 1, 1, tzinfo=UTC)
    outputs = {"ca_certificate": issue("CA", ends=ends).pem}
    assert report(outputs=outputs, now=ends - timedelta(days=365)) == ""
    text = report(outputs=outputs, now=ends - timedelta(days=364))
    assert "## The gateway's own CA\n\nthe gateway's CA: ends on 2036-01-01, in 364 days" in text
    assert "docs/how-to/rotate-a-key.md" in text


def test_what_could_not_be_looked_at_is_told_and_not_taken_for_a_change():
    away = Preview((), (), errors=("sophia: lambda's API answers 503",))
    for seen in ("error: no answer", away):
        text = report(seen)
        assert text.splitlines()[2] == "## The code and the machines could not be compared"
        assert "Somebody changed something" not in text
    assert "error: no answer" in report("error: no answer")
    assert "answers 503" in report(away)
    assert "## Machines that no state knows" in report(orphans="LAMBDA_API_KEY: refused")


@pytest.mark.parametrize("told", ["manager-1-setup: {}: no route to host", NOT_LOOKED_AT])
def test_what_counts_as_unchanged_since_nobody_could_look_is_no_calm(told):
    """A node without ssh, a key that was revoked meanwhile: the preview has no change."""
    warning = told.format(preview.UNSEEN) if "setup" in told else told.format("x", "refused")
    text = report(dataclasses.replace(WELL, warnings=(*WELL.warnings, warning)))
    assert f"## What could not be checked\n\n```text\n{warning}\n```" in text
    assert "encrypted" not in text


def test_all_of_it_is_one_text():
    text = report(BROKEN, [LOST], now=datetime(2028, 1, 1, tzinfo=UTC))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## The code and the machines differ",
        "## Machines that no state knows",
        "## The gateway's certificate",
    ]
