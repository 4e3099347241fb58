"""The figures of a worker's Handle server, each name defined once."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from resolver.handle.server import HandleServer


class HandleCollector(Collector):
    """Shows connections and datagrams; lookups are with those of the other faces."""

    def __init__(self, server: HandleServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Yield the families; called by the registry for each scrape."""
        connections = self._server.connections
        yield GaugeMetricFamily("idnode_handle_connections", "Open Handle connections", len(connections))
        yield CounterMetricFamily(
            "idnode_handle_connections_refused", "Handle connections refused: no room", connections.refused
        )
        cut_off = CounterMetricFamily(
            "idnode_handle_connections_cut_off", "Handle connections cut off, by what for", labels=["phase"]
        )
        for phase, count in connections.cut_off.items():
            cut_off.add_metric([phase], count)
        yield cut_off
        datagrams = CounterMetricFamily(
            "idnode_handle_datagrams", "What became of datagrams, and of answers to them", labels=["end"]
        )
        for end, count in self._server.datagram_ends.items():
            datagrams.add_metric([end], count)
        yield datagrams
