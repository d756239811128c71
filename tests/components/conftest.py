"""Runs a program's components against mocks that record what they register."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format
from pulumi.runtime import mocks, rpc
from pulumi.runtime.proto import source_pb2


@pytest.fixture(autouse=True)
def event_loop_of_the_sdk() -> Iterator[None]:
    """The SDK takes the current loop, which asynchronous tests before this one have unset."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True)
def without_source_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the stack at each resource takes a third of a run, and no test looks at it."""
    monkeypatch.setattr("pulumi.runtime.resource._get_stack_trace", source_pb2.StackTrace)


SECRET_KEY = "4dabf18193072939515e22adb298388d"
SECRET_VALUE = "1b47061264138c4ac30d75fd1eb44270"


@dataclass
class Registered:
    """One resource as it was registered. inputs: plain values; secrets: paths that are secret."""

    name: str
    type: str
    parent: str
    provider: str
    dependencies: list[str]
    deleted_with: str
    aliases: list[Any]
    inputs: dict[str, Any]
    secrets: set[str] = field(default_factory=set)


class Values(mocks.Mocks):
    """Outputs that a provider would give: made from the resource's name, nothing in previews."""

    def __init__(self, preview: bool) -> None:
        self.preview = preview

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self.preview:
            return "", dict(args.inputs)
        made = {
            "publicKey": f"ssh-ed25519 {args.name}",
            "privateKey": f"private {args.name}",
            "hex": "0011aabb",
            "result": f"random-{args.name}",
            "address": f"address-of-{args.name}",
            "privateAddress": f"private-address-of-{args.name}",
            "clusterId": "the-cluster",
            "managerToken": "manager-token",
            "workerToken": "worker-token",
            "networkId": f"id-of-{args.name}",
            "secretId": f"id-of-{args.name}",
            "secretName": f"name-of-{args.name}",
            "configId": f"id-of-{args.name}",
            "configName": f"name-of-{args.name}",
            "certificate": f"certificate-of-{args.name}",
            "notAfter": "2031-01-31T12:00:00+00:00",
            "dnsName": f"tasks.{args.inputs.get('name')}",
            "repoDigest": f"registry.example/{args.name}@sha256:{'0' * 64}",
            "sha256Digest": f"sha256:{'0' * 64}",
            "volumeId": f"{args.inputs.get('name')}-0a1b2c3d",
        }
        if candidates := args.inputs.get("candidates"):
            made["home"] = candidates[0]["name"]
        return f"{args.name}-id", {**made, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


class Spy(mocks.MockMonitor):
    """A monitor that sees parent, dependencies, provider, aliases and secretness."""

    def __init__(self, values: Values) -> None:
        super().__init__(values)
        self.seen: dict[str, Registered] = {}

    def RegisterResource(self, request: Any) -> Any:
        if request.type != "pulumi:pulumi:Stack":
            # An image is named after its use.
            image = request.type == "sophia:index:Image"
            key = f"image {request.name}" if image else request.name
            assert key not in self.seen, f"{key} is registered twice"
            self.seen[key] = Registered(
                name=request.name,
                type=request.type,
                parent=short(request.parent),
                provider=short(request.provider.rpartition("::")[0]),
                dependencies=sorted(short(urn) for urn in request.dependencies),
                deleted_with=short(request.deletedWith),
                aliases=[*request.aliases, *request.aliasURNs],
                inputs=_unwrapped(rpc.deserialize_properties(request.object)),
                secrets=_secret_paths(json_format.MessageToDict(request.object)),
            )
        return super().RegisterResource(request)


def short(urn: str) -> str:
    """The logical name at the end of an urn."""
    return urn.rsplit("::", 1)[-1]


def _secret_paths(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        if value.get(SECRET_KEY) == SECRET_VALUE:
            return {path}
        return {
            found
            for key, inner in value.items()
            for found in _secret_paths(inner, f"{path}.{key}".lstrip("."))
        }
    if isinstance(value, list):
        return {
            found
            for index, inner in enumerate(value)
            for found in _secret_paths(inner, f"{path}[{index}]")
        }
    return set()


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SECRET_KEY) == SECRET_VALUE:
            return _unwrapped(value.get("value"))
        return {key: _unwrapped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unwrapped(inner) for inner in value]
    return value


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    """Both modes: in a preview, outputs that exist only at run time are unknown."""
    return bool(request.param)


@pytest.fixture
def registered(preview: bool) -> Callable[[Callable[[], Any]], dict[str, Registered]]:
    """Runs a program and gives everything it registered, by logical name."""

    def run(program: Callable[[], Any]) -> dict[str, Registered]:
        values = Values(preview)
        spy = Spy(values)
        pulumi.runtime.set_mocks(
            values, project="sophia", stack="dev", preview=preview, monitor=spy
        )
        pulumi.runtime.test(lambda: (program(), None)[1])()
        for resource in spy.seen.values():
            assert resource.aliases == [], f"{resource.name} has aliases"
            assert not re.search(r"\bdev\b", resource.name), "the stack's name is in a logical name"
        return spy.seen

    return run
