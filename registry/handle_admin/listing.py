"""Pages of names: below a prefix, prefixes below one, and those that are answered for here (Handle wire 18.1)."""

from collections.abc import Sequence
from typing import NamedTuple

from identifiers.handle_changes import INVALID_ADMIN, Refused, named_prefix, needs_without_record, record_of
from identifiers.handle_requests import (
    NAMES_PER_PAGE_MAX,
    PAGE_OCTETS_MAX,
    ListDerived,
    ListHandles,
    ListHomed,
    Listing,
)
from identifiers.values import Reference
from registry.database import Connection
from registry.handle_admin.rights import Deciding, is_allowed
from registry.handle_admin.writes import NOT_HERE, NOT_RESPONSIBLE
from registry.tables import handle_lists, prefixes


class Page(NamedTuple):
    """Names, where the next page begins (None: that was all), and how many there are in all if that was asked."""

    names: list[str]
    next: str | None
    total: int | None


async def page(connection: Connection, user: Reference, deciding: Deciding, operation: Listing) -> Page:
    """Return one page. Raises `Refused`."""
    await _check(connection, user, deciding, operation)
    limit = max(0, min(operation.limit, NAMES_PER_PAGE_MAX))
    offset = max(0, operation.offset)
    if isinstance(operation, ListHandles):
        prefix = await prefixes.by_prefix(connection, named_prefix(operation.prefix))
        assert prefix is not None  # noqa: S101 - checked above, and prefixes are never deleted
        rows = await handle_lists.handles(connection, prefix.id, operation.after, offset, limit)
        total = await handle_lists.count_handles(connection, prefix.id) if operation.count else None
    else:
        above = None if isinstance(operation, ListHomed) else named_prefix(operation.prefix)
        found = await handle_lists.prefixes(connection, above, operation.after, offset, limit)
        rows = [(prefix, record_of(prefix)) for prefix, _ in found]
        total = await handle_lists.count_prefixes(connection, above) if operation.count else None
    return _cut(rows, limit, total)


async def _check(connection: Connection, user: Reference, deciding: Deciding, operation: Listing) -> None:
    if isinstance(operation, ListHandles | ListDerived):
        prefix = await prefixes.by_prefix(connection, named_prefix(operation.prefix))
        if prefix is None or prefix.hosting != "here" or prefix.state not in ("active", "withdrawing"):
            raise Refused(NOT_RESPONSIBLE, NOT_HERE)
    if not await is_allowed(connection, user, needs_without_record(operation), deciding):
        raise Refused(INVALID_ADMIN, "No such administrator, or not enough rights")


def _cut(rows: Sequence[tuple[str, str]], limit: int, total: int | None) -> Page:
    """Cut a page to its length in octets; at least one name stays."""
    names: list[str] = []
    octets = 0
    for key, name in rows:
        names.append(name)
        octets += len(name.encode())
        if octets >= PAGE_OCTETS_MAX:
            return Page(names, key, total)
    more = bool(rows) and len(rows) == limit
    return Page(names, rows[-1][0] if more else None, total)
