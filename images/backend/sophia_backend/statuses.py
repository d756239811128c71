"""In which state each server is, for whoever reads /metrics."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .fleet import Fleet
from .watched import STATUSES


class Statuses(Collector):
    """`mcp_server_status`: 1 for the state that a server was last seen in, 0 for the others.
    `mcp_server_replicas`: how many of its replicas are in each."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "mcp_server_status", "1 for the state that a server is in", labels=["server", "status"]
        )
        replicas = GaugeMetricFamily(
            "mcp_server_replicas", "How many replicas are in a state", labels=["server", "status"]
        )
        for server in self._fleet.servers.values():
            states = [replica.status for replica in server.replicas.values()]
            for status in STATUSES if server.looked else ():
                family.add_metric([server.name, status], float(status == server.status))
                replicas.add_metric([server.name, status], states.count(status))
        yield family
        yield replicas
