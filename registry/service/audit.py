"""The audit log: entries of access, written when a request is over, and reading the whole log.

Entries of changes are written with the changes themselves: see `registry/journal.py`.
"""

import csv
import io
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import asyncpg
import msgspec

from registry.authority import Action, Principal, Reach, authorise
from registry.database import Connection, Pool, connected
from registry.errors import RegistryError
from registry.origin import OK, Origin
from registry.states import instant
from registry.tables import audit
from registry.tables.audit import Entry, Filters

NOBODYS_MAX: Final = 50
"""Entries a second of requests without an account."""
EXPORT_ROWS: Final = 2_000
"""Entries read at once for an export."""
NEWEST: Final = (datetime(9999, 1, 1, tzinfo=UTC), 2**62)
"""A position behind every entry."""
READ: Final = "read restricted values"
COLUMNS: Final = ("at", "kind", "actor", "address", "action", "object", "result", "request_id", "count")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

_log = logging.getLogger(__name__)


class ShownEntry(msgspec.Struct, frozen=True):
    """One line of the log. `actor` is null where nobody was known; a batch has one entry a chunk, with its `count`."""

    at: str
    kind: audit.EntryKind
    actor: str | None
    address: str
    action: str
    object: str
    result: str
    request_id: str
    count: int


class Recorder:
    """Writes what requests that are over leave behind beside their changes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._second = -1
        self._nobodys = 0

    async def record(self, origin: Origin, now: datetime, *, changing: bool, reachable: bool = True) -> None:
        """Write one entry for a refusal or for a change that changed nothing, and one for each restricted read.

        Where the database cannot be reached, the process's log has them instead: no request waits or fails for it.
        So it is with refusals of requests that nobody can be named for, beyond `NOBODYS_MAX` a second: else a flood
        of these would fill the database.
        """
        whole = not origin.logged and (origin.result != OK or (changing and not origin.recorded))
        if not whole and not origin.restricted_reads:
            return
        if not reachable or (origin.actor is None and not self._has_room(now)):
            _log.info("not in the audit log: %s", _as_text(origin))
            return
        try:
            async with connected(self._pool) as connection, connection.transaction():
                if whole:
                    await _insert(connection, origin, origin.action, origin.object, origin.result)
                for read in dict.fromkeys(origin.restricted_reads):
                    await _insert(connection, origin, READ, read, OK)
        except (RegistryError, asyncpg.PostgresError) as error:
            _log.warning("not in the audit log, %s: %s", error, _as_text(origin))

    def _has_room(self, now: datetime) -> bool:
        second = int(now.timestamp())
        if second != self._second:
            self._second, self._nobodys = second, 0
        self._nobodys += 1
        return self._nobodys <= NOBODYS_MAX


def _as_text(origin: Origin) -> str:
    return (
        f"actor={origin.actor} address={origin.address} action={origin.action!r} object={origin.object!r} "
        f"result={origin.result} request={origin.request_id}"
    )


async def page(
    connection: Connection, principal: Principal, filters: Filters, before: tuple[datetime, int], limit: int
) -> list[Entry]:
    """Return the next older entries the principal may see: all, or what accounts of its enterprise did."""
    return await audit.page(connection, _reaching(principal, filters), before, limit)


async def export(
    pool: Pool, principal: Principal, filters: Filters, before: tuple[datetime, int]
) -> AsyncIterator[list[Entry]]:
    """Give all entries the principal may see before a position, newest first, a bounded number at a time."""
    filters = _reaching(principal, filters)
    while True:
        async with connected(pool) as connection:
            entries = await audit.page(connection, filters, before, EXPORT_ROWS)
        if entries:
            yield entries
        if len(entries) < EXPORT_ROWS:
            return
        before = position(entries[-1])


def position(entry: Entry) -> tuple[datetime, int]:
    """Return the place of an entry in the log."""
    return entry.at, entry.id


def shown(entry: Entry) -> ShownEntry:
    """Show an entry as the API and an export do."""
    return ShownEntry(
        at=instant(entry.at),
        kind=entry.kind,
        actor=entry.actor,
        address=entry.address,
        action=entry.action,
        object=entry.object,
        result=entry.result,
        request_id=entry.request_id,
        count=entry.count,
    )


def as_ndjson(entries: list[Entry]) -> bytes:
    """Write entries as lines of JSON."""
    return b"".join(msgspec.json.encode(shown(entry)) + b"\n" for entry in entries)


def as_csv(entries: list[Entry], *, header: bool) -> bytes:
    """Write entries as CSV; no cell is one that a spreadsheet would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if header:
        writer.writerow(COLUMNS)
    for entry in map(shown, entries):
        writer.writerow([_cell(getattr(entry, column)) for column in COLUMNS])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULA) else text


def _reaching(principal: Principal, filters: Filters) -> Filters:
    if authorise(principal, Action.READ_AUDIT) is Reach.EVERYTHING:
        return filters
    # An id no enterprise has leaves nothing.
    return replace(filters, enterprise=principal.enterprise or "")


async def _insert(connection: Connection, origin: Origin, action: str, object_: str, result: str) -> None:
    await audit.insert_access(
        connection,
        actor=origin.actor,
        address=origin.address,
        action=action,
        object_=object_,
        result=result,
        request_id=origin.request_id,
    )
