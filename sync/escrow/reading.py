"""What a deposit holds, read from one snapshot: the report tables of a prefix, then the registry's own tables.

A FULL deposit has everything. A DIFF has what differs from the last deposit: of identifiers and their other names what
the journal tells of since then, of everything else the rows whose digest is another one.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from identifiers.changes import KIND_IDENTIFIER, KIND_TEMPLATE, START, Change, Cursor
from registry import states
from registry.snapshot import Snapshot
from registry.tables import identifiers, templates
from registry.tables.identifiers import Record
from sync import registered_things
from sync.batch import Row
from sync.database import Connection
from sync.escrow import stock, told
from sync.escrow.changed import Changed, changed
from sync.escrow.private_reading import PrivateReading
from sync.escrow.private_tables import NODE
from sync.escrow.shape import Entry, Kind
from sync.escrow.stock import NodeRow
from sync.escrow.told import Memory, Told, digest_of
from sync.registered_things import OPERATOR, RESOLUTION, Things
from sync.state_rows import Wanted, data_octets
from sync.tables.t9 import T9
from sync.tables.table import Draft, Operation
from sync.templates import Templates

PAGE: Final = 1_000
_STATE_TABLES: Final = {
    "T1": OPERATOR,
    "T2": RESOLUTION,
    "T6": "enterprise",
    "T7": "prefix",
    "T4": "template",
    "T11": "template",
}
"""The tables before T9 in the order of a deposit, and the kind of thing each is made of."""
_PREFIXES: Final = """
SELECT id, prefix FROM prefixes WHERE (prefix = $1 OR starts_with(prefix, $1 || '.')) AND prefix > $2
ORDER BY prefix LIMIT $3"""


class Base(NamedTuple):
    """The deposit that a DIFF goes on from."""

    deposit_id: str
    watermark: datetime
    cursor: Cursor


class Reading:
    """Reads one deposit's entries. `memory` writes on another connection than the snapshot's."""

    def __init__(
        self,
        connection: Connection,
        snapshot: Snapshot,
        memory: Memory,
        prefix: str,
        base: Base | None,
        default_template: str | None,
    ) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._memory = memory
        self._prefix = prefix
        self._base = base
        self._t9 = T9(prefix, default_template)
        self._private = PrivateReading(connection, memory, prefix, base.cursor if base else None)

    @property
    def kind(self) -> Kind:
        """Which kind of deposit this is."""
        return "DIFF" if self._base else "FULL"

    async def entries(self) -> AsyncIterator[Entry]:
        """Yield every entry in the order of a deposit."""
        for table, kind in _STATE_TABLES.items():
            async for entry in self._states(table, kind):
                yield entry
        async for entry in self._identifiers():
            yield entry
        async for entry in self._private.entries():
            yield entry
        yield await self._node()
        await self._memory.flush()

    async def _states(self, table: str, kind: str) -> AsyncIterator[Entry]:
        things = Things(self._connection, self._prefix, self._snapshot.taken_at)
        async for page in registered_things.everything(self._connection):
            ours = [thing for thing in page if thing.partition(" ")[0] == kind]
            if not ours:
                continue
            before = await told.of_things(self._connection, self._prefix, table, ours)
            wanted = [(thing, row) for thing in ours for row in await things.rows(thing, ()) if row.table == table]
            for entry in await self._compared(table, wanted, before):
                yield entry

    async def _compared(self, table: str, wanted: Sequence[tuple[str, Wanted]], before: dict[str, Told]) -> list[Entry]:
        found: list[Entry] = []
        for thing, row in wanted:
            if row.problems():
                continue
            known = before.pop(row.key, None)
            data = data_octets(row.data)
            digest = digest_of(data)
            same = known is not None and known.digest == digest
            ver = (known.ver if known else 0) + (not same)
            if not same:
                await self._memory.note(table, Told(row.key, thing, ver, digest))
            if not same or self._base is None:
                found.append(Entry(table, row.key, ver, data))
        for gone in before.values():
            if gone.digest is not None:
                await self._memory.note(table, gone._replace(ver=gone.ver + 1, digest=None))
                if self._base is not None:
                    found.append(Entry(table, gone.key, gone.ver + 1, None))
        return found

    async def _identifiers(self) -> AsyncIterator[Entry]:
        known = await self._templates()
        pages = self._all() if self._base is None else self._changed(self._base.cursor)
        async for prefix, records in pages:
            for entry in await self._t9_entries(prefix, records, known):
                yield entry

    async def _all(self) -> AsyncIterator[tuple[str, list[Record]]]:
        after = ""
        while found := await self._connection.fetch(_PREFIXES, self._prefix, after, PAGE):
            after = found[-1]["prefix"]
            for row in found:
                key = ""
                while page := await identifiers.page(self._connection, row["id"], key, PAGE, "active"):
                    key = page[-1].key
                    yield row["prefix"], page

    async def _changed(self, since: Cursor) -> AsyncIterator[tuple[str, list[Record]]]:
        below = f"{self._prefix}."
        page: list[Changed] = []
        async for one in changed(self._connection, since):
            if not one.record or (one.prefix != self._prefix and not one.prefix.startswith(below)):
                continue
            if page and (one.prefix_id != page[0].prefix_id or len(page) == PAGE):
                yield await self._records(page)
                page = []
            page.append(one)
        if page:
            yield await self._records(page)

    async def _records(self, page: Sequence[Changed]) -> tuple[str, list[Record]]:
        found = await identifiers.by_keys(self._connection, page[0].prefix_id, [one.key for one in page])
        return page[0].prefix, [record for record in found.values() if record.state in ("active", "withdrawn")]

    async def _t9_entries(self, prefix: str, records: Iterable[Record], known: Templates) -> list[Entry]:
        changes = [
            Change(*START, one.updated_at, KIND_IDENTIFIER, one.key, "update", states.identifier_state(one, prefix))
            for one in records
        ]
        found: list[Entry] = []
        created = {one.spelling: one.created_at for one in records}
        for reported in await self._t9.read(changes, known, self._connection):
            if reported.op == "withdraw":
                found.append(Entry("T9", reported.key, reported.ver, None))
            elif reported.problem is None:
                operation = Operation.ADD
                if self._base is not None and created[reported.key] <= self._base.watermark:
                    operation = Operation.MODIFY
                found.append(_upserted(self._t9.row(Draft(operation, reported))))
        return found

    async def _templates(self) -> Templates:
        known, after = Templates(), ""
        while page := await templates.page(self._connection, after, PAGE):
            after = page[-1].code
            for one in page:
                at = self._snapshot.taken_at
                known.learn(Change(*START, at, KIND_TEMPLATE, one.code, "update", states.template_state(one)))
        return known

    async def _node(self) -> Entry:
        cursor = self._snapshot.cursor
        row = NodeRow(
            epoch=self._snapshot.epoch,
            xid=cursor.xid,
            seq=cursor.seq,
            schema=await stock.release(self._connection),
            stock=await stock.take(self._connection, with_digests=self._base is None),
        )
        return Entry(NODE, "[]", 1, msgspec.json.encode(row))


def _upserted(row: Row) -> Entry:
    assert isinstance(row.data, msgspec.Raw)  # noqa: S101 - only deletions of other tables have none
    return Entry("T9", row.key, row.ver, bytes(row.data))
