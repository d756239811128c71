"""What is scraped, what is expected, and how people are told; that the programs take these texts is
tests/integration/monitoring.
"""

from __future__ import annotations

import pytest
import yaml

from components.plan import database_roles, exporters, networks, policies, workloads
from components.plan import monitoring as plan
from components.plan.nodes import nodes
from components.settings_overlay import addresses
from tests.unit.components.samples import GOOD, changed, check

GPU_IMAGE = f"nvcr.io/nvidia/k8s/dcgm-exporter@sha256:{64 * 'a'}"
SETTINGS, FAULTS = check(changed(monitoring={"enabled": True, "gpuExporter": GPU_IMAGE}))
MACHINES = nodes(SETTINGS.node_groups)
PLANNED = {workload.name: workload for workload in workloads.planned(SETTINGS)}
SERVERS = ["ai_memory", "lambda_labs_cli", "backend"]
JOBS = plan.jobs(PLANNED.values(), SERVERS)
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
    for name in (plan.ALERTMANAGER, exporters.NODE, exporters.GPU):
        assert on[name] == {networks.MONITORING}
    assert on[exporters.DATABASE] == {networks.MONITORING, networks.DATA}
    watched = [name for name in PLANNED if name not in plan.NAMES]
    assert not [name for name in watched if networks.MONITORING in on[name]]


def test_the_backend_is_told_where_the_numbers_are():
    pages = "https://example.com/sophia"
    settings, _ = check(changed(monitoring={"enabled": True, "runbooks": pages}))
    plain, _ = check(changed(monitoring={"runbooks": pages}))
    of_backend = [
        next(one for one in workloads.planned(of) if one.name == workloads.BACKEND).env
        for of in (settings, plain)
    ]
    at = f"tasks.{settings.prefix}-prometheus:9090"
    assert [env.get("SOPHIA_PROMETHEUS") for env in of_backend] == [at, None]
    assert [env.get("SOPHIA_RUNBOOKS") for env in of_backend] == [pages, None]
    assert PLANNED[workloads.BACKEND].env.keys().isdisjoint({"SOPHIA_RUNBOOKS"})
    assert networks.EDGE in PLANNED[workloads.BACKEND].networks


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
            *("gateway", "node-exporter", "database-exporter", "gpu-exporter"),
            *("prometheus", "alertmanager"),
        )
    ]
    assert {name.removeprefix("tasks.sophia-dev-") for name in names} == set(PLANNED) - without


def test_a_server_with_too_many_numbers_takes_nobodys_memory():
    scraped = yaml.safe_load(plan.config("sophia-dev", JOBS))["scrape_configs"]
    limits = {job["job_name"]: job.get("sample_limit") for job in scraped}
    assert limits.pop("server") == plan.MOST_NUMBERS
    assert set(limits.values()) == {None}, "those are the platform's own"


def test_what_a_node_reports_counts_for_the_service_that_it_is_about():
    (node,) = [
        job
        for job in yaml.safe_load(plan.config("sophia-dev", JOBS))["scrape_configs"]
        if "metric_relabel_configs" in job
    ]
    assert node["job_name"] == "node"
    every, ours, _ = node["metric_relabel_configs"]
    # A service of another stack keeps its whole name.
    assert every["regex"] == "(.+)"
    assert ours["regex"] == "sophia-dev-(.+)"
    assert every["target_label"] == ours["target_label"] == "service"


def recorded(planned=PLANNED, **more):
    budget = plan.Budget(month=153300, limit=more.pop("limit", 0))
    given = {"machines": MACHINES, "certificate_ends": 1900000000, "budget": budget, **more}
    jobs = plan.jobs(planned.values(), SERVERS)
    (group,) = yaml.safe_load(plan.expected(planned, jobs, **given))["groups"]
    return {
        (rule["record"], rule.get("labels", {}).get("service", "")): rule["expr"]
        for rule in group["rules"]
    }


def test_what_machines_cost_is_recorded_and_their_limit_if_there_is_one():
    assert recorded()["sophia_usd_per_month", ""] == "vector(1533.0)"
    assert ("sophia_usd_per_month_limit", "") not in recorded()
    assert recorded(limit=150050)["sophia_usd_per_month_limit", ""] == "vector(1500.5)"


def test_backups_are_missed_only_where_there_are_some():
    access = {"accessKey": "a", "secretKey": "s"}
    backed_up, faults = check(
        changed(monitoring={"enabled": True}, backup={"bucket": "b-1", **access})
    )
    assert faults == []
    planned = {workload.name: workload for workload in workloads.planned(backed_up)}
    jobs = [name for record, name in recorded(planned) if record == "sophia_expected_jobs"]
    assert jobs == ["backup"]
    assert "sophia_expected_jobs" not in [record for record, _ in recorded()]


