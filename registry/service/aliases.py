"""Aliases: further codes of a record, and codes it had before they were corrected.

An alias is a name like any other: nothing can be registered under it, and it never leads to another alias. Below a
Handle prefix the prefix's enterprise sets it; names of other schemes an administrator, who has seen the proof that the
code is the enterprise's. Taken away, it leaves a tombstone that says where it led, and may be set again.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_ALIAS, AliasKind, Cursor, Op
from identifiers.identifier import Identifier, Invalid
from identifiers.parse import parse
from registry import journal
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, FieldError, Forbidden, InvalidRequest, NotFound
from registry.service.prefixes import check_takes_registrations
from registry.service.targets import active, find_record, find_target
from registry.states import alias_state, to_millisecond
from registry.tables import aliases, identifiers
from registry.tables.aliases import FOREIGN_PREFIX_ID, Alias
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix

ALIASES_MAX: Final = 1_000
"""Most aliases of one record."""


async def put(
    connection: Connection, principal: Principal, now: datetime, name: str, *, identifier: str, kind: AliasKind
) -> tuple[Alias, Cursor | None]:
    """Let a name lead to a record; no change if it does already, as the same kind.

    The name may be new, an alias, or that of a withdrawn identifier. Raises `Conflict` for a registered one, for a
    target that is an alias itself, and for the name's own record.
    """
    prefix, found = await _writable(connection, principal, name)
    target = await find_target(connection, identifier, for_registration=False)
    check_reaches(principal, Action.WRITE_IDENTIFIER, target.prefix.enterprise)
    record = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), identifier)
    prefix_id = prefix.id if prefix else FOREIGN_PREFIX_ID
    stored = await identifiers.by_key(connection, prefix_id, found.key)
    if stored is not None and stored.state == "active":
        raise Conflict(
            "identifier_exists",
            f"{stored.spelling} is registered itself",
            remedy="withdraw it first, or choose another name",
        )
    if await aliases.count(connection, record.prefix_id, record.key, ALIASES_MAX) >= ALIASES_MAX:
        raise Conflict(
            "too_many_aliases",
            f"{record.spelling} has {ALIASES_MAX:,} aliases already",
            remedy="take some away first",
        )
    before = await aliases.by_key(connection, prefix_id, found.key)
    if before is not None and (before.kind, before.target_key) == (kind, record.key):
        return before, None
    if before is None and await aliases.count(connection, prefix_id, found.key, 1):
        raise Conflict(
            "alias_has_aliases", f"other aliases lead to {name}", remedy="let them lead to the record itself first"
        )
    version = 1 if stored is None else stored.version + 1
    at = to_millisecond(now)
    alias = Alias(
        prefix_id,
        found.key,
        found.spelling if stored is None else stored.spelling,
        kind,
        record.prefix_id,
        record.key,
        record.spelling,
        version,
        at if stored is None else stored.created_at,
        at,
    )
    await _reserve(connection, alias, stored)
    await aliases.put(connection, alias)
    return alias, await _record(connection, principal, "create" if before is None else "update", alias, prefix)


async def remove(connection: Connection, principal: Principal, now: datetime, name: str) -> tuple[Alias, Cursor]:
    """Let an alias lead nowhere. What it led to stays on record as its successor."""
    prefix, found = await _writable(connection, principal, name)
    prefix_id = prefix.id if prefix else FOREIGN_PREFIX_ID
    alias = await aliases.by_key(connection, prefix_id, found.key)
    stored = await identifiers.by_key(connection, prefix_id, found.key)
    if alias is None or stored is None:
        raise _unknown_alias(name)
    removed = replace(alias, version=alias.version + 1, updated_at=to_millisecond(now))
    tombstone = replace(stored, state="withdrawn", version=removed.version, updated_at=removed.updated_at)
    if not await identifiers.update(connection, tombstone):
        raise ChangedMeanwhile(alias.key)
    await aliases.delete(connection, prefix_id, found.key)
    return removed, await _record(connection, principal, "withdraw", removed, prefix)


async def get(connection: Connection, principal: Principal, name: str) -> Alias:
    """Return an alias. Raises `NotFound` for a name that is none."""
    authorise(principal, Action.READ_IDENTIFIER)
    found = _parsed(name)
    prefix = await _prefix_of(connection, found, name)
    alias = await aliases.by_key(connection, prefix.id if prefix else FOREIGN_PREFIX_ID, found.key)
    if alias is None:
        raise _unknown_alias(name)
    return alias


async def page(connection: Connection, principal: Principal, identifier: str, after: str, limit: int) -> list[Alias]:
    """Return the next aliases of a record in the order of their keys."""
    authorise(principal, Action.READ_IDENTIFIER)
    target, record = await find_record(connection, identifier)
    check_reaches(principal, Action.READ_IDENTIFIER, target.prefix.enterprise)
    if record is None:
        active(record, identifier)
    return await aliases.of_target(connection, target.prefix.id, target.identifier.key, after, limit)


async def _writable(connection: Connection, principal: Principal, name: str) -> tuple[Prefix | None, Identifier]:
    """Find the name of an alias and the prefix it lies below, which the principal may write; None: another scheme."""
    authorise(principal, Action.WRITE_IDENTIFIER)
    found = _parsed(name)
    if found.scheme != "hdl":
        if principal.role != "administrator":
            raise Forbidden(
                "foreign_code",
                f"{name} is a code of another scheme, and whose it is has to be proved",
                remedy="ask an administrator of the node to set the alias",
            )
        return None, found
    target = await find_target(connection, name, for_registration=True)
    check_reaches(principal, Action.WRITE_IDENTIFIER, target.prefix.enterprise)
    check_takes_registrations(target.prefix)
    return target.prefix, target.identifier


async def _prefix_of(connection: Connection, found: Identifier, name: str) -> Prefix | None:
    if found.scheme != "hdl":
        return None
    return (await find_target(connection, name, for_registration=False)).prefix


def _parsed(name: str) -> Identifier:
    found = parse(name)
    if isinstance(found, Invalid):
        remedy = f"write {found.suggestion}" if found.suggestion else "correct the alias in the path"
        fault = FieldError("alias", found.message)
        raise InvalidRequest(found.code, found.message, remedy=remedy, errors=(fault,))
    return found


async def _reserve(connection: Connection, alias: Alias, stored: Record | None) -> None:
    """Take the name among the identifiers, where nothing else can be registered under it then."""
    row = Record(
        prefix_id=alias.prefix_id,
        key=alias.key,
        spelling=alias.spelling,
        state="alias",
        template_id=None,
        template=None,
        successor=alias.target,
        values=b"[]",
        version=alias.version,
        created_at=alias.created_at,
        updated_at=alias.updated_at,
        for_good=stored is not None and stored.for_good,
    )
    written = await (identifiers.insert(connection, row) if stored is None else identifiers.update(connection, row))
    if not written:
        raise ChangedMeanwhile(alias.key)


async def _record(connection: Connection, principal: Principal, op: Op, alias: Alias, prefix: Prefix | None) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_ALIAS,
        key=alias.key,
        op=op,
        after=alias_state(alias, prefix.prefix if prefix else "", "withdrawn" if op == "withdraw" else "active"),
    )


def _unknown_alias(name: str) -> NotFound:
    return NotFound("unknown_alias", f"{name} is no alias", remedy="check the spelling")
