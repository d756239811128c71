"""What Pulumi Cloud is sent, at a stand-in. That `pulumi deployment settings edit` (3.259) sends a
body of the same shape to the same address was seen with the real engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ops.ci import deployments
from ops.stack import StackError
from toolchain import places

STACK = "acme/sophia/prod"
GIVEN = {"PULUMI_ACCESS_TOKEN": "pul-1", "LAMBDA_API_KEY": "key", "SOPHIA_REGISTRY_PASSWORD": "pw"}


class Cloud(HTTPServer):
    """Pulumi Cloud. asked: all requests, with their bodies. status: of its answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.bodies: list[dict] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Cloud

    def do_POST(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers["Authorization"]))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b'{"message": "no such stack"}')

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Cloud]:
    with Cloud() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("PULUMI_API", f"http://127.0.0.1:{server.server_port}")
        for name, value in GIVEN.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout in which the placeholders are replaced."""
    text = (places.ROOT / "Pulumi.prod.deploy.yaml").read_text()
    for placeholder in ("your-organisation", "your-repository", "your-account"):
        assert placeholder in text
        text = text.replace(placeholder, "acme")
    (tmp_path / "Pulumi.prod.deploy.yaml").write_text(text)
    return tmp_path


def test_the_settings_are_written_with_the_secrets_of_the_environment(cloud, folder):
    deployments.write(STACK, folder)
    assert cloud.asked == [("POST", f"/api/stacks/{STACK}/deployments/settings", "token pul-1")]
    (body,) = cloud.bodies
    assert set(body) == {"sourceContext", "gitHub", "operationContext"}
    assert body["operationContext"]["environmentVariables"] == {
        "LAMBDA_API_KEY": {"secret": "key"},
        "SOPHIA_REGISTRY_PASSWORD": {"secret": "pw"},
    }
    assert (
        body["operationContext"]["oidc"]["aws"]["roleArn"] == "arn:aws:iam::acme:role/sophia-prod"
    )


def test_every_folder_that_the_program_is_made_of_deploys(folder):
    body, _ = deployments.completed((folder / "Pulumi.prod.deploy.yaml").read_text(), GIVEN)
    folders = {path.removesuffix("/**") for path in body["gitHub"]["paths"] if path.endswith("/**")}
    assert folders == {"components", "providers", "mcp_catalog", "images", "templates"}
    assert all((places.ROOT / name).is_dir() for name in folders)


def test_all_that_is_missing_is_told_and_nothing_written(cloud, monkeypatch):
    for name in GIVEN:
        monkeypatch.delenv(name)
    with pytest.raises(StackError) as failed:
        deployments.write(STACK, places.ROOT)
    for name in ("your-organisation", "your-repository", "your-account", *GIVEN):
        assert f"\n{name}: " in str(failed.value)
    assert cloud.asked == []


def test_a_refusal_is_told_without_the_secrets(cloud, folder):
    cloud.status = 404
    with pytest.raises(StackError, match=r"answered 404: .*no such stack") as failed:
        deployments.write(STACK, folder)
    assert "pul-1" not in str(failed.value)


@pytest.mark.parametrize("stack", ["prod", "", "acme/prod", "acme/sophia/../x"])
def test_a_name_without_its_organisation_is_refused(folder, stack):
    with pytest.raises(StackError, match="expected organisation/sophia/prod"):
        deployments.write(stack, folder)


def test_a_stack_without_a_file_is_told(folder):
    with pytest.raises(StackError, match=r"Pulumi\.dev\.deploy\.yaml is missing"):
        deployments.write("acme/sophia/dev", folder)
