"""From the name in a request to the prefix it lies below and the record it stands for."""

from dataclasses import dataclass
from typing import Final

from identifiers.handle import check_new_handle, fold, parse_handle
from identifiers.identifier import HandleParts, Identifier, Invalid
from registry.database import Connection
from registry.errors import Conflict, FieldError, Gone, InvalidRequest, NotFound
from registry.service.prefixes import unknown_prefix
from registry.tables import identifiers, prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix

_PREFIX_RECORD: Final = "0.NA/"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request points: a name below a prefix that exists, or the prefix itself as a record (`0.NA/88.118.8`)."""

    prefix: Prefix
    identifier: Identifier

    @property
    def is_prefix_record(self) -> bool:
        """Whether the name is that of the prefix itself."""
        parts = self.identifier.parts
        return isinstance(parts, HandleParts) and parts.named_prefix is not None


async def find_target(
    connection: Connection, name: str, *, for_registration: bool, prefix_record: bool = False
) -> Target:
    """Parse a name and find its prefix: strictly for a registration, as RFC 3651 allows for a look-up.

    A registration may name a prefix's own record only where `prefix_record` says so.
    """
    parse = check_new_handle if for_registration else parse_handle
    if prefix_record and fold(name[: len(_PREFIX_RECORD)]) == _PREFIX_RECORD:
        parse = parse_handle
    found = parse(name)
    if isinstance(found, Invalid):
        remedy = f"write {found.suggestion}" if found.suggestion else "correct the identifier in the path"
        raise InvalidRequest(
            found.code, found.message, remedy=remedy, errors=(FieldError("identifier", found.message),)
        )
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parsers make nothing else
    below = found.parts.named_prefix or found.parts.prefix
    prefix = await prefixes.by_prefix(connection, below)
    if prefix is None:
        raise unknown_prefix(below)
    if prefix.exact_case:
        found = parse(name, exact_case=True)
        assert isinstance(found, Identifier)  # noqa: S101 - the same text parsed a moment ago
    return Target(prefix, found)


async def find_record(connection: Connection, name: str) -> tuple[Target, Record | None]:
    """Find what a look-up of a name finds: under an alias the record it leads to, with that one's prefix."""
    target = await find_target(connection, name, for_registration=False)
    record = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    if record is not None and record.state == "alias" and record.successor is not None:
        target = await find_target(connection, record.successor, for_registration=False)
        record = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    return target, record


def active(record: Record | None, name: str) -> Record:
    """Return the record unless there is none (`NotFound`), it is withdrawn (`Gone`) or an alias (`Conflict`)."""
    if record is None:
        raise unknown_identifier(name)
    if record.state == "withdrawn":
        instead = f"use {record.successor}" if record.successor else "there is no successor"
        raise Gone("identifier_withdrawn", f"{record.spelling} is withdrawn for good", remedy=instead)
    if record.state == "alias":
        raise name_is_alias(record)
    return record


def unknown_identifier(name: str) -> NotFound:
    """Make the error for an identifier that is not registered."""
    return NotFound("unknown_identifier", f"{name} is not registered", remedy="register it with PUT")


def name_is_alias(record: Record) -> Conflict:
    """Make the error for a change of a record under another name of it."""
    return Conflict(
        "identifier_is_alias",
        f"{record.spelling} is another name of {record.successor}",
        remedy=f"change {record.successor}, or the alias itself under /api/v1/aliases",
    )
