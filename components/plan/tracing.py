"""What servers and the backend get to send their spans. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tracing:
    """endpoint: of an OpenTelemetry collector, OTLP/HTTP, without `/v1/traces`. ratio: the share of
    calls that is traced. hosts: services that are told a call's trace.
    """

    endpoint: str
    ratio: float
    hosts: tuple[str, ...]


def environment(tracing: Tracing | None) -> Mapping[str, str]:
    """Variables of mcp_catalog/base/sophia_mcp/tracing.py."""
    if tracing is None:
        return {}
    hosts = {"MCP_TRACE_HOSTS": ",".join(tracing.hosts)} if tracing.hosts else {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": tracing.endpoint,
        "OTEL_TRACES_SAMPLER_ARG": f"{tracing.ratio:g}",
        **hosts,
    }
