"""From the name in a request to the prefix it lies below and the record it stands for."""

from dataclasses import dataclass

from identifiers.handle import check_new_handle, parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid
from registry.database import Connection
from registry.errors import FieldError, Gone, InvalidRequest, NotFound
from registry.service.prefixes import unknown_prefix
from registry.tables import prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request points: a name below a prefix that exists."""

    prefix: Prefix
    identifier: Identifier


async def find_target(connection: Connection, name: str, *, for_registration: bool) -> Target:
    """Parse a name and find its prefix: strictly for a registration, as RFC 3651 allows for a look-up."""
    parse = check_new_handle if for_registration else parse_handle
    found = parse(name)
    if isinstance(found, Invalid):
        remedy = f"write {found.suggestion}" if found.suggestion else "correct the identifier in the path"
        raise InvalidRequest(
            found.code, found.message, remedy=remedy, errors=(FieldError("identifier", found.message),)
        )
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parsers make nothing else
    prefix = await prefixes.by_prefix(connection, found.parts.prefix)
    if prefix is None:
        raise unknown_prefix(found.parts.prefix)
    if prefix.exact_case:
        found = parse(name, exact_case=True)
        assert isinstance(found, Identifier)  # noqa: S101 - the same text parsed a moment ago
    return Target(prefix, found)


def active(record: Record | None, name: str) -> Record:
    """Return the record unless there is none (`NotFound`) or it is withdrawn (`Gone`)."""
    if record is None:
        raise NotFound("unknown_identifier", f"{name} is not registered", remedy="register it with PUT")
    if record.state == "withdrawn":
        instead = f"use {record.successor}" if record.successor else "there is no successor"
        raise Gone("identifier_withdrawn", f"{record.spelling} is withdrawn for good", remedy=instead)
    return record
