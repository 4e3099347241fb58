"""Reading records: one of them, or a prefix's in order; each with the values the reader may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from identifiers.changes import KIND_IDENTIFIER
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import ADMIN_READ, PUBLIC_READ, SECRET_TYPE, Value, is_public
from identifiers.visibility import readable
from registry import origin
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Gone
from registry.service import grants
from registry.service.prefixes import unknown_prefix
from registry.service.targets import active, find_record
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix

_SECRET: Final = SECRET_TYPE.encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """A record with the values its reader may see. `withheld` are the indexes of the others, ascending.

    `restricted`: some value, shown or not, is not for everyone, so another reader may see another record.
    """

    record: Record
    withheld: tuple[int, ...] = ()
    restricted: bool = False


async def get(connection: Connection, principal: Principal, name: str) -> tuple[Seen, Prefix]:
    """Return a record with the values the principal may read. Raises `NotFound`, and `Gone` for a withdrawn one.

    Below a prefix that is suspended or withdrawn everything is gone, as on every face of the resolver, but for the
    enterprise and those who look after the node.
    """
    authorise(principal, Action.READ_IDENTIFIER)
    target, found = await find_record(connection, name)
    reach = check_reaches(principal, Action.READ_IDENTIFIER, target.prefix.enterprise)
    if reach is Reach.OWN_AND_PUBLIC:
        _check_goes_on(target.prefix)
    record = active(found, name)
    return (await see(connection, principal, target.prefix, [record]))[0], target.prefix


def _check_goes_on(prefix: Prefix) -> None:
    remedy = "ask the enterprise it belongs to"
    if prefix.state == "suspended":
        raise Gone("prefix_suspended", f"the prefix {prefix.prefix} is suspended", remedy=remedy)
    if prefix.state == "withdrawn":
        raise Gone("prefix_withdrawn", f"the prefix {prefix.prefix} is withdrawn for good", remedy=remedy)


async def page(
    connection: Connection, principal: Principal, prefix: str, after: str, limit: int, state: str | None
) -> tuple[list[Seen], bool]:
    """Return the next records of a prefix in the order of their keys, and whether more may follow.

    `state` None: withdrawn ones too, without values.
    """
    authorise(principal, Action.LIST_IDENTIFIERS)
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix(prefix)
    check_reaches(principal, Action.LIST_IDENTIFIERS, found.enterprise)
    records = await identifiers.page(connection, found.id, after, limit, state)
    octets = sum(len(record.values) for record in records)
    more = len(records) == limit or octets >= identifiers.PAGE_OCTETS_MAX
    return await see(connection, principal, found, records), more


async def see(connection: Connection, principal: Principal, prefix: Prefix, records: Sequence[Record]) -> list[Seen]:
    """Leave out of records of one prefix what the principal may not read. Asks the database only if that may matter.

    What others than the owning enterprise are shown although it is not public, and what only a grant opens, is noted
    for the audit log.
    """
    decoded = {record.key: decode_stored(record.values) for record in records if may_be_restricted(record.values)}
    restricted = [record for record in records if record.key in decoded and not _public(decoded[record.key])]
    if not restricted:
        return [Seen(record) for record in records]
    granted = await grants.opened(
        connection, principal, prefix, [(record.key, record.template) for record in restricted], "read"
    )
    admin, owner = standing(principal, prefix)
    seen: list[Seen] = []
    noted: list[str] = []
    for record in records:
        if record.key not in granted:
            seen.append(Seen(record))
            continue
        values = decoded[record.key]
        shown = readable(values, admin=admin, owner=owner, granted=granted[record.key])
        seen.append(_seen(record, values, shown))
        if any(is_noted(value, owner=owner) for value in shown):
            noted.append(record.spelling)
    _note(noted)
    return seen


def standing(principal: Principal, prefix: Prefix) -> tuple[bool, bool]:
    """Say whether the principal is an administrator of the node, and whether it is of the prefix's enterprise."""
    owner = principal.enterprise is not None and principal.enterprise == prefix.enterprise
    return principal.role == "administrator", owner


def may_be_restricted(values: bytes) -> bool:
    """Say whether stored values have permissions other than the default, or may be secrets, without decoding them."""
    # Only such permissions are written, and inside a JSON string this text would be escaped.
    return b'"permissions":"' in values or _SECRET in values.upper()


def _seen(record: Record, values: Sequence[Value], shown: Sequence[Value]) -> Seen:
    indexes = {value.index for value in shown}
    withheld = tuple(sorted(value.index for value in values if value.index not in indexes))
    return Seen(replace(record, values=values_to_json(shown)), withheld, restricted=True)


def _note(names: Sequence[str]) -> None:
    if names:
        several = f" to {names[-1]}, {len(names)} records" if len(names) > 1 else ""
        origin.note_restricted_read(f"{KIND_IDENTIFIER} {names[0]}{several}")


def is_noted(value: Value, *, owner: bool) -> bool:
    """Say whether showing a value goes into the audit log: it is neither public nor the reader's own business."""
    return not is_public(value) and not (owner and value.permissions & (ADMIN_READ | PUBLIC_READ))


def _public(values: Sequence[Value]) -> bool:
    return all(map(is_public, values))
