"""Operations on one record, in one transaction: create, delete, add, remove and modify values (Handle wire 17.3)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from identifiers.changes import Cursor
from identifiers.entity_tags import tags_shown
from identifiers.handle import fold
from identifiers.handle_changes import (
    HANDLE_ALREADY_EXISTS,
    INVALID_ADMIN,
    Plan,
    Refused,
    check_openly,
    named,
    plan,
)
from identifiers.handle_requests import ANY_TAG, Add, Create, Delete, Modify, Remove, Writing
from identifiers.value_json import decode_stored
from identifiers.values import VALUE_ALREADY_EXISTS, Reference
from registry.authority import Principal
from registry.database import Connection
from registry.errors import ChangedMeanwhile, PreconditionFailed, RegistryError
from registry.handle_admin.refusals import refused
from registry.handle_admin.rights import Deciding, is_allowed, owner
from registry.service import identifiers, record_writes, templates
from registry.service.preconditions import Precondition
from registry.service.record_writes import Change, Written
from registry.service.targets import Target, find_target
from registry.tables import identifiers as table
from registry.tables import prefixes
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix

AUTHENTICATION_NEEDED = 402
NOT_RESPONSIBLE = 301
NOT_HERE = "That prefix does not live here"


class Stale(Refused):
    """The record is not the one that the writer has seen."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a write did: the name, whether it was there, and where the journal has it (None: nothing has changed)."""

    name: str
    existed: bool
    cursor: Cursor | None


async def write(
    connection: Connection,
    user: Reference | None,
    deciding: Deciding,
    now: datetime,
    operation: Writing,
    admitted: Callable[[Principal], Awaitable[None]],
) -> Done:
    """Carry an operation out in the transaction of `connection`. Raises `Refused`, or `ChangedMeanwhile`.

    `admitted` counts it against the rate of the enterprise, once the user was found to have the right.
    """
    named(operation.name)
    if isinstance(operation, Create) and operation.mint:
        operation = minted(operation)
    try:
        prefix = await homed(connection, operation)
        target, stored = await _find(connection, operation, prefix)
        values = decode_stored(stored.values) if stored is not None and stored.state == "active" else None
        if stored is not None and stored.state == "alias" and isinstance(operation, Create):
            raise Refused(HANDLE_ALREADY_EXISTS)
        check_openly(operation, values)
        if user is None and not isinstance(operation, Modify):
            raise _needs_user()
        what = plan(operation, values)
        await _check_rights(connection, user, deciding, what)
        _check_unchanged(operation, stored)
        change = Change(owner(user, prefix), now, target)
        await admitted(change.principal)
        return await _carry_out(connection, change, operation, what, stored)
    except RegistryError as error:
        raise refused(error) from error


def minted(operation: Create) -> Create:
    """Return a create with a suffix that nobody has: a random UUID in lower case (MNS)."""
    return Create(operation.name + str(uuid4()), operation.values)


async def homed(connection: Connection, operation: Writing) -> Prefix:
    """Return the prefix of an operation's record. Raises `Refused` (301) unless it is answered for here."""
    parts = named(operation.name)
    prefix = await prefixes.by_prefix(connection, fold(parts.named_prefix or parts.prefix))
    in_force = prefix is not None and prefix.hosting == "here" and prefix.state in ("active", "withdrawing")
    # Records of prefixes that are no longer answered for can still be deleted.
    if prefix is None or not (in_force or isinstance(operation, Delete)):
        raise Refused(NOT_RESPONSIBLE, NOT_HERE)
    return prefix


async def _find(connection: Connection, operation: Writing, prefix: Prefix) -> tuple[Target, Record | None]:
    strict = isinstance(operation, Create)
    target = await find_target(connection, _full(operation.name), for_registration=strict, prefix_record=True)
    return target, await table.by_key(connection, prefix.id, target.identifier.key)


def _full(name: str) -> str:
    return name if "/" in name else f"0.NA/{name}"


async def _check_rights(connection: Connection, user: Reference | None, deciding: Deciding, what: Plan) -> None:
    if not what.anonymous:
        if user is None:
            raise _needs_user()
        if not await is_allowed(connection, user, what.needs, deciding):
            raise Refused(INVALID_ADMIN, "No such administrator, or not enough rights")
    if what.forbidden is not None:
        raise what.forbidden


def _needs_user() -> Refused:
    return Refused(AUTHENTICATION_NEEDED, "This needs an administrator")


def _check_unchanged(operation: Writing, stored: Record | None) -> None:
    """Raise `Stale` unless the record still has the entity tag that a lookup has shown, to anybody or to this user."""
    if operation.entity_tag is None:
        return
    tags: frozenset[str] = frozenset()
    if stored is not None and stored.state == "active":
        tags = tags_shown(decode_stored(stored.values), _indexes(operation)) | {ANY_TAG}
    if operation.entity_tag not in tags:
        raise Stale(VALUE_ALREADY_EXISTS, "Record changed")


def _indexes(operation: Writing) -> tuple[int, ...]:
    """Return the indexes of the single values that an operation is about."""
    if isinstance(operation, Add | Modify):
        return tuple(value.index for value in operation.values)
    return operation.indexes if isinstance(operation, Remove) else ()


async def _carry_out(
    connection: Connection, change: Change, operation: Writing, what: Plan, stored: Record | None
) -> Done:
    name = change.target.identifier.spelling
    if stored is not None and isinstance(operation, Delete):
        template = await templates.stored(connection, stored.template)
        written = await record_writes.withdraw(connection, change, stored, template, None, for_good=False)
    elif isinstance(operation, Create) and not what.existed:
        written = await identifiers.put(
            connection, change.principal, change.now, name, values=what.put, create_only=True, revive=True
        )
        if not written.created:
            raise ChangedMeanwhile(name)
    else:
        assert stored is not None  # noqa: S101 - the plan has refused what is not there
        written = await _patch(connection, change, name, what, stored)
    return Done(name, what.existed, written.cursor)


async def _patch(connection: Connection, change: Change, name: str, what: Plan, stored: Record) -> Written:
    try:
        return await identifiers.patch(
            connection,
            change.principal,
            change.now,
            name,
            values=what.put,
            remove=what.remove,
            precondition=Precondition(frozenset({stored.version})),
        )
    except PreconditionFailed as error:
        raise ChangedMeanwhile(name) from error
