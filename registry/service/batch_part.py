"""What one transaction of a batch stores: rows of one prefix, each identifier once, and the answers to them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from identifiers.changes import KIND_IDENTIFIER, Cursor
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value, stamped
from registry.database import Connection
from registry.errors import ChangedMeanwhile
from registry.service import indexed_values, quotas
from registry.service.batch_answers import Answers, Rejection, Status
from registry.service.batch_rows import Row
from registry.service.indexed_values import NOTHING_INDEXED, Indexed, Shift, Taken, Unreachable, index_values
from registry.states import created_states, identifier_state
from registry.tables import identifiers
from registry.tables.bulk import IdentifierRows, JournalRows
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template


class RowsRefused(Exception):  # noqa: N818 - names what happened to them
    """Some rows cannot be stored for what is stored or what they refer to; the others may be, without them."""

    def __init__(self, taken: Sequence[Taken], unreachable: Sequence[Unreachable]) -> None:
        super().__init__(f"{len(taken)} rows with values that others have, {len(unreachable)} with bad references")
        self.taken = {one.key: one for one in taken}
        self.unreachable = {one.key: one for one in unreachable}


class _Kind:
    """The new records that follow one template."""

    def __init__(self, prefix: Prefix, template: Template | None, now: datetime) -> None:
        self.rows = IdentifierRows(prefix.id, template.id if template else None, now)
        self.state = created_states(prefix.prefix, template.code if template else None, now)


class Part:
    """Collects rows by what becomes of them. The answers count once `store` and the commit behind it are done."""

    def __init__(self, prefix: Prefix, actor: str, now: datetime) -> None:
        self.prefix = prefix
        self.answers = Answers()
        self.templates: dict[str, Template | None] = {}
        """The templates of stored records that some row changes, by their codes."""
        self._now = now
        self._new: dict[int, _Kind] = {}
        self._created: list[Row] = []
        self._changed: list[Record] = []
        self._journal = JournalRows(actor, KIND_IDENTIFIER)
        self._shifts: list[Shift] = []
        self._octets = 0
        self._count = 0

    def create(self, row: Row) -> None:
        """Add a new record."""
        template = row.template
        kind = self._new.get(template.id if template else 0)
        if kind is None:
            kind = self._new[template.id if template else 0] = _Kind(self.prefix, template, self._now)
        key = row.key.encode()
        kind.rows.add(key, row.spelling.encode(), row.values)
        self._journal.add(b"create", key, kind.state(row.shown, row.values))
        self._octets += len(row.values)
        self._count += 1
        self._created.append(row)
        if row.indexed:
            self._shifts.append(Shift(row.key, NOTHING_INDEXED, row.indexed))
        self.answers.give(row.line, row.shown, "created")

    def replace(self, row: Row, stored: Record, values: Sequence[Value]) -> None:
        """Put values in place of those stored; one that stays the same keeps its timestamp.

        `values` are the row's, with what stays of the stored ones. If they are all the same, nothing changes.
        """
        previous = decode_stored(stored.values)
        kept = stamped(values, previous, int(self._now.timestamp()))
        new_values = values_to_json(kept)
        if new_values == stored.values and stored.template == (row.template.code if row.template else None):
            self.leave(row, "unchanged")
            return
        self._change(row, stored, new_values, b"update", "replaced")
        before = index_values(self._template_of(row, stored), previous)
        self._shift(row.key, before, index_values(row.template, kept))

    def revive(self, row: Row, stored: Record) -> None:
        """Register a withdrawn identifier again; its versions go on."""
        self._count += 1
        self._change(row, stored, row.values, b"create", "created")
        self._shift(row.key, NOTHING_INDEXED, row.indexed)

    def withdraw(self, row: Row, stored: Record) -> None:
        """Leave a tombstone."""
        template = self.templates.get(stored.template or "")
        self._count -= 1
        record = replace(
            stored, state="withdrawn", values=b"[]", version=stored.version + 1, successor=None, updated_at=self._now
        )
        self._add_changed(record, stored, b"withdraw")
        self._shift(row.key, index_values(template, decode_stored(stored.values)), NOTHING_INDEXED)
        self.answers.give(row.line, row.shown, "withdrawn")

    def leave(self, row: Row, status: Status) -> None:
        """Change nothing, and say so."""
        self.answers.give(row.line, row.shown, status)

    def reject(self, row: Row, code: str, message: str, field: str = "identifier") -> None:
        """Change nothing, and say why."""
        self.answers.reject(Rejection(row.line, row.spelling, code, field, message))

    def reject_violation(self, row: Row) -> None:
        """Reject a row for what its template has against it."""
        reasons = "; ".join(f"{fault.field}: {fault.message}" for fault in row.faults)
        self.reject(row, "template_violated", reasons, row.faults[0].field)

    async def store(self, connection: Connection) -> None:
        """Write the new and the changed records, what they lead to, and their journal rows.

        Raises `ChangedMeanwhile` or asyncpg's UniqueViolationError when another writer was faster, `RowsRefused` for
        rows that must be left out, `Conflict` or `TooManyRequests` when the enterprise's quota has no room.
        """
        if not self._created and not self._changed:
            return
        await quotas.take(connection, self.prefix.enterprise, self._now, identifiers=self._count, octets=self._octets)
        wanted = [(shift.key, shift.after) for shift in self._shifts]
        together = [(row.key, row.template.code if row.template else None) for row in self._created]
        together += [(record.key, record.template) for record in self._changed if record.state == "active"]
        named, unreachable = await indexed_values.check_references(connection, wanted, together)
        if unreachable:
            raise RowsRefused((), unreachable)
        for kind in self._new.values():
            await kind.rows.write(connection)
        if self._changed and not await identifiers.update_many(connection, self._changed):
            raise ChangedMeanwhile(self.prefix.prefix)
        if self._shifts:
            taken = await indexed_values.store(connection, self.prefix.id, self._shifts, named)
            if taken:
                raise RowsRefused(taken, ())
        self.answers.cursor = Cursor(*await self._journal.write(connection))

    def _change(self, row: Row, stored: Record, values: bytes, op: bytes, status: Status) -> None:
        record = replace(
            stored,
            state="active",
            successor=None,
            template_id=row.template.id if row.template else None,
            template=row.template.code if row.template else None,
            values=values,
            version=stored.version + 1,
            updated_at=self._now,
        )
        self._add_changed(record, stored, op)
        self.answers.give(row.line, row.shown, status)

    def _add_changed(self, record: Record, stored: Record, op: bytes) -> None:
        self._changed.append(record)
        self._octets += len(record.values) - len(stored.values)
        self._journal.add(op, record.key.encode(), identifier_state(record, self.prefix.prefix))

    def _shift(self, key: str, before: Indexed, after: Indexed) -> None:
        if before or after:
            self._shifts.append(Shift(key, before, after))

    def _template_of(self, row: Row, stored: Record) -> Template | None:
        if row.template is not None and row.template.code == stored.template:
            return row.template
        return self.templates.get(stored.template or "")
