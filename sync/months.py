"""T5 and T10 at the close of a month: every application active in it (docking contract 4.5, 4.10)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from identifiers.changes import KIND_APPLICATION
from registry.tables import applications
from registry.tables.applications import Application
from sync.batch import Row
from sync.calendar_time import beijing_day, month_period
from sync.database import Connection
from sync.state_rows import data_octets, told
from sync.tables.fields import check_row
from sync.tables.t5 import application_data, month_version

PAGE: Final = 500

_AS_OF: Final = """
SELECT DISTINCT ON (key) key, after FROM journal
WHERE kind = $1 AND key = ANY($2::text[]) AND at < $3 ORDER BY key, xid DESC, seq DESC"""


class _Described(msgspec.Struct, frozen=True):
    """An application as the journal tells of it."""

    enterprise_prefix: str | None
    app_name: str
    app_type: int
    app_intro: str
    app_users: int
    recursive_service: str
    app_developer: str


async def month_rows(
    connection: Connection, reporter: str, month: str, *, revision: int = 0
) -> Mapping[tuple[str, str], list[Row]]:
    """Return the rows of a closed month (YYYY-MM) by table and scope, T5 for the node's own, T10 for enterprises'.

    As the applications stood at the end of the month, as far as the journal still tells; rows that are not fit are left
    out (`sync.open_items`). `revision` counts corrections of a month told before. Scopes without rows are not there.
    """
    period = month_period(month)
    start, end = datetime.fromisoformat(period.start), datetime.fromisoformat(period.end)
    found: dict[tuple[str, str], list[Row]] = {}
    after = ""
    while page := await applications.page(connection, after, PAGE):
        after = page[-1].id
        active = [one for one in page if one.created_at < end and (one.ended_at is None or one.ended_at >= start)]
        for one in await _at_the_end(connection, active, end):
            table, scope = place_of(reporter, one)
            data = application_data(one, month)
            if (scope == reporter or scope.startswith(f"{reporter}.")) and not check_row(table, data):
                row = told(one.id, month_version(month, revision), min(one.updated_at, end), data_octets(data))
                found.setdefault((table, scope), []).append(row)
    return found


def place_of(reporter: str, application: Application) -> tuple[str, str]:
    """Return the table and the scope that an application is told in."""
    prefix = application.enterprise_prefix
    return ("T5", reporter) if prefix is None else ("T10", prefix)


def last_closed_month(now: datetime) -> str:
    """Return the month (YYYY-MM) before the one that runs in Beijing."""
    first: date = beijing_day(now).replace(day=1)
    return (first - timedelta(days=1)).isoformat()[:7]


async def _at_the_end(connection: Connection, active: list[Application], end: datetime) -> list[Application]:
    """Take back what was changed after the month, where the journal still holds what was before."""
    changed = {one.id: one for one in active if one.updated_at >= end}
    if not changed:
        return active
    rows = await connection.fetch(_AS_OF, KIND_APPLICATION, list(changed), end)
    described = {row["key"]: msgspec.json.decode(row["after"], type=_Described) for row in rows}
    before = {key: msgspec.structs.asdict(one) for key, one in described.items()}
    return [replace(one, **before.get(one.id, {})) for one in active]
