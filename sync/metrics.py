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
| idnode_sync_period_late_seconds           | task             |
| idnode_sync_open_rejections               | table            |
| idnode_sync_link_up                       | –                |
| idnode_sync_access_point_state            | access_point     |
| idnode_sync_access_point_answer_seconds   | access_point     |
| idnode_sync_directives_total              | kind, result     |
| idnode_sync_paused_tables                 | –                |
| idnode_sync_tables_without_route          | –                |
| idnode_sync_differences                   | table            |
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sync.access_points import AccessPoint
from sync.status import TableStatus

_ANSWER_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_BREAKER: Final = {"closed": 0, "half_open": 1, "open": 2}


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
        self._period_late = Gauge(
            "idnode_sync_period_late_seconds",
            "How late the oldest period is that should have been told by now; 0 when there is none",
            ["task"],
            registry=registry,
        )
        self._link_up = Gauge(
            "idnode_sync_link_up", "1 while batches may be handed over, 0 while the link pauses", registry=registry
        )

        self._access_point_state = Gauge(
            "idnode_sync_access_point_state",
            "The circuit breaker of one of the collector's addresses: 0 closed, 1 tried again, 2 open",
            ["access_point"],
            registry=registry,
        )
        self._access_point_answer = Gauge(
            "idnode_sync_access_point_answer_seconds",
            "Time one of the collector's addresses takes to answer, smoothed",
            ["access_point"],
            registry=registry,
        )
        self._directives = Counter(
            "idnode_sync_directives",
            "Directives of the collector, by what became of them",
            ["kind", "result"],
            registry=registry,
        )
        self._paused = Gauge(
            "idnode_sync_paused_tables",
            "Tables that are paused, by order of the collector or of an operator",
            registry=registry,
        )
        self._without_route = Gauge(
            "idnode_sync_tables_without_route",
            "Tables with queued batches that the collector does not take",
            registry=registry,
        )
        self._differences = Gauge(
            "idnode_sync_differences",
            "Rows that the last comparison by digests found different from what the collector holds",
            ["table"],
            registry=registry,
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

    def period_late(self, task: str, late_s: float) -> None:
        """Show by how much a task's oldest period is late."""
        self._period_late.labels(task).set(late_s)

    def link(self, *, up: bool) -> None:
        """Show whether the collector can be reported to."""
        self._link_up.set(up)

    def directive(self, kind: str, result: str) -> None:
        """Count a directive that is finished."""
        self._directives.labels(kind, result).inc()

    def access_points(self, points: Sequence[AccessPoint]) -> None:
        """Show the collector's addresses, and no others."""
        self._access_point_state.clear()
        self._access_point_answer.clear()
        for point in points:
            self._access_point_state.labels(point.url).set(_BREAKER[point.breaker.state])
            if point.answer_s is not None:
                self._access_point_answer.labels(point.url).set(point.answer_s)

    def routes(self, *, paused: int, without: int) -> None:
        """Show how many tables do not go anywhere."""
        self._paused.set(paused)
        self._without_route.set(without)

    def differences(self, table: str, count: int) -> None:
        """Show what a comparison has found."""
        self._differences.labels(table).set(count)

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
