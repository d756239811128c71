"""What is scraped, what is expected, and how people are told; that the programs take these texts is
tests/integration/monitoring.
"""

from __future__ import annotations

import pytest
import yaml

from components.plan import database_roles, networks, policies, workloads
from components.plan import monitoring as plan
from components.settings_overlay import addresses
from tests.unit.components.samples import changed, check

SETTINGS, FAULTS = check(changed(monitoring={"enabled": True}))
PLANNED = {workload.name: workload for workload in workloads.planned(SETTINGS)}
JOBS = plan.jobs(PLANNED.values(), ["ai_memory", "lambda_labs_cli", "backend"])
EMAIL = plan.Email("smtp.example.com:587", "sophia@example.com", ("a@b.example",), "sophia")


def test_a_monitored_platform_has_no_fault_and_keeps_all_policies():
    assert FAULTS == []
    assert policies.faults(SETTINGS, list(PLANNED.values())) == []


def test_one_that_is_not_has_none_of_it():
    plain, _ = check(changed())
    assert not {workload.name for workload in workloads.planned(plain)} & set(plan.NAMES)
    assert plain.networks == (networks.EDGE, networks.DATA)


def test_only_prometheus_reaches_the_servers_and_no_server_alertmanager():
    on = {name: set(workload.networks) for name, workload in PLANNED.items()}
    assert on[plan.PROMETHEUS] == {networks.EDGE, networks.MONITORING}
    assert on[plan.ALERTMANAGER] == on[plan.EXPORTER] == {networks.MONITORING}
    watched = [name for name in PLANNED if name not in plan.NAMES]
    assert not [name for name in watched if networks.MONITORING in on[name]]


def test_what_is_not_there_yet_is_not_missed():
    order = [workload.name for workload in workloads.in_order(PLANNED.values())]
    assert order.index("gateway") < order.index(plan.PROMETHEUS)


def test_everything_that_has_numbers_is_scraped_by_its_name():
    scraped = yaml.safe_load(plan.config("sophia-dev", JOBS))["scrape_configs"]
    names = [name for job in scraped for found in job["dns_sd_configs"] for name in found["names"]]
    without = {
        *("database", workloads.PUBLISHER),
        *(database_roles.admission("database"), database_roles.revocation("database")),
    }
    assert names == [
        f"tasks.sophia-dev-{name}"
        for name in (
            *("ai_memory", "backend", "lambda_labs_cli"),
            *("gateway", "node-exporter", "prometheus", "alertmanager"),
        )
    ]
    assert {name.removeprefix("tasks.sophia-dev-") for name in names} == set(PLANNED) - without


def test_as_many_are_expected_as_are_planned():
    text = plan.expected(PLANNED, JOBS, nodes=4, managers=3, certificate_ends=1900000000)
    (group,) = yaml.safe_load(text)["groups"]
    found = {
        (rule["record"], rule.get("labels", {}).get("service", "")): rule["expr"]
        for rule in group["rules"]
    }
    tasks = {name: expr for (record, name), expr in found.items() if name}
    assert tasks == {
        "ai_memory": f"vector({PLANNED['ai_memory'].replicas})",
        "lambda_labs_cli": f"vector({PLANNED['lambda_labs_cli'].replicas})",
        "backend": "vector(2)",
        "gateway": "vector(3)",
        "prometheus": "vector(3)",
        "alertmanager": "vector(3)",
        "node-exporter": "vector(4)",
    }
    assert found["sophia_expected_nodes", ""] == "vector(4)"
    assert found["sophia_expected_managers", ""] == "vector(3)"
    assert found["sophia_certificate_ends_seconds", ""] == "vector(1900000000)"


@pytest.mark.parametrize(
    ("slack", "email", "ways", "files"),
    [
        (False, None, [], []),
        (True, None, ["slack_configs"], ["slack_webhook"]),
        (False, EMAIL, ["email_configs"], ["smtp_password"]),
        (True, EMAIL, ["slack_configs", "email_configs"], ["slack_webhook", "smtp_password"]),
    ],
)
def test_people_are_told_by_what_was_given_and_secrets_are_files(slack, email, ways, files):
    text = plan.alerting(slack=slack, email=email)
    (receiver,) = yaml.safe_load(text)["receivers"]
    assert [key for key in receiver if key != "name"] == ways
    workload = plan.alertmanager("sophia-dev", slack=slack, email=email)
    assert [file.target for file in workload.secrets] == files
    assert [name for name in files if f"/run/secrets/{name}" not in text] == []


def test_text_that_yaml_would_read_otherwise_stays_what_it_is():
    odd = plan.Email("smtp.example.com:587", "o'x: #@example.com", ("a{{b@example.com",), 'q"u: |')
    read = yaml.safe_load(plan.alerting(slack=False, email=odd))
    assert read["global"]["smtp_from"] == odd.sender
    assert read["global"]["smtp_auth_username"] == odd.username
    assert read["receivers"][0]["email_configs"][0]["to"] == "a{{b@example.com"


def test_its_networks_have_room_for_all_of_it():
    few = addresses(SETTINGS.node_groups, SETTINGS.servers)
    groups = SETTINGS.node_groups
    assert addresses(groups, SETTINGS.servers, monitored=True) == few + 3
    many = 100 * groups  # more machines than tasks of servers
    machines, managers = 400, 300
    assert addresses(many, (), monitored=True) == 3 + 2 * machines + 2 * managers
