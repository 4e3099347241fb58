"""What the self-check shows to Prometheus."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from node.monitor.watch import Probed


class MonitorMetrics:
    """Figures of one node's self-check."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._probes = Counter(
            "idnode_monitor_probes",
            "Probes of the node's own services, by service and result",
            ["service", "result"],
            registry=registry,
        )
        self._open = Gauge("idnode_monitor_open_events", "Abnormal events that are not recovered", registry=registry)
        self._pending = Gauge(
            "idnode_monitor_pending", "Events and outages that wait for the database", registry=registry
        )

    def probed(self, registration: Sequence[Probed], resolution: Sequence[Probed]) -> None:
        """Count the probes of a round."""
        for service, probed in (("registration", registration), ("resolution", resolution)):
            for one in probed:
                result = "not_made" if one.is_well is None else "answered" if one.is_well else "failed"
                self._probes.labels(service, result).inc()

    def open_events(self, count: int) -> None:
        """Show how many events are open."""
        self._open.set(count)

    def pending(self, count: int) -> None:
        """Show how much waits for the database."""
        self._pending.set(count)
