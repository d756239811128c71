"""What backups add to the database's plan: nothing of a secret, and a way out of its own."""

from __future__ import annotations

from pathlib import Path

from components.plan import backup as plan
from components.plan import database, workloads
from components.plan.backup import Repository
from components.plan.workload import job_inputs, service_inputs
from providers.swarm.services.rules import faults_of, job_faults
from tests.unit.components.samples import changed, check

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "backups.md"
REPOSITORY = Repository("b", "us-east-1", "s3.example:9000", "/p", 4, authority="PEM")
SECRETS = ["backup_access_key", "backup_secret_key", "backup_passphrase"]


def test_the_plan_keeps_the_rules_and_the_secrets_out_of_everything_that_is_shown():
    server = database.workload("database")
    archiving, job = plan.archiving(server, REPOSITORY), plan.job("backup", server, REPOSITORY)
    for workload, inputs, faults in (
        (archiving, service_inputs(archiving, "p"), faults_of),
        (job, job_inputs(job, "p"), job_faults),
    ):
        assert faults(inputs) == []
        assert [file.target for file in workload.secrets][-3:] == SECRETS
        assert [file.target for file in workload.configs] == [plan.AUTHORITY]
        assert "PEM" not in str(inputs)
    assert (archiving.networks, job.networks) == (("data", "backup"), ("backup",))
    assert job.volume == server.volume
    assert archiving.args == server.args
    # A start that restores a large database isn't ended for taking its time.
    assert archiving.health.start_period_s == 3600


def test_the_page_says_of_everything_that_keeps_data_whether_it_is_backed_up():
    settings, faults = check(
        changed(monitoring={"enabled": True, "slack": "https://hooks.example/x"})
    )
    assert faults == []
    planned = workloads.planned(settings)
    kept = {one.volume.plan.name for one in planned if one.volume}
    kept |= {
        mount.source.removeprefix(f"{settings.prefix}-")
        for one in planned
        for mount in one.mounts
        if mount.type != "tmpfs" and not mount.read_only
    }
    assert kept >= {"database", "metrics", "alerts"}
    text = PAGE.read_text()
    assert [name for name in sorted(kept) if f"`{name}`" not in text] == []
