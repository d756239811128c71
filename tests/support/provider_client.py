"""Speaks to a provider of ours as the engine does: real gRPC, plain Python values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from providers.runtime import serve
from providers.runtime.declare import Provider


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def values(message: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(message)


class ProviderClient:
    """`stub` for raw calls, and the calls tests make most, by resource token."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self.stub = stub

    @staticmethod
    def urn(token: str, name: str = "example") -> str:
        return f"urn:pulumi:dev::sophia::{token}::{name}"

    async def check(self, token: str, inputs: Mapping[str, Any]) -> Any:
        return await self.stub.Check(
            provider_pb2.CheckRequest(urn=self.urn(token), news=struct(inputs))
        )

    async def diff(
        self,
        token: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
    ) -> Any:
        return await self.stub.Diff(
            provider_pb2.DiffRequest(
                id="id",
                urn=self.urn(token),
                olds=struct({**old, **(state or {})}),
                old_inputs=struct(old),
                news=struct(new),
            )
        )

    async def create(self, token: str, inputs: Mapping[str, Any], *, preview: bool = False) -> Any:
        return await self.stub.Create(
            provider_pb2.CreateRequest(
                urn=self.urn(token), properties=struct(inputs), preview=preview
            )
        )

    async def read(
        self, token: str, id: str, inputs: Mapping[str, Any], state: Mapping[str, Any]
    ) -> Any:
        return await self.stub.Read(
            provider_pb2.ReadRequest(
                id=id, urn=self.urn(token), inputs=struct(inputs), properties=struct(state)
            )
        )

    async def update(
        self,
        token: str,
        id: str,
        old: Mapping[str, Any],
        state: Mapping[str, Any],
        new: Mapping[str, Any],
        *,
        preview: bool = False,
    ) -> Any:
        return await self.stub.Update(
            provider_pb2.UpdateRequest(
                id=id,
                urn=self.urn(token),
                olds=struct(state),
                old_inputs=struct(old),
                news=struct(new),
                preview=preview,
            )
        )

    async def delete(
        self, token: str, id: str, inputs: Mapping[str, Any], state: Mapping[str, Any]
    ) -> None:
        await self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=id, urn=self.urn(token), old_inputs=struct(inputs), properties=struct(state)
            )
        )


def init_failure(error: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed:
    """The "created, but not ready" that travels in an error's trailing metadata."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failed)
    return failed


@asynccontextmanager
async def serving(
    provider: Provider, config: Mapping[str, Any] | None = None
) -> AsyncIterator[ProviderClient]:
    """A configured provider behind a real gRPC port, for as long as the block runs."""
    server, port = await serve.start(serve.Servicer(provider))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        await stub.Configure(provider_pb2.ConfigureRequest(args=struct(config or {})))
        try:
            yield ProviderClient(stub)
        finally:
            await server.stop(grace=None)
            await provider.close()