def test_a_standby_is_missed_only_where_there_is_one():
    with_one, faults = check(changed(monitoring={"enabled": True}, standby={"enabled": True}))
    assert faults == []
    planned = {workload.name: workload for workload in workloads.planned(with_one)}
    assert recorded(planned)["sophia_expected_tasks", exporters.STANDBY] == "vector(1)"
    assert ("sophia_expected_tasks", exporters.STANDBY) not in recorded()
    # Of what exports nothing only its node tells.
    unheard = [name for record, name in recorded(planned) if record == "sophia_expected_healthy"]
    assert unheard == ["gateway-config", "etcd-1", "etcd-2", "etcd-3"]
    assert set(unheard) <= set(planned)


def test_gpus_are_watched_where_there_are_some_and_somebody_wants_it():
    assert recorded()["sophia_expected_gpus", ""] == "vector(1)"
    without, _ = check(changed(monitoring={"enabled": True}))
    planned = {workload.name: workload for workload in workloads.planned(without)}
    assert exporters.GPU not in planned
    assert ("sophia_expected_gpus", "") not in recorded(planned)
    groups = [{**group, "instanceTypes": ["cpu_4x_general"]} for group in GOOD["nodeGroups"]]
    no_gpu, _ = check(
        changed(nodeGroups=groups, monitoring={"enabled": True, "gpuExporter": GPU_IMAGE})
    )
    assert exporters.GPU not in {workload.name for workload in workloads.planned(no_gpu)}


def test_as_many_are_expected_as_are_planned():
    found = recorded()
    tasks = {name: expr for (record, name), expr in found.items() if name}
    assert tasks == {
        "ai_memory": f"vector({PLANNED['ai_memory'].replicas})",
        "lambda_labs_cli": f"vector({PLANNED['lambda_labs_cli'].replicas})",
        "backend": "vector(2)",
        "gateway": "vector(3)",
        "prometheus": "vector(3)",
        "alertmanager": "vector(3)",
        "node-exporter": "vector(4)",
        "database-exporter": "vector(1)",
        "gpu-exporter": "vector(1)",
        "gateway-config": "vector(1)",
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
    text = plan.alerting(slack=slack, email=email, of_database=())
    heartbeat, receiver = yaml.safe_load(text)["receivers"]
    assert heartbeat == {"name": "heartbeat"}, "Watching is told to nobody"
    assert [key for key in receiver if key != "name"] == ways
    workload = plan.alertmanager("sophia-dev", slack=slack, email=email)
    assert [file.target for file in workload.secrets] == files
    assert [name for name in files if f"/run/secrets/{name}" not in text] == []


def test_somebody_outside_hears_each_minute_that_it_watches():
    told = yaml.safe_load(plan.alerting(slack=False, email=EMAIL, of_database=(), heartbeat=True))
    (way,) = told["receivers"][0]["slack_configs"]
    assert way["api_url_file"] == "/run/secrets/heartbeat"
    workload = plan.alertmanager("sophia-dev", slack=False, email=None, heartbeat=True)
    assert [file.target for file in workload.secrets] == ["heartbeat"]
    assert [route["matchers"] for route in told["route"]["routes"]] == [["alertname = Watching"]]


@pytest.mark.parametrize(
    ("runbooks", "link"),
    [("", ""), ("https://a.example/x/", "https://a.example/x/{{ .CommonAnnotations.runbook }}")],
)
def test_a_message_leads_to_the_runbook_or_nowhere(runbooks, link):
    text = plan.alerting(slack=True, email=None, of_database=(), runbooks=runbooks)
    assert yaml.safe_load(text)["receivers"][1]["slack_configs"][0]["title_link"] == link


def test_the_database_that_is_down_keeps_back_only_what_is_said_of_those_that_need_it():
    def targets(of_database: list[str]) -> list[list[str]]:
        text = plan.alerting(slack=True, email=None, of_database=of_database)
        rules = yaml.safe_load(text)["inhibit_rules"]
        down = ["alertname = DatabaseDown"]
        return [rule["target_matchers"] for rule in rules if rule["source_matchers"] == down]

    told = 'alertname =~ "ServerDegraded|ReplicaDegraded|ProbeFails"'
    assert targets(["ai_memory", "postgres"]) == [[told, 'server =~ "ai_memory|postgres"']]
    assert targets([]) == []


def test_text_that_yaml_would_read_otherwise_stays_what_it_is():
    odd = plan.Email("smtp.example.com:587", "o'x: #@example.com", ("a{{b@example.com",), 'q"u: |')
    read = yaml.safe_load(plan.alerting(slack=False, email=odd, of_database=()))
    assert read["global"]["smtp_from"] == odd.sender
    assert read["global"]["smtp_auth_username"] == odd.username
    assert read["receivers"][1]["email_configs"][0]["to"] == "a{{b@example.com"


def test_its_networks_have_room_for_all_of_it():
    few = addresses(SETTINGS.node_groups, SETTINGS.servers)
    groups = SETTINGS.node_groups
    assert addresses(groups, SETTINGS.servers, monitored=True) == few + 3
    many = 100 * groups  # more machines than tasks of servers
    machines, managers = 400, 300
    assert addresses(many, (), monitored=True) == 3 + 3 * machines + 2 + 2 * managers
