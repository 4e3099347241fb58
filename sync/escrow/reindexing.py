"""After a restoration: what values lead to (unique values, references, texts to search for) is made of them anew."""

from collections.abc import Sequence
from typing import Final

from identifiers.value_json import decode_stored
from registry.service.indexed_values import (
    NOTHING_INDEXED,
    Indexed,
    Shift,
    check_references,
    index_values,
    needs_indexing,
    store,
)
from registry.tables import identifiers, prefixes, templates
from registry.tables.identifiers import Record
from registry.tables.templates import Template
from sync.database import Connection

PAGE: Final = 500


async def index_again(connection: Connection) -> None:
    """Go through the records of every template whose items lead to anything; others cost nothing."""
    after = ""
    while page := await templates.page(connection, after, PAGE):
        after = page[-1].code
        for template in page:
            if needs_indexing(template):
                await _template(connection, template)


async def _template(connection: Connection, template: Template) -> None:
    after = ""
    while page := await prefixes.page(connection, after, PAGE):
        after = page[-1].prefix
        for prefix in page:
            key = ""
            while keys := await identifiers.of_template(connection, template.id, prefix.id, key, PAGE):
                key = keys[-1]
                left: Sequence[str] = keys
                while left and (records := await identifiers.in_order(connection, prefix.id, left)):
                    await _records(connection, template, prefix.id, records)
                    left = left[len(records) :]


async def _records(connection: Connection, template: Template, prefix_id: int, records: Sequence[Record]) -> None:
    found = [(one.key, index_values(template, decode_stored(one.values))) for one in records]
    named, _ = await check_references(connection, found)
    shifts = [Shift(key, NOTHING_INDEXED, indexed) for key, indexed in found if indexed]
    if not shifts or not (taken := await store(connection, prefix_id, shifts, named)):
        return
    # Values that were there before their item became unique may stand twice: the first record has them.
    given_up = {(one.key, one.item_index) for one in taken}
    for shift in shifts:
        await store(connection, prefix_id, [_without(shift, given_up)], named)


def _without(shift: Shift, given_up: set[tuple[str, int]]) -> Shift:
    after = shift.after
    unique = frozenset(one for one in after.unique if (shift.key, one[0]) not in given_up)
    return shift._replace(after=Indexed(after.template_id, unique, after.search, after.references))
