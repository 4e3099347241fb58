"""Regrading: the stored values of a template's item get the permissions that the item's new grade allows.

Records are gone through twice, prefix by prefix in the order of their keys: what a writer stored meanwhile that had
read the template before its change is found the second time. A value that was written after the change is only
narrowed: its permissions are its writer's choice.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from identifiers.changes import KIND_IDENTIFIER
from identifiers.grading import regraded
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import Value
from registry.database import Connection
from registry.errors import ChangedMeanwhile
from registry.service.indexed_values import index_values
from registry.service.item_changes import ITEMS_MAX
from registry.states import identifier_state, to_millisecond
from registry.tables import identifiers, prefixes, references, search_values, templates
from registry.tables.bulk import JournalRows
from registry.tables.identifiers import Record
from registry.tables.jobs import Job
from registry.tables.prefixes import Prefix
from registry.tables.references import Place
from registry.tables.search_values import SearchRow
from registry.tables.templates import Template

PASSES: Final = 2
ROWS_AT_ONCE: Final = 500
PREFIXES_AT_ONCE: Final = 100
REFERENCES_MAX: Final = ITEMS_MAX
"""References of one record: as many as a template has items."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far the records have been gone through: in this pass, to this key below this prefix, or to its end."""

    passed: int = 0
    prefix: str = ""
    key: str = ""
    at_end: bool = True


class Regraded(NamedTuple):
    """What a step did: where the next one goes on (None: nowhere), and how many records it changed and looked at."""

    position: Position | None
    changed: int
    seen: int


async def regrade_some(connection: Connection, job: Job, now: datetime) -> Regraded:
    """Give some records their permissions, in the caller's transaction. Raises `ChangedMeanwhile`, to be repeated."""
    position = msgspec.json.decode(job.place, type=Position) if job.place else Position()
    template = await templates.by_code(connection, str(job.options["template"]))
    assert template is not None  # noqa: S101 - templates are never deleted, and this one had the job made
    for _ in range(PREFIXES_AT_ONCE):
        prefix = await _prefix(connection, position)
        if prefix is None:
            position = Position(position.passed + 1)
            return Regraded(position if position.passed < PASSES else None, 0, 0)
        after = "" if position.at_end else position.key
        keys = await identifiers.of_template(connection, template.id, prefix.id, after, ROWS_AT_ONCE)
        if keys:
            changed = await _regrade(connection, job, template, prefix, keys, to_millisecond(now))
            return Regraded(Position(position.passed, prefix.prefix, keys[-1], at_end=False), changed, len(keys))
        position = Position(position.passed, prefix.prefix)
    return Regraded(position, 0, 0)


async def _prefix(connection: Connection, position: Position) -> Prefix | None:
    if not position.at_end:
        return await prefixes.by_prefix(connection, position.prefix)
    following = await prefixes.page(connection, position.prefix, 1)
    return following[0] if following else None


async def _regrade(
    connection: Connection, job: Job, template: Template, prefix: Prefix, keys: Sequence[str], now: datetime
) -> int:
    """Change those of the records that have something to change, and return how many."""
    index = int(job.options["index"])
    changed: list[Record] = []
    found_by: tuple[list[SearchRow], list[SearchRow]] = [], []
    for record in (await identifiers.by_keys(connection, prefix.id, keys)).values():
        if record.state == "active" and record.template_id == template.id:
            values = _regraded_values(job, decode_stored(record.values), index)
            if values is not None:
                # Nobody wrote the values anew: they keep their timestamps, which the next regrading goes by.
                stored = values_to_json(values)
                changed.append(replace(record, values=stored, version=record.version + 1, updated_at=now))
                for rows_of, ones in zip(found_by, (decode_stored(record.values), values), strict=True):
                    rows_of += [SearchRow(*one, record.key) for one in index_values(template, ones).search]
    if not changed:
        return 0
    if not await identifiers.update_many(connection, changed):
        raise ChangedMeanwhile(prefix.prefix)
    rows = JournalRows(job.account, KIND_IDENTIFIER)
    for record in changed:
        rows.add(b"update", record.key.encode(), identifier_state(record, prefix.prefix))
    await rows.write(connection)
    if any(item.index == index and item.data_type == "reference" for item in template.items):
        await _regrade_references(connection, prefix, changed, index)
    await _regrade_search(connection, prefix, *found_by)
    return len(changed)


def _regraded_values(job: Job, values: Sequence[Value], index: int) -> tuple[Value, ...] | None:
    """Return a record's values with the item's new permissions; None if it has them."""
    before, after = int(job.options["before"]), int(job.options["after"])
    changed_at = int(job.created_at.timestamp())
    found = tuple(
        regraded(value, before=before if value.timestamp < changed_at else after, after=after)
        if value.index == index
        else value
        for value in values
    )
    return None if found == tuple(values) else found


async def _regrade_search(
    connection: Connection, prefix: Prefix, before: Sequence[SearchRow], after: Sequence[SearchRow]
) -> None:
    """Let values be found that only a grant opened, and no longer those that only a grant opens now."""
    gone, new = list(set(before) - set(after)), list(set(after) - set(before))
    if gone:
        await search_values.remove(connection, prefix.id, gone)
    if new:
        await search_values.add(connection, prefix.id, new)


async def _regrade_references(connection: Connection, prefix: Prefix, records: Sequence[Record], index: int) -> None:
    permissions = {
        record.key: value.permissions
        for record in records
        for value in decode_stored(record.values)
        if value.index == index
    }
    places = [Place(prefix.id, record.key) for record in records]
    stored = await references.of_records(connection, places, len(places) * REFERENCES_MAX)
    rows = [row._replace(permissions=permissions[row.key]) for row in stored if row.item_index == index]
    if rows:
        await references.put(connection, prefix.id, rows)
