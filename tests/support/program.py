"""The program in a separate folder, for the real engine and only the API."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from simulator import cloud
from toolchain import environment

ROOT = Path(__file__).parents[2]
PLACES = ["__main__.py", "components", "providers", "mcp_catalog", "images", "templates", ".venv"]


class Program:
    """The program in a separate folder (with links to the checkout) and with its own state."""

    def __init__(self, folder: Path, simulated: cloud.Cloud) -> None:
        self.folder, self.simulated = folder, simulated
        for place in PLACES:
            (folder / place).symlink_to(ROOT / place)
        (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        (folder / "state").mkdir()
        given = {key: os.environ[key] for key in ("HOME", "DOCKER_HOST") if key in os.environ}
        self.environment = {
            **given,
            **environment(),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a test's",
            "PULUMI_ERROR_OUTPUT_STRING": "1",
            "LAMBDA_API_URL": simulated.url,
            "LAMBDA_API_KEY": simulated.api_key,
            "SOPHIA_REGISTRY_PASSWORD": "a password",
        }
        del self.environment["PULUMI_CONFIG_PASSPHRASE_FILE"]

    def configure(self, stack: str, **changes: object) -> None:
        """The checkout's configuration of a stack, with some keys changed."""
        text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
        content = {"config": yaml.safe_load(text)["config"]}
        content["config"].update({f"sophia:{key}": value for key, value in changes.items()})
        (self.folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
        self.pulumi("stack", "init", stack)

    def pulumi(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--color=never", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == bool(status), f"pulumi {' '.join(arguments)}:\n{said}"
        return said
