"""What the simulator's page shows, gathered from the book: streams, tables, periods, rejections, events, deposits."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from sync.calendar_time import BEIJING, instant
from sync.collecting.header import ALL_TABLES
from sync.top_node.book import Book

PERIODS_SHOWN: Final = 14
SHOWN_MAX: Final = 25
DEPOSITS_MAX: Final = 20
MANIFEST: Final = ".manifest.json"

_DAILY: Final = ("T3", "T4", "T8", "T9", "M1", "M2")
_HOURLY: Final = ("T6", "T7")
_MONTHLY: Final = ("T5", "T10")


class PeriodCell(NamedTuple):
    """One period of one table: how many scopes told of it, of how many that ever told anything."""

    start: datetime
    told: int
    expected: int


class PeriodRow(NamedTuple):
    """The last periods of one table, oldest first."""

    table: str
    kind: str
    cells: tuple[PeriodCell, ...]


class Overview(NamedTuple):
    """Everything the page shows."""

    tables: list[dict[str, Any]]
    streams: list[dict[str, Any]]
    periods: list[PeriodRow]
    rejections: list[dict[str, Any]]
    events: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    deposits: list[dict[str, Any]]
    files: int
    keys: list[str]


def overview(book: Book, inbox: Path | None, now: datetime) -> Overview:
    """Gather what is shown; nothing of it is longer than the page can hold."""
    return Overview(
        tables=_tables(book),
        streams=_dicts(
            book,
            "SELECT reporter, table_id, scope, last_sequence, last_received_at FROM streams "
            "ORDER BY last_received_at DESC LIMIT ?",
        ),
        periods=[
            *(_periods(book, table, "hour", now) for table in _HOURLY),
            *(_periods(book, table, "day", now) for table in _DAILY),
            *(_periods(book, table, "month", now) for table in _MONTHLY),
        ],
        rejections=_dicts(
            book,
            "SELECT b.table_id, b.scope, b.sequence, r.n, r.key, r.code, r.field, r.message FROM rejections r "
            "JOIN batches b USING (batch_id) ORDER BY b.number DESC, r.n LIMIT ?",
        ),
        events=_events(book),
        rows=_dicts(
            book,
            "SELECT a.table_id, a.scope, a.key, a.ver, a.operation_type, b.received_at FROM applied a "
            "JOIN batches b USING (batch_id) ORDER BY a.number DESC LIMIT ?",
        ),
        deposits=[] if inbox is None else _deposits(inbox),
        files=_count(book, "SELECT count(*) FROM attachments"),
        keys=[row["keyid"] for row in book.all("SELECT DISTINCT keyid FROM batches WHERE keyid IS NOT NULL LIMIT 20")],
    )


def _tables(book: Book) -> list[dict[str, Any]]:
    told = {
        row["table_id"]: dict(row)
        for row in book.all(
            "SELECT table_id, count(*) AS batches, sum(rows_accepted) AS accepted, sum(rows_rejected) AS rejected, "
            "count(DISTINCT scope) AS scopes, max(received_at) AS last_received_at FROM batches GROUP BY table_id"
        )
    }
    held = {
        row["table_id"]: row["held"]
        for row in book.all("SELECT table_id, count(*) AS held FROM held_rows WHERE NOT deleted GROUP BY table_id")
    }
    return [
        {
            "table": table,
            "held": held.get(table, 0),
            **{
                name: told.get(table, {}).get(name)
                for name in ("scopes", "batches", "accepted", "rejected", "last_received_at")
            },
        }
        for table in ALL_TABLES
    ]


def _periods(book: Book, table: str, kind: str, now: datetime) -> PeriodRow:
    starts = _last_starts(kind, now)
    received = {
        row["period_start"]: dict(row)
        for row in book.all(
            "SELECT period_start, count(DISTINCT scope) AS told, max(covers IS NOT NULL) AS covered FROM batches "
            "WHERE table_id = ? AND period_start >= ? AND period_kind = ? GROUP BY period_start",
            table,
            instant(starts[0]),
            kind,
        )
    }
    expected = _count(
        book,
        "SELECT count(DISTINCT scope) FROM batches WHERE table_id = ? AND covers IS NULL AND mode <> 'full'",
        table,
    )
    return PeriodRow(table, kind, tuple(_cell(start, received.get(instant(start)), expected) for start in starts))


def _cell(start: datetime, row: Mapping[str, Any] | None, expected: int) -> PeriodCell:
    told = 0 if row is None else max(expected, 1) if row["covered"] else row["told"]
    return PeriodCell(start, told, max(expected, told))


def _last_starts(kind: str, now: datetime) -> list[datetime]:
    """Return the beginnings of the last closed periods, oldest first."""
    local = now.astimezone(BEIJING).replace(minute=0, second=0, microsecond=0)
    starts: list[datetime] = []
    if kind == "hour":
        starts = [local - timedelta(hours=back) for back in range(1, PERIODS_SHOWN + 1)]
    elif kind == "day":
        today = local.replace(hour=0)
        starts = [today - timedelta(days=back) for back in range(1, PERIODS_SHOWN + 1)]
    else:
        month = local.replace(hour=0, day=1)
        for _ in range(PERIODS_SHOWN // 2):
            month = (month - timedelta(days=1)).replace(day=1)
            starts.append(month)
    return [start.astimezone(UTC) for start in reversed(starts)]


def _events(book: Book) -> list[dict[str, Any]]:
    """Return abnormal events with their recoveries; those still open first."""
    rows = book.all(
        "SELECT e.table_id, e.data, h.data AS ended FROM held_rows e "
        "LEFT JOIN recoveries r ON r.abnormal_event_no = e.key "
        "LEFT JOIN held_rows h ON h.table_id = e.table_id AND h.key = r.event_no AND h.table_id <> 'T9' "
        "WHERE e.table_id IN ('E1', 'E2') AND e.table_id <> 'T9' "
        "AND json_extract(e.data, '$.event_type') = 'abnormal' "
        "ORDER BY h.key IS NOT NULL, e.at DESC LIMIT ?",
        SHOWN_MAX,
    )
    found = []
    for row in rows:
        data, ended = json.loads(row["data"]), None if row["ended"] is None else json.loads(row["ended"])
        found.append(
            {
                "table": row["table_id"],
                "prefix": data["prefix"],
                "event_no": data["event_no"],
                "abnormal_type": data.get("abnormal_type"),
                "cause": data.get("cause"),
                "occurred_at": data["occurred_at"],
                "recovered_at": None if ended is None else ended["occurred_at"],
            }
        )
    return found


def _deposits(inbox: Path) -> list[dict[str, Any]]:
    """Return the escrow deposits that were handed in whole: their manifest comes last."""
    manifests = sorted(inbox.rglob(f"*{MANIFEST}"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = []
    for path in manifests[:DEPOSITS_MAX]:
        deposit = path.name.removesuffix(MANIFEST)
        files = [one for one in path.parent.glob(f"{deposit}*") if one.is_file()]
        found.append(
            {
                "deposit": deposit,
                "files": len(files),
                "bytes": sum(one.stat().st_size for one in files),
                "signed": path.with_name(path.name + ".sig").exists(),
                "received_at": instant(datetime.fromtimestamp(path.stat().st_mtime, UTC)),
            }
        )
    return found


def _dicts(book: Book, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in book.all(query, SHOWN_MAX)]


def _count(book: Book, query: str, *parameters: object) -> int:
    row = book.one(query, *parameters)
    return 0 if row is None else int(row[0])
