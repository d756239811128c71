"""No alert without a test of its own, a severity, and a runbook that is there."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.long.test_alerts import FAULTS
from tests.unit.docs.test_links import ROOT, anchors

RULES = yaml.safe_load((ROOT / "images/monitoring/rules/alerts.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
FILES = (ROOT / "tests/integration/monitoring").glob("*_test.yml")
TESTS = [test for file in FILES for test in yaml.safe_load(file.read_text())["tests"]]
RUNBOOKS = "docs/runbooks/when-something-fails.md"
INHIBITIONS = (ROOT / "templates/monitoring/alertmanager.yml.j2").read_text()


def names() -> list[str]:
    return [alert["alert"] for alert in ALERTS]


def test_each_has_a_name_of_its_own():
    assert len(set(names())) == len(ALERTS) > 10


@pytest.mark.parametrize("alert", ALERTS, ids=names())
def test_it_says_how_bad_it_is_and_where_it_says_what_to_do(alert):
    always = alert["alert"] == "Watching"
    assert alert["labels"]["severity"] in (("none",) if always else ("critical", "warning"))
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert page == RUNBOOKS
    assert anchor in anchors(page)
    assert alert["annotations"]["summary"]


@pytest.mark.parametrize("name", names())
def test_promtool_tries_it_with_something_to_find(name):
    every = [one for test in TESTS for one in test["alert_rule_test"]]
    tried = [one for one in every if one["alertname"] == name]
    assert [one for one in tried if one["exp_alerts"]]


def test_the_runbook_has_no_alert_that_there_is_not():
    text = (ROOT / RUNBOOKS).read_text()
    told = re.findall(r"^### (\w+)$", text, re.M)
    linked = {alert["annotations"]["runbook"].partition("#")[2] for alert in ALERTS}
    assert {name.lower() for name in told} == linked


def test_each_is_provoked_on_real_nodes_or_the_runbook_says_why_not():
    text = (ROOT / RUNBOOKS).read_text()
    told = text.partition("provokes these on real nodes: ")[2]
    told, _, rest = told.partition("These are tried by their rules alone:")
    provoked = set(re.findall(r"\w+", told))
    assert provoked == {fault.alert for fault in FAULTS.values()}
    rows = re.findall(r"^\| ([A-Z].+?) \|", rest.partition("###")[0], re.M)
    others = {name for row in rows for name in row.split(", ")}
    assert others == set(names()) - provoked


def test_what_silences_another_one_and_what_is_silenced_exist():
    named = re.findall(r"alertname = (\w+)", INHIBITIONS)
    assert named
    assert set(named) <= set(names())
