"""Storing one record: quota, references, unique values, the row, and its journal entry, all in one transaction.

Who may write and whether the values follow the template was settled before; here is what every way of writing a single
record has in common. Batches do the same for many in `batch_part`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from identifiers.changes import KIND_IDENTIFIER, Cursor, Op
from identifiers.grading import apply_grades
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value, stamped
from registry import journal, origin
from registry.authority import Principal
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, FieldError, InvalidFields
from registry.service import indexed_values, quotas
from registry.service.indexed_values import NOTHING_INDEXED, Indexed, Shift, index_values
from registry.service.targets import Target
from registry.states import identifier_state, to_millisecond
from registry.tables import identifiers
from registry.tables.identifiers import Record, Registration
from registry.tables.references import ReferenceRow
from registry.tables.templates import Template


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind. Without a cursor nothing changed, because it was so already.

    `created`: the identifier was not registered before, or is revived.
    """

    record: Record
    cursor: Cursor | None
    created: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes what, when."""

    principal: Principal
    now: datetime
    target: Target

    @property
    def at(self) -> datetime:
        """The instant as it is stored."""
        return to_millisecond(self.now)

    def new_record(self, template: Template | None, values: Sequence[Value]) -> Record:
        """Make the record of version 1, its values graded and stamped."""
        graded = apply_grades(template, values)
        return Record(
            prefix_id=self.target.prefix.id,
            key=self.target.identifier.key,
            spelling=self.target.identifier.spelling,
            state="active",
            template_id=template.id if template else None,
            template=template.code if template else None,
            successor=None,
            values=values_to_json(stamped(graded, (), int(self.now.timestamp()))),
            version=1,
            created_at=self.at,
            updated_at=self.at,
        )


async def create(
    connection: Connection, change: Change, template: Template | None, values: Sequence[Value]
) -> Written | None:
    """Add a record; None if the name is taken. Raises `Conflict` or `InvalidFields` for values that cannot be."""
    record = change.new_record(template, values)
    prefix = change.target.prefix
    await quotas.take(connection, prefix.enterprise, change.now, identifiers=1, octets=len(record.values))
    after = index_values(template, apply_grades(template, values))
    named = await _checked_references(connection, change, after, values)
    here = origin.current()
    registration = Registration(record, change.principal.account, identifier_state(record, prefix.prefix), here)
    cursor = (await identifiers.register(connection, [registration])).get(record.key)
    if cursor is None:
        await quotas.take(connection, prefix.enterprise, change.now, identifiers=-1, octets=-len(record.values))
        return None
    here.recorded += 1
    origin.note_registered(prefix.prefix)
    await _shift(connection, change, Shift(record.key, NOTHING_INDEXED, after), named, values)
    return Written(record, cursor, created=True)


async def put_in_place(
    connection: Connection,
    change: Change,
    stored: Record,
    templates: tuple[Template | None, Template | None],
    values: Sequence[Value],
    *,
    replaces: bool = True,
) -> Written:
    """Put values in place of those stored, or of a tombstone. `templates`: the stored record's and the new one's.

    A value that stays the same keeps its timestamp; if all do, nothing changes. Without `replaces` nothing else may be
    meant: raises `Conflict` for a record that is registered otherwise.
    """
    before_template, template = templates
    previous = decode_stored(stored.values)
    stamped_values = stamped(apply_grades(template, values), previous, int(change.now.timestamp()))
    new_values = values_to_json(stamped_values)
    code = template.code if template else None
    revived = stored.state != "active"
    if new_values == stored.values and code == stored.template and not revived:
        return Written(stored, None)
    if not (replaces or revived):
        raise already_registered(stored)
    record = replace(
        stored,
        state="active",
        successor=None,
        for_good=False,
        template_id=template.id if template else None,
        template=code,
        values=new_values,
        version=stored.version + 1,
        updated_at=change.at,
    )
    octets = len(new_values) - len(stored.values)
    await quotas.take(connection, change.target.prefix.enterprise, change.now, identifiers=int(revived), octets=octets)
    after = index_values(template, stamped_values)
    named = await _checked_references(connection, change, after, values)
    cursor = await _update(connection, change, "create" if revived else "update", record)
    origin.note_registered(change.target.prefix.prefix)
    before = NOTHING_INDEXED if revived else index_values(before_template, previous)
    await _shift(connection, change, Shift(record.key, before, after), named, values)
    return Written(record, cursor, created=revived)


async def withdraw(
    connection: Connection,
    change: Change,
    stored: Record,
    template: Template | None,
    successor: str | None,
    *,
    for_good: bool,
) -> Written:
    """Leave a tombstone. `template` is that of the stored record, whose unique values become free."""
    record = replace(
        stored,
        state="withdrawn",
        values=b"[]",
        successor=successor,
        for_good=for_good,
        version=stored.version + 1,
        updated_at=change.at,
    )
    octets = len(record.values) - len(stored.values)
    await quotas.take(connection, change.target.prefix.enterprise, change.now, identifiers=-1, octets=octets)
    cursor = await _update(connection, change, "withdraw", record)
    before = index_values(template, decode_stored(stored.values))
    await _shift(connection, change, Shift(record.key, before, NOTHING_INDEXED), {}, ())
    return Written(record, cursor)


async def _update(connection: Connection, change: Change, op: Op, record: Record) -> Cursor:
    if not await identifiers.update(connection, record):
        raise ChangedMeanwhile(record.key)
    return await journal.append(
        connection,
        actor=change.principal.account,
        kind=KIND_IDENTIFIER,
        key=record.key,
        op=op,
        after=identifier_state(record, change.target.prefix.prefix),
    )


async def _checked_references(
    connection: Connection, change: Change, after: Indexed, values: Sequence[Value]
) -> dict[str, list[ReferenceRow]]:
    if not after.references:
        return {}
    key = change.target.identifier.key
    named, unreachable = await indexed_values.check_references(connection, [(key, after)])
    if unreachable:
        taken = await indexed_values.held_by_others(connection, change.target.prefix.id, key, after)
        faults = [indexed_values.reference_fault(values, one) for one in unreachable]
        raise bad_references([*faults, *(indexed_values.taken_fault(values, one) for one in taken)])
    return named


async def _shift(
    connection: Connection,
    change: Change,
    shift: Shift,
    named: dict[str, list[ReferenceRow]],
    values: Sequence[Value],
) -> None:
    if not (shift.before or shift.after):
        return
    taken = await indexed_values.store(connection, change.target.prefix.id, [shift], named)
    if taken:
        raise value_taken([indexed_values.taken_fault(values, one) for one in taken])


def already_registered(stored: Record) -> Conflict:
    """Make the error for a registration of what is registered otherwise."""
    return Conflict(
        "identifier_exists",
        f"{stored.spelling} exists with other values, as version {stored.version}",
        remedy="change the record instead, or register another identifier",
    )


def value_taken(faults: Sequence[FieldError]) -> Conflict:
    """Make the error for values that other records have and that must be unique."""
    return Conflict(
        "unique_value_taken",
        "another record of the template has a value that must be unique",
        remedy="correct the fields listed, or change the other record first",
        errors=tuple(faults),
    )


def bad_references(faults: Sequence[FieldError]) -> InvalidFields:
    """Make the error for references to what is not registered, or not of the right template."""
    return InvalidFields(
        "bad_reference",
        "the record refers to identifiers that cannot be referred to",
        remedy="correct the fields listed, or register what they name first",
        errors=tuple(faults),
    )
