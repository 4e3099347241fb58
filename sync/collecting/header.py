"""The first line of a batch as the collector reads it (docking contract 9.2 to 9.4): who tells what, of which time."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from sync.calendar_time import BEIJING
from sync.collecting.problems import Problem

ALL_TABLES: Final = (*(f"T{n}" for n in range(1, 12)), "M1", "M2", "E1", "E2")
TABLES: Final = {name: [1] for name in ALL_TABLES}
"""Every table of the contract, and the versions of its row schema that are taken."""

OF_THE_NODE: Final = frozenset({"T1", "T2", "T3", "T4", "T5", "M1", "E1"})
"""Tables whose scope is the secondary prefix; that of the others is an enterprise's (9.2)."""
FACTS: Final = frozenset({"T3", "T8", "M1", "M2"})
"""Tables whose rows are facts of a closed day."""
EVENTS: Final = frozenset({"E1", "E2"})
REVISABLE: Final = FACTS | {"T5", "T10"}
COVERABLE: Final = frozenset({"T6", "T7", "T8", "T9", "T10", "T11"})
"""Tables of which one empty batch may cover every enterprise without a change (9.4)."""
REQUIRES_MAX: Final = 256

_KINDS: Final = {
    **dict.fromkeys(("T1", "T2", "T11", "E1", "E2"), "instant"),
    **dict.fromkeys(("T6", "T7"), "hour"),
    **dict.fromkeys(("T3", "T4", "T8", "T9", "M1", "M2"), "day"),
    **dict.fromkeys(("T5", "T10"), "month"),
}
_PREFIX: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PRODUCER_CHARACTERS_MAX: Final = 64


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time a batch tells of, half-open."""

    kind: Literal["instant", "hour", "day", "month"]
    start: str
    end: str


class Needed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sequence of another stream that must be here first."""

    table: str
    scope: str
    sequence: int


class FullPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a complete set this batch is."""

    id: UUID
    part: int
    last: bool


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a batch that was handed in."""

    profile: Literal["idn-report/1"]
    batch_id: UUID
    reporter: str
    table: str
    schema: int
    scope: str
    sequence: int
    mode: Literal["delta", "full", "revision"]
    period: Span
    requires: tuple[Needed, ...]
    row_count: int
    rows_sha256: str
    created_at: str
    full: FullPart | None = None
    producer: str | None = None
    x_covers: str | None = None

    @property
    def stream(self) -> tuple[str, str, str]:
        """Who reports which table for which prefix."""
        return self.reporter, self.table, self.scope


def check_header(
    header: Handed, members: dict[str, Any], path_id: str, reporter: str, tables: Mapping[str, list[int]] = TABLES
) -> None:
    """Raise Problem for a header that makes the whole batch unacceptable."""
    unknown = [name for name in members if name not in Handed.__struct_fields__ and not name.startswith("x_")]
    if unknown:
        raise _malformed(f"unknown header members {unknown}")
    if members["batch_id"] != path_id:
        raise _malformed(f"batch_id {members['batch_id']} in the header, {path_id} in the path")
    if header.reporter != reporter:
        raise _malformed(f"reporter {header.reporter} in the header, {reporter} in Idn-Reporter")
    if header.table not in tables:
        raise Problem(404, "unknown_table", f"{header.table} is not taken here")
    if header.schema not in tables[header.table]:
        more = {"supported": tables[header.table]}
        raise Problem(422, "schema_unsupported", f"schema {header.schema} of {header.table}", more=more)
    _check_scope(header)
    _check_rest(header)
    check_period(header.table, header.mode, header.period)


def _check_scope(header: Handed) -> None:
    scope, reporter = header.scope, header.reporter
    if not _PREFIX.fullmatch(scope) or not f"{scope}.".startswith(f"{reporter}."):
        raise Problem(403, "forbidden_scope", f"{scope} does not lie below {reporter}")
    if header.table in OF_THE_NODE and scope != reporter:
        raise Problem(403, "forbidden_scope", f"the scope of {header.table} is the secondary prefix, {reporter}")
    if header.x_covers is None:
        return
    if header.x_covers != "unchanged" or header.table not in COVERABLE or scope != reporter or header.row_count:
        raise _malformed('x_covers is "unchanged", in an empty batch of T6 to T11 for the secondary prefix')


def _check_rest(header: Handed) -> None:
    if header.sequence < 1 or header.row_count < 0:
        raise _malformed("sequence must be at least 1, row_count at least 0")
    if not _INSTANT.fullmatch(header.created_at):
        raise _malformed("created_at must be an instant in UTC, whole seconds")
    if (header.mode == "full") != (header.full is not None):
        raise _malformed("mode full goes with the member full, and only with it")
    if header.full is not None and header.full.part < 1:
        raise _malformed("full.part counts from 1")
    if header.mode == "revision" and header.table not in REVISABLE:
        raise _malformed(f"{header.table} tells of no closed period that could be revised")
    if len(header.requires) > REQUIRES_MAX:
        raise _malformed(f"requires has more than {REQUIRES_MAX} entries")
    if any(one.table not in TABLES or one.sequence < 1 for one in header.requires):
        raise _malformed("requires names tables of the contract and sequences from 1")
    if header.producer is not None and not 0 < len(header.producer) <= _PRODUCER_CHARACTERS_MAX:
        raise _malformed(f"producer has 1 to {_PRODUCER_CHARACTERS_MAX} characters")


def check_period(table: str, mode: str, period: Span) -> None:
    """Raise Problem unless a period is one that batches of a table tell of."""
    # A complete set and a real-time report tell of a moment, whatever the table's rhythm is.
    if period.kind not in (_KINDS[table], "instant" if mode == "full" else _KINDS[table]):
        raise _malformed(f"the period of {table} is of kind {_KINDS[table]}")
    start, end = _moment(period.start), _moment(period.end)
    if start > end or (start == end and period.kind != "instant"):
        raise _malformed("the period ends before it begins")
    try:
        local = start.astimezone(BEIJING)
        expected = _end(period.kind, start, local) if period.kind != "instant" else end
    except (OverflowError, ValueError) as error:
        raise _malformed("the period ends behind the calendar") from error
    begins = {"instant": True, "hour": start.minute == start.second == 0}.get(
        period.kind, (local.hour, local.minute, local.second) == (0, 0, 0)
    )
    if not begins or (period.kind == "month" and local.day != 1) or end != expected:
        raise _malformed(f"this is no whole {period.kind} of Beijing time")


def _moment(text: str) -> datetime:
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise _malformed("the period's bounds are instants in UTC, whole seconds")


def _end(kind: str, start: datetime, local: datetime) -> datetime:
    """Return when a period ends that begins then; a month's begins with its first day, or is none."""
    if kind == "month":
        year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)  # noqa: PLR2004 - December
        return local.replace(year=year, month=month, day=1)
    return start + (timedelta(hours=1) if kind == "hour" else timedelta(days=1))


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed", detail)
