"""Errors of an operation in the engine's form."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from providers.runtime import codec
from providers.runtime.codec import Wire
from providers.runtime.declare import Incomplete, ResourceFailure
from providers.runtime.proto import provider_pb2, status_pb2
from providers.runtime.structs import to_struct


async def told(
    context: Any,
    work: Callable[[], Awaitable[Any]],
    inputs: Mapping[str, Wire] | None = None,
    refresh: bool = False,
) -> Any:
    """The result of `work`; its failures in the engine's form, without tracebacks."""
    try:
        return await work()
    except Incomplete as failure:
        details = provider_pb2.ErrorResourceInitFailed(
            id=failure.id,
            properties=to_struct({**(inputs or {}), **codec.encode(failure.outputs)}),
            inputs=to_struct(dict(inputs or {})),
            reasons=failure.reasons,
            refresh_before_update=refresh,
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
        status.details.add().Pack(details)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(grpc.StatusCode.UNKNOWN, str(failure))
    except ResourceFailure as failure:
        await context.abort(grpc.StatusCode.UNKNOWN, str(failure))
    except Exception as failure:
        # A bug of ours: the place helps the reader more than a polite sentence.
        where = "".join(traceback.format_tb(failure.__traceback__)[-3:])
        await context.abort(
            grpc.StatusCode.INTERNAL, f"{type(failure).__name__}: {failure}\n{where}"
        )
