"""A simulated cloud without machines, and a client that holds every answer to the OpenAPI file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from simulator import cloud

DOCUMENT = Path(__file__).with_name("lambda-cloud-openapi-1.8.3.json")
"""Lambda Cloud's own, https://docs.lambda.ai/api/cloud, version 1.8.3."""
LAUNCH = {
    "region_name": "us-east-1",
    "instance_type_name": "gpu_1x_a10",
    "ssh_key_names": ["key"],
}


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return json.loads(DOCUMENT.read_text())


@pytest.fixture(scope="session")
def schemas(document: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    """The schema of each answer's JSON by method, path and status."""
    return {
        (method, path, status): answer["content"]["application/json"]["schema"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
    }


@dataclass
class Client:
    """Calls the API, and fails if an answer doesn't match the document."""

    cloud: cloud.Cloud
    document: dict[str, Any]
    schemas: dict[tuple[str, str, str], Any]

    def call(self, method: str, path: str, body: Any = None, *, as_path: str = "") -> Any:
        """Returns (status, data or error); `as_path` is the path as the document writes it."""
        answer = requests.request(
            method,
            self.cloud.url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.cloud.api_key}"},
            timeout=10,
        )
        value = answer.json()
        key = (method.lower(), f"/api/v1{as_path or path}", str(answer.status_code))
        assert key in self.schemas, f"{key} is not in the document; got {value}"
        whole = {**self.schemas[key], "components": self.document["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)
        return answer.status_code, value.get("data", value.get("error"))

    def launch(self, **body: Any) -> Any:
        return self.call("POST", "/instance-operations/launch", LAUNCH | body)

    def launched(self, **body: Any) -> str:
        status, data = self.launch(**body)
        assert status == 200, data
        return data["instance_ids"][0]

    def instance(self, identity: str) -> Any:
        return self.call("GET", f"/instances/{identity}", as_path="/instances/{id}")

    def terminate(self, *identities: str) -> Any:
        body = {"instance_ids": list(identities)}
        return self.call("POST", "/instance-operations/terminate", body)


@pytest.fixture
def start(tmp_path: Path, document: Any, schemas: Any) -> Any:
    """Start a cloud with given knobs, as a context whose value is a client of it."""

    @contextmanager
    def starting(**knobs: Any) -> Iterator[Client]:
        with cloud.running(tmp_path, **knobs) as simulated:
            client = Client(simulated, document, schemas)
            if not client.call("GET", "/ssh-keys")[1]:
                key = {"name": "key", "public_key": "ssh-ed25519 AAAA me@example"}
                assert client.call("POST", "/ssh-keys", key)[0] == 200
            yield client

    return starting


@pytest.fixture
def client(start: Any) -> Iterator[Client]:
    """A client of a cloud where machines boot at once, without limits."""
    with start(boot_seconds=0) as made:
        yield made
