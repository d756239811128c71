"""Spans of tool calls, for an OpenTelemetry collector where there is one.

They hold names, times and outcomes: no arguments, no results, no texts of errors. Without an
endpoint the SDK is not even imported. Its provider is never the global one: the MCP SDK would send
spans of its own, with the texts of exceptions.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .errors import SettingError
from .settings import Settings

ENDPOINT, RATIO = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"
"""As OpenTelemetry names them: an OTLP/HTTP collector, and the share of calls that is traced."""
HOSTS = "MCP_TRACE_HOSTS"
"""Services that are told a call's trace. No others are: its id may come from the caller."""

_EXPORT_S, _LAST_S = 5.0, 2.0
_MOST_STATE = 512
"""Characters of a `tracestate` that must be passed on (W3C Trace Context, "tracestate limits")."""
_W3C = TraceContextTextMapPropagator()


class _Provider(Protocol):
    def shutdown(self) -> None: ...


class _Sending:
    """Of this process."""

    tracer: Tracer = NoOpTracer()
    provider: _Provider | None = None
    hosts: frozenset[str] = frozenset()


def start(settings: Settings) -> None:
    """Sends spans from now on, if the settings name a collector. A collector that is away costs
    their loss and a line in the log every few seconds.

    Raises:
        SettingError: the address or the share is none.
    """
    if not settings.text(ENDPOINT, ""):
        return
    endpoint = settings.url(ENDPOINT, "http://collector.example.com:4318")
    ratio = _ratio(settings.text(RATIO, "1"))
    # Together they take 9 MB.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # below it, each retry
    names = {"service.name": settings.server, "service.instance.id": settings.replica}
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource(names),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=_EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Sending.tracer, _Sending.provider = provider.get_tracer("sophia"), provider
    _Sending.hosts = frozenset(settings.texts(HOSTS))


def stop() -> None:
    """Sends what is left, for two seconds at most."""
    if _Sending.provider is not None:
        last = Thread(target=_Sending.provider.shutdown, daemon=True)
        last.start()
        last.join(_LAST_S)


@contextmanager
def span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], within: Context | None = None
) -> Iterator[Span]:
    """Within the block it is the current one. An exception ends it, and isn't recorded."""
    with _Sending.tracer.start_as_current_span(
        name,
        within,
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        yield made


def came_to(made: Span, outcome: str, *, failed: bool) -> None:
    """Notes how it ended, in a word."""
    made.set_attribute("sophia.outcome", outcome)
    if failed:
        made.set_attribute("error.type", outcome)
        made.set_status(StatusCode.ERROR)


def of_caller(headers: Mapping[str, str]) -> Context | None:
    """The caller's span: that of the message's `_meta`, which the MCP SDK has made the current
    one, else that of the request's headers."""
    return None if trace_id() else _W3C.extract(headers)


def received(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of these that name a span (W3C Trace Context)."""
    found = {"traceparent": "", "tracestate": ""}
    found = {name: headers.get(name, "")[:_MOST_STATE] for name in found}
    return {name: text for name, text in found.items() if text}


def headers() -> dict[str, str]:
    """The current span, as headers for a server of ours."""
    sent: dict[str, str] = {}
    _W3C.inject(sent)
    return sent


def headers_for(host: str) -> dict[str, str]:
    """The same for a service: none, unless it is to be told."""
    return headers() if host in _Sending.hosts else {}


def trace_id() -> str:
    """The current trace, 32 digits, or ""."""
    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise SettingError(f"{RATIO}: expected a share from 0 to 1 such as 0.1, got {text!r}")
    return ratio
