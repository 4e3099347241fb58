"""The figures reporting shows to Prometheus; every name is defined here.

| name                                      | labels           |
|-------------------------------------------|------------------|
| idnode_sync_batches_total                 | table, status    |
| idnode_sync_rows_total                    | table, outcome   |
| idnode_sync_failures_total                | what             |
| idnode_sync_answer_seconds                | –                |
| idnode_sync_queue_batches                 | table            |
| idnode_sync_queue_rows                    | table            |
| idnode_sync_oldest_unacknowledged_seconds | table            |
| idnode_sync_halted_streams                | table            |
| idnode_sync_open_rejections               | table            |
| idnode_sync_link_up                       | –                |
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sync.status import TableStatus

_ANSWER_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class SyncMetrics:
    """What the reporting process shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._batches = Counter(
            "idnode_sync_batches",
            "Batches acknowledged by the collector, by the receipt's status",
            ["table", "status"],
            registry=registry,
        )
        self._rows = Counter(
            "idnode_sync_rows",
            "Rows accepted or rejected by the collector, withheld as unfit, or left out as another reporter's",
            ["table", "outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "idnode_sync_failures", "Steps that failed and are repeated, by what failed", ["what"], registry=registry
        )
        self.answer = Histogram(
            "idnode_sync_answer_seconds",
            "Time from handing over a batch to the collector's answer",
            buckets=_ANSWER_BUCKETS_S,
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"idnode_sync_{name}", meaning, ["table"], registry=registry)
            for name, meaning in (
                ("queue_batches", "Batches not acknowledged yet"),
                ("queue_rows", "Rows in batches not acknowledged yet"),
                ("oldest_unacknowledged_seconds", "Age of the oldest batch not acknowledged; 0 when there is none"),
                ("halted_streams", "Streams that wait for an operator"),
                ("open_rejections", "Rows rejected or withheld, until a later report of the same key is accepted"),
            )
        }
        self._link_up = Gauge(
            "idnode_sync_link_up", "1 while batches may be handed over, 0 while the link pauses", registry=registry
        )

    def acknowledged(self, table: str, status: str, *, accepted: int, rejected: int) -> None:
        """Count a receipt."""
        self._batches.labels(table, status).inc()
        self._rows.labels(table, "accepted").inc(accepted)
        self._rows.labels(table, "rejected").inc(rejected)

    def withheld(self, table: str, rows: int) -> None:
        """Count rows not fit to be sent."""
        self._rows.labels(table, "withheld").inc(rows)

    def foreign(self, table: str, rows: int) -> None:
        """Count changes below prefixes that are not this reporter's."""
        if rows:
            self._rows.labels(table, "foreign").inc(rows)

    def failed(self, what: str) -> None:
        """Count a step that failed and will be repeated."""
        self._failures.labels(what).inc()

    def link(self, *, up: bool) -> None:
        """Show whether the collector can be reported to."""
        self._link_up.set(up)

    def show(self, status: TableStatus) -> None:
        """Show how a table's streams stand."""
        for name, value in (
            ("queue_batches", status.queue_batches),
            ("queue_rows", status.queue_rows),
            ("oldest_unacknowledged_seconds", status.oldest_unacknowledged_s),
            ("halted_streams", status.halted_streams),
            ("open_rejections", status.open_rejections),
        ):
            self._gauges[name].labels(status.table).set(value)
