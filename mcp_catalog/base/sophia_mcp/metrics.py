"""The numbers a replica exports on /metrics, in Prometheus' text format."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry with the counters of one server; label values are always from a closed set."""

    def __init__(self, server: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        info = Gauge("mcp_server_info", "Which server this is", ["server"], registry=self.registry)
        info.labels(server).set(1)
        self.requests = Counter(
            "mcp_http_requests",
            "HTTP requests answered",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "mcp_http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "mcp_http_requests_in_flight", "Requests being answered", registry=self.registry
        )
        self.tool_calls = Counter(
            "mcp_tool_calls",
            "Tool calls by outcome: ok, error (anticipated), invalid_arguments, unknown_tool, "
            "protocol_error, timeout, crash, cancelled",
            ["tool", "outcome"],
            registry=self.registry,
        )
        self.tool_seconds = Histogram(
            "mcp_tool_call_duration_seconds",
            "Time a tool took",
            ["tool"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.answers_refused = Counter(
            "mcp_answers_refused",
            "Answers of tools that were too long for a model",
            ["tool"],
            registry=self.registry,
        )
        self._upstream_requests = Counter(
            "mcp_upstream_requests",
            "Tries of calls to a service, by outcome: 2xx to 5xx, timeout, unreachable, broken, "
            "too_large, cancelled, crash",
            ["upstream", "method", "outcome"],
            registry=self.registry,
        )
        self._upstream_seconds = Histogram(
            "mcp_upstream_request_duration_seconds",
            "Time that one try took",
            ["upstream"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.upstream_retries = Counter(
            "mcp_upstream_retries", "Tries after the first", ["upstream"], registry=self.registry
        )
        self.upstream_open = Gauge(
            "mcp_upstream_left_alone",
            "1 while a service that keeps failing is not asked",
            ["upstream"],
            registry=self.registry,
        )

    def upstream_try(self, upstream: str, method: str, outcome: str, seconds: float) -> None:
        """One try of a call to a service is over."""
        self._upstream_requests.labels(upstream, method, outcome).inc()
        self._upstream_seconds.labels(upstream).observe(seconds)

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)
