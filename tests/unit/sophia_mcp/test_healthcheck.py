"""Docker's health check against the toy server, as the command it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import mcp_process
from tests.support.polling import until


def healthcheck(port: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", mcp_process.BASE / "sophia_mcp" / "healthcheck.py"],
        env={"PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return done.returncode, done.stdout


def test_nothing_there_fails_and_says_so():
    status, said = healthcheck(mcp_process.free_port())
    assert status == 1
    assert "no answer on port" in said


@pytest.mark.slow
def test_a_replica_that_never_was_ready_fails_and_one_that_was_does_not(
    toy_command: list[str], tmp_path: Path
):
    dependency = tmp_path / "dependency"
    environment = {"TOY_DEPENDENCY": str(dependency)}
    with mcp_process.running(toy_command, tmp_path / "log", environment) as replica:
        status, said = healthcheck(replica.port)
        assert status == 1
        assert f"{dependency} is gone" in said

        dependency.touch()
        until(replica.health, lambda answer: answer[0] == 200, "the replica ready", seconds=10)
        assert healthcheck(replica.port)[0] == 0

        dependency.unlink()
        until(replica.health, lambda answer: "degraded" in str(answer), "it degraded", seconds=10)
        status, said = healthcheck(replica.port)
        assert (status, '"status":"degraded"' in said) == (0, True)


@pytest.mark.slow
def test_a_replica_without_its_credential_is_alive(toy_command: list[str], tmp_path: Path):
    environment = {"TOY_API_URL": "http://127.0.0.1:9"}
    with mcp_process.running(toy_command, tmp_path / "log", environment) as replica:
        status, said = healthcheck(replica.port)
    assert (status, '"status":"not_configured"' in said) == (0, True)


@pytest.mark.parametrize("heavy", ["mcp", "starlette", "json", "asyncio", "logging", "socket"])
def test_it_imports_little(heavy: str):
    script = f"import sophia_mcp.healthcheck, sys; sys.exit({heavy!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(mcp_process.BASE)},
        check=False,
    )
    assert done.returncode == 0
