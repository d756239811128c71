"""The setting `tracing`: where spans of calls go. Pure."""

from __future__ import annotations

import re

from components.plan.tracing import Tracing
from components.reading import Reader

_ENDPOINT = r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
_HOST = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


def read(top: Reader) -> Tracing | None:
    """The setting, None without an endpoint; what is wrong goes to the reader's faults."""
    reader = top.inner("tracing")
    endpoint = reader.text(
        "endpoint",
        "",
        pattern=f"({_ENDPOINT})?",
        expected="an OTLP/HTTP collector such as http://collector.example.com:4318,"
        " without user and query",
    ).rstrip("/")
    if endpoint.endswith("/v1/traces"):
        reader.fault("endpoint", endpoint, "one without /v1/traces, which is added to it")
    if re.match(r"https?://(localhost|127\.)", endpoint):
        expected = "a host that every node reaches: this one is each container itself"
        reader.fault("endpoint", endpoint, expected)
    ratio = reader.number("ratio", 1.0, low=0, high=1)
    expected = "a host such as api.example.com"
    hosts = reader.texts("hosts", (), pattern=_HOST, expected=expected)
    for key in ("ratio", "hosts"):
        if reader.has(key) and not reader.has("endpoint"):
            reader.fault(key, reader.plain(key), f"none without {reader.key('endpoint')}")
    reader.finish()
    return Tracing(endpoint, ratio, hosts) if endpoint else None
