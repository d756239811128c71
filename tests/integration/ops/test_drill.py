"""The stack of a restore drill, made by the real engine from the configuration of stack prod."""

from __future__ import annotations

import pytest

from ops.ci import drill
from ops.stack import PROJECT, Stack
from simulator import cloud
from tests.support.program import Program

pytestmark = pytest.mark.slow

OUTPUTS = {"backup_passphrase": "the-passphrase-of-the-stack"}
SERVERS = '{"ai_memory": {"secrets": {"EMBEDDINGS_API_KEY": "credential-nobody-may-see"}}}'
BACKUP = '{"bucket": "sophia-backups", "accessKey": "AKIA", "secretKey": "key-nobody-may-see"}'


def test_it_is_the_same_platform_in_small_that_only_reads_the_backups(tmp_path):
    for name in ("project", "simulator"):
        (tmp_path / name).mkdir()
    with cloud.running(tmp_path / "simulator", boot_seconds=0.1) as simulated:
        program = Program(tmp_path / "project", simulated)
        program.configure("prod", lambdaApiUrl=simulated.url)
        program.pulumi("config", "set", "--stack", "prod", "--secret", "sophia:backup", BACKUP)
        program.pulumi("config", "set", "--stack", "prod", "--secret", "sophia:servers", SERVERS)
        source = Stack("prod", PROJECT, program.environment, program.folder, ours=False)
        target = drill.made(source, OUTPUTS, "sophia-prod")
        file = (program.folder / "Pulumi.prod-drill.yaml").read_text()
        assert "nobody-may-see" not in file
        assert "passphrase-of-the-stack" not in file

        planned = program.pulumi("preview", "--stack", target.name)
        assert "manager-1-instance" in planned
        assert "manager-2" not in planned
        assert "database-service" in planned
        assert "backup-job" not in planned, "it writes no backups"
        kept = target.configuration()["backup"]
        assert '"path": "/sophia-prod"' in kept
        assert '"passphrase": "the-passphrase-of-the-stack"' in kept

        # A cancelled drill left that stack; it is no work for anybody.
        again = drill.made(source, OUTPUTS, "sophia-prod")
        assert again.siblings() == ["prod", "prod-drill"]
        drill._remove(again)
        assert source.siblings() == ["prod"]
        assert not (program.folder / "Pulumi.prod-drill.yaml").exists()
