"""What one transaction of a batch stores: rows of one prefix, each identifier once, and the answers to them."""

from dataclasses import replace
from datetime import datetime

from identifiers.changes import KIND_IDENTIFIER, Cursor
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import stamped
from registry.database import Connection
from registry.errors import ChangedMeanwhile
from registry.service.batch_answers import Answers, Rejection, Status
from registry.service.batch_rows import Row
from registry.states import created_states, identifier_state
from registry.tables import identifiers
from registry.tables.bulk import IdentifierRows, JournalRows
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template


class Part:
    """Collects rows by what becomes of them. The answers count once `store` and the commit behind it are done."""

    def __init__(self, prefix: Prefix, template: Template | None, actor: str, now: datetime) -> None:
        self.prefix = prefix
        self.answers = Answers()
        self._template_id = template.id if template else None
        self._template = template.code if template else None
        self._now = now
        self._created_state = created_states(prefix.prefix, self._template, now)
        self._new = IdentifierRows(prefix.id, self._template_id, now)
        self._replaced: list[Record] = []
        self._journal = JournalRows(actor, KIND_IDENTIFIER)

    def create(self, row: Row) -> None:
        """Add a new record."""
        key = row.key.encode()
        self._new.add(key, row.spelling.encode(), row.values)
        self._journal.add(b"create", key, self._created_state(row.shown, row.values))
        self.answers.give(row.line, row.shown, "created")

    def replace(self, row: Row, stored: Record) -> None:
        """Put a row's values in place of those stored; a value that stays the same keeps its timestamp."""
        values = stamped(decode_stored(row.values), decode_stored(stored.values), int(self._now.timestamp()))
        record = replace(
            stored,
            template_id=self._template_id,
            template=self._template,
            values=values_to_json(values),
            version=stored.version + 1,
            updated_at=self._now,
        )
        self._replaced.append(record)
        self._journal.add(b"update", row.key.encode(), identifier_state(record, self.prefix.prefix))
        self.answers.give(row.line, row.shown, "replaced")

    def leave(self, row: Row, status: Status) -> None:
        """Change nothing, and say so."""
        self.answers.give(row.line, row.shown, status)

    def reject(self, row: Row, code: str, message: str) -> None:
        """Change nothing, and say why."""
        self.answers.reject(Rejection(row.line, row.spelling, code, "identifier", message))

    async def store(self, connection: Connection) -> None:
        """Write the new and the replaced records and their journal rows.

        Raises `ChangedMeanwhile` or asyncpg's UniqueViolationError when another writer was faster.
        """
        creates = self.answers.counts["created"] > 0
        if creates:
            await self._new.write(connection)
        if self._replaced and not await identifiers.update_many(connection, self._replaced):
            raise ChangedMeanwhile(self.prefix.prefix)
        if creates or self._replaced:
            self.answers.cursor = Cursor(*await self._journal.write(connection))
