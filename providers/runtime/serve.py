"""Serves a declared `Provider` to the Pulumi engine over gRPC.

Not built on `pulumi.provider.experimental`: that server can express neither "created, but not
ready" (`ErrorResourceInitFailed`) nor "read me before every update" (`refresh_before_update`).
Protocol: pulumi/proto/pulumi/provider.proto.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2

from providers.runtime import codec
from providers.runtime.codec import Wire
from providers.runtime.declare import (
    Context,
    Created,
    Fault,
    Function,
    Incomplete,
    Lifecycle,
    Provider,
    ResourceFailure,
    property_of,
)
from providers.runtime.difference import difference
from providers.runtime.failures import told
from providers.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)
from providers.runtime.schema import schema_of
from providers.runtime.structs import from_struct, to_struct

MESSAGE_LIMIT = 400 * 1024 * 1024
"""Bytes; the engine's own limit (sdk/go/common/util/rpcutil)."""

_GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
]


KEPT = "{} stays unchanged: its replacement would be the same object"


def serve(provider: Provider) -> None:
    """Runs a plugin: prints the port it listens on and serves until the engine ends it."""
    parser = argparse.ArgumentParser(prog=f"pulumi-resource-{provider.name}")
    parser.add_argument("engine", help="address of the Pulumi engine")
    arguments, _ = parser.parse_known_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(provider, arguments.engine))


async def _serve(provider: Provider, engine_address: str) -> None:
    async with grpc.aio.insecure_channel(engine_address, options=_GRPC_OPTIONS) as channel:
        servicer = Servicer(provider, engine_pb2_grpc.EngineStub(channel))
        server, port = await start(servicer)
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        parent = os.getppid()
        try:
            # A killed engine can't end its plugins: they notice that they are orphans.
            while os.getppid() == parent and await server.wait_for_termination(timeout=1.0):
                pass
        finally:
            await server.stop(grace=None)
            await provider.close()


