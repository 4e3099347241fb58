"""Reading records: one of them, or a prefix's in order; each with the values the reader may see."""

from dataclasses import replace

from identifiers.selection import publicly_readable, readable_by_administrators
from identifiers.value_json import decode_stored, values_to_json
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.service.prefixes import unknown_prefix
from registry.service.targets import active, find_target
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix


async def get(connection: Connection, principal: Principal, name: str) -> tuple[Record, Prefix]:
    """Return a record with the values the principal may read. Raises `NotFound`, and `Gone` for a withdrawn one."""
    authorise(principal, Action.READ_IDENTIFIER)
    target = await find_target(connection, name, for_registration=False)
    reach = check_reaches(principal, Action.READ_IDENTIFIER, target.prefix.enterprise)
    record = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), name)
    return _visible(record, reach), target.prefix


async def page(
    connection: Connection, principal: Principal, prefix: str, after: str, limit: int, state: str | None
) -> tuple[list[Record], bool]:
    """Return the next records of a prefix in the order of their keys, and whether more may follow.

    `state` None: withdrawn ones too, without values.
    """
    authorise(principal, Action.LIST_IDENTIFIERS)
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix(prefix)
    reach = check_reaches(principal, Action.LIST_IDENTIFIERS, found.enterprise)
    records = await identifiers.page(connection, found.id, after, limit, state)
    octets = sum(len(record.values) for record in records)
    more = len(records) == limit or octets >= identifiers.PAGE_OCTETS_MAX
    return [_visible(record, reach) for record in records], more


def _visible(record: Record, reach: Reach) -> Record:
    # Only permissions other than the default are written, and inside a JSON string this text would be escaped.
    if b'"permissions":"' not in record.values:
        return record
    readable = readable_by_administrators if reach is Reach.EVERYTHING else publicly_readable
    return replace(record, values=values_to_json(readable(decode_stored(record.values))))