async def start(servicer: Servicer) -> tuple[grpc.aio.Server, int]:
    """Starts listening on a free loopback port; returns the server and the port."""
    server = grpc.aio.server(options=_GRPC_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One package's resources and functions, in the engine's protocol.

    engine: an `EngineStub` for progress lines, or None in tests.
    """

    def __init__(self, provider: Provider, engine: Any = None) -> None:
        self._provider = provider
        self._engine = engine
        self._lifecycles = {kind.token: kind for kind in provider.lifecycles}
        self._functions = {kind.token: kind for kind in provider.functions}
        self._client: object | None = None
        self._made: set[tuple[str, str]] = set()
        self._checked: set[str] = set()
        self._cancelled = asyncio.Event()
        self._messages: set[asyncio.Task[None]] = set()

    async def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=False, accept_outputs=False
        )

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema_of(self._provider)))

    async def Cancel(self, request: Any, context: Any) -> Any:
        self._cancelled.set()
        return empty_pb2.Empty()

    # -- the provider's own configuration

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        kind = self._provider.Config
        news = from_struct(request.news)
        version = {key: news.pop(key) for key in ("version",) if key in news}
        parsed = codec.decode_config(kind, news)
        faults = list(codec.faults_of(kind, parsed))
        if not faults and not codec.has_unknown(news):
            faults = self._provider.check_config(codec.decode(kind, parsed))
        return _check_response(codec.with_secrets(kind, news) | version, faults)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        # Never a replacement: another address or key reaches the same cloud and cluster.
        olds, news = from_struct(request.olds), from_struct(request.news)
        return _diff_response([key for key in news if news[key] != olds.get(key)], [])

    async def Configure(self, request: Any, context: Any) -> Any:
        wire = codec.decode_config(self._provider.Config, from_struct(request.args))
        wire = {key: value for key, value in wire.items() if key != "version"}
        if not codec.has_unknown(wire):
            config = codec.decode(self._provider.Config, wire)
            self._client = await told(context, lambda: self._configure(config))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
        )

    async def _configure(self, config: Any) -> object:
        return self._provider.configure(config)

    # -- resources

    async def Check(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        self._checked.add(request.urn)
        news = from_struct(request.news)
        faults = list(codec.faults_of(kind.Inputs, news))
        if not faults and not codec.has_unknown(news):
            faults = kind.check(codec.decode(kind.Inputs, news))
        return _check_response(codec.with_secrets(kind.Inputs, news), faults)

    async def Diff(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        found = difference(
            kind,
            from_struct(request.old_inputs),
            from_struct(request.olds),
            from_struct(request.news),
        )
        # A refresh also calls Diff, without changing anything; only what the program registers is
        # # checked first (order of calls seen with Pulumi 3.259).
        if found.refused and request.urn in self._checked:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, found.refused)
        ignored = set(request.ignoreChanges)
        changed = [key for key in found.changed if key not in ignored]
        replaces = [key for key in found.replaces if key not in ignored]
        live = [codec.camel(item.name) for item, _ in codec.fields_of(kind.Outputs)][:1] or ["id"]
        if found.notice and changed:
            self._log(request.urn, found.notice, engine_pb2.WARNING)
        if found.drifted:
            self._log(request.urn, f"will be updated: {found.drifted}", engine_pb2.INFO)
            changed += live
        if found.stale:
            self._log(request.urn, f"will be replaced: {found.stale}", engine_pb2.WARNING)
            changed, replaces = changed + live, replaces + live
        return _diff_response(
            changed,
            replaces,
            delete_first=bool(replaces) and kind.delete_before_replace,
        )

    async def Create(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        wire = from_struct(request.properties)
        if request.preview:
            unknown = {codec.camel(i.name): codec.UNKNOWN for i, _ in codec.fields_of(kind.Outputs)}
            return provider_pb2.CreateResponse(properties=to_struct(wire | unknown))
        inputs = codec.decode(kind.Inputs, wire)
        created = await told(
            context,
            lambda: self._create(kind, self._context(request, kind), inputs),
            wire,
            kind.refresh,
        )
        return provider_pb2.CreateResponse(
            id=created.id,
            properties=to_struct(wire | codec.encode(created.outputs)),
            refresh_before_update=kind.refresh,
        )

    async def Read(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        self._checked.discard(request.urn)
        recorded, state = from_struct(request.inputs), from_struct(request.properties)
        if not recorded and not state:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{kind.token} cannot be imported: declare it and run `pulumi up`",
            )
        inputs = codec.decode(kind.Inputs, recorded)
        outputs = codec.decode(kind.Outputs, state)
        found = await told(
            context,
            lambda: self._lifecycle(kind).read(
                self._context(request, kind), request.id, inputs, outputs
            ),
        )
        if found is None:
            return provider_pb2.ReadResponse()
        live = codec.merged(kind.Inputs, recorded, found.inputs)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=to_struct(live | codec.encode(found.outputs)),
            inputs=to_struct(live),
            refresh_before_update=kind.refresh,
        )

    async def Update(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        news, state = from_struct(request.news), from_struct(request.olds)
        if request.preview:
            kept = {}
            for item, _ in codec.fields_of(kind.Outputs):
                key = codec.camel(item.name)
                volatile = property_of(item).volatile
                kept[key] = codec.UNKNOWN if volatile else state.get(key)
            return provider_pb2.UpdateResponse(properties=to_struct(news | kept))
        outputs = await told(
            context,
            lambda: self._lifecycle(kind).update(
                self._context(request, kind),
                request.id,
                codec.decode(kind.Inputs, from_struct(request.old_inputs)),
                codec.decode(kind.Outputs, state),
                codec.decode(kind.Inputs, news),
            ),
            news,
            kind.refresh,
        )
        return provider_pb2.UpdateResponse(
            properties=to_struct(news | codec.encode(outputs)),
            refresh_before_update=kind.refresh,
        )

    async def Delete(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        state = from_struct(request.properties)
        recorded = from_struct(request.old_inputs) or state
        if (kind.token, request.id) in self._made:
            self._log(request.urn, KEPT.format(request.id), engine_pb2.WARNING)
            return empty_pb2.Empty()
        await told(
            context,
            lambda: self._lifecycle(kind).delete(
                self._context(request, kind),
                request.id,
                codec.decode(kind.Inputs, recorded),
                codec.decode(kind.Outputs, state),
            ),
        )
        return empty_pb2.Empty()

    async def _create(
        self, kind: type[Lifecycle[Any, Any]], context: Context, inputs: Any
    ) -> Created[Any]:
        """Creates, and remembers the id for `Delete`."""
        try:
            created = await self._lifecycle(kind).create(context, inputs)
        except Incomplete as failure:
            self._made.add((kind.token, failure.id))
            raise
        self._made.add((kind.token, created.id))
        return created

    # -- functions

    async def Invoke(self, request: Any, context: Any) -> Any:
        kind = self._functions.get(request.tok)
        if kind is None:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{request.tok}: no such function, expected one of {sorted(self._functions)}",
            )
        assert kind is not None
        wire = from_struct(request.args)
        faults = list(codec.faults_of(kind.Inputs, wire))
        if faults:
            return provider_pb2.InvokeResponse(failures=_failures(faults))
        inputs = codec.decode(kind.Inputs, wire)
        outputs = await told(context, lambda: self._function(kind).call(inputs))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(codec.encode(outputs)))
        return response

    # -- helpers

    def _kind(self, urn: str) -> type[Lifecycle[Any, Any]]:
        token = urn.split("::")[2].split("$")[-1]
        try:
            return self._lifecycles[token]
        except KeyError:
            raise ResourceFailure(
                f"{token}: no such resource, expected one of {sorted(self._lifecycles)}"
            ) from None

    def _lifecycle(self, kind: type[Lifecycle[Any, Any]]) -> Lifecycle[Any, Any]:
        lifecycle: Lifecycle[Any, Any] = self._constructed(kind)
        return lifecycle

    def _function(self, kind: type[Function[Any, Any]]) -> Function[Any, Any]:
        function: Function[Any, Any] = self._constructed(kind)
        return function

    def _constructed(self, kind: Any) -> Any:
        if self._client is None:
            raise ResourceFailure(f"{self._provider.name}: the provider is not configured")
        return kind(self._client)

    def _context(self, request: Any, kind: type[Lifecycle[Any, Any]]) -> Context:
        return Context(
            urn=request.urn,
            timeout=getattr(request, "timeout", 0) or kind.timeout,
            cancelled=self._cancelled,
            progress=lambda text: self._log(request.urn, text, engine_pb2.INFO, passing=True),
            warn=lambda text: self._log(request.urn, text, engine_pb2.WARNING),
        )

    def _log(self, urn: str, text: str, severity: Any, *, passing: bool = False) -> None:
        if self._engine is None:
            return
        message = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=passing)
        task = asyncio.get_running_loop().create_task(_ignored(self._engine.Log(message)))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)


async def _ignored(call: Awaitable[Any]) -> None:
    # A progress line that can't be shown must not fail the operation.
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call


def _check_response(inputs: Mapping[str, Wire], faults: list[Fault]) -> Any:
    return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(faults))


def _failures(faults: list[Fault]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=f.path, reason=f.reason) for f in faults]


def _diff_response(changed: list[str], replaces: list[str], *, delete_first: bool = False) -> Any:
    kinds = provider_pb2.PropertyDiff
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME
        if changed
        else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=changed,
        replaces=replaces,
        deleteBeforeReplace=delete_first,
        hasDetailedDiff=True,
        detailedDiff={
            key: kinds(kind=kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE)
            for key in changed
        },
    )
