"""Registering, changing and withdrawing single identifiers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from identifiers.handle import check_new_handle
from identifiers.identifier import Invalid
from identifiers.value_json import decode_stored, decode_values
from identifiers.values import Value, ValuesError, check_values
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, FieldError, Forbidden, InvalidFields, InvalidRequest, one_field
from registry.service import indexed_values, quotas, record_writes, templates, write_access
from registry.service.preconditions import UNCONDITIONAL, Precondition
from registry.service.prefixes import check_takes_registrations
from registry.service.record_writes import Change, Written
from registry.service.sent_places import placed_as_sent
from registry.service.targets import Target, active, find_target, name_is_alias
from registry.service.template_rules import ITEM_INDEX_MIN, template_faults
from registry.tables import identifiers
from registry.tables.identifiers import Record
from registry.tables.templates import Template

__all__ = [
    "Written",
    "may_be_revived",
    "patch",
    "put",
    "violates",
    "with_system_values",
    "withdraw",
    "withdrawn_for_good",
]

_PREFIX_KEEPERS: Final = ("administrator", "enterprise_administrator")
"""Roles that may write the record of a prefix."""


async def put(
    connection: Connection,
    principal: Principal,
    now: datetime,
    name: str,
    *,
    values: Any,
    template: str | None = None,
    precondition: Precondition = UNCONDITIONAL,
    create_only: bool = False,
    must_exist: bool = False,
    revive: bool = False,
    merge_template: bool = False,
) -> Written:
    """Create or replace a record; the same registration again changes nothing and is success.

    `values` is the decoded JSON array, or a tuple of values; one sent unchanged keeps its timestamp. `create_only`
    refuses to replace another record, `must_exist` to create one. `revive` gives a withdrawn identifier back to the
    enterprise that may write it, unless its tombstone is for good or names a successor. `merge_template` replaces what
    is the template's business and keeps stored values below index 2000 that are not sent.
    """
    target = await _target(connection, principal, name)
    decoded = _decode(values)
    if not write_access.owns(principal, target.prefix):
        return await _put_granted(connection, principal, now, target, template, values, precondition)
    change = Change(principal, now, target)
    checked_by = await _usable(connection, principal, target, template)
    violated = _faults(checked_by, decoded)
    # Most registrations are of new identifiers, so that is tried before asking: one round trip less. Not where they
    # are counted: nobody is to be refused for lack of room who needs none.
    tries = not violated and precondition.admits_creation and not must_exist
    if tries and not (await quotas.limits(connection, target.prefix.enterprise, now)).counted:
        with placed_as_sent(values, decoded):
            created = await record_writes.create(connection, change, checked_by, decoded)
        if created is not None:
            return created
    stored = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    if must_exist:
        active(stored, name)
    if stored is not None:
        _check_may_replace(stored, revive=revive or target.is_prefix_record)
    if stored is None:
        with placed_as_sent(values, decoded):
            await _check_template(connection, target, checked_by, decoded, ())
            precondition.check(stored)
            created = await record_writes.create(connection, change, checked_by, decoded)
        if created is None:
            raise ChangedMeanwhile(target.identifier.key)
        return created
    precondition.check(stored)
    merged = await write_access.with_unreadable(connection, principal, target.prefix, stored, decoded)
    if merge_template:
        merged = with_system_values(merged, decode_stored(stored.values))
    _check_together(merged)
    with placed_as_sent(values, merged):
        await _check_template(connection, target, checked_by, merged, decode_stored(stored.values))
        before = await _template_of(connection, stored, checked_by)
        return await record_writes.put_in_place(
            connection, change, stored, (before, checked_by), merged, replaces=not create_only
        )


async def patch(
    connection: Connection,
    principal: Principal,
    now: datetime,
    name: str,
    *,
    values: Any,
    remove: Sequence[int],
    precondition: Precondition = UNCONDITIONAL,
) -> Written:
    """Add or replace the values given, by their index, and remove others. The record's template still holds."""
    target = await _target(connection, principal, name)
    found = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    granted = await write_access.granted_on(connection, principal, target.prefix, found)
    stored = active(found, name)
    precondition.check(stored)
    merged = {value.index: value for value in decode_stored(stored.values)}
    unknown = [at for at, index in enumerate(remove) if index not in merged]
    if unknown:
        faults = [FieldError(f"remove[{at}]", f"the record has no value {remove[at]}") for at in unknown]
        raise InvalidFields(
            "unknown_index",
            "some values to remove do not exist",
            remedy="read the record again and leave out what it does not have",
            errors=tuple(faults),
        )
    for index in remove:
        merged.pop(index, None)
    merged.update((value.index, value) for value in _decode(values))
    result = sorted(merged.values(), key=lambda value: value.index)
    _check_together(result)
    checked_by = await templates.stored(connection, stored.template)
    with placed_as_sent(values, result):
        await _check_template(connection, target, checked_by, result, decode_stored(stored.values))
        if granted is not None:
            write_access.check_granted(granted, stored, checked_by, result)
        change = Change(principal, now, target)
        return await record_writes.put_in_place(connection, change, stored, (checked_by, checked_by), result)


async def withdraw(
    connection: Connection,
    principal: Principal,
    now: datetime,
    name: str,
    *,
    successor: str | None = None,
    for_good: bool = True,
    precondition: Precondition = UNCONDITIONAL,
) -> Written:
    """Withdraw an identifier; `successor` is the name to use instead.

    `for_good`: the name is never given again. Else SNMS and the Handle protocol may, where there is no successor. The
    record of a prefix itself may always be written again.
    """
    target = await _target(connection, principal, name)
    check_reaches(principal, Action.WRITE_IDENTIFIER, target.prefix.enterprise)
    if successor is not None:
        _check_successor(successor, target)
    stored = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), name)
    precondition.check(stored)
    template = await templates.stored(connection, stored.template)
    change = Change(principal, now, target)
    final = for_good and not target.is_prefix_record
    return await record_writes.withdraw(connection, change, stored, template, successor, for_good=final)


def withdrawn_for_good(stored: Record) -> Conflict:
    """Make the error for a registration under a name that was withdrawn."""
    return Conflict(
        "identifier_withdrawn",
        f"{stored.spelling} was withdrawn, and a withdrawn identifier is never given again",
        remedy="register the record under another identifier",
    )


def may_be_revived(tombstone: Record) -> bool:
    """Whether SNMS and the Handle protocol, whose deletions are not for good, may register the name again.

    Not where it was withdrawn for good, nor where the tombstone says what to use instead: printed codes lead there.
    """
    return tombstone.successor is None and not tombstone.for_good


def with_system_values(values: Sequence[Value], stored: Sequence[Value]) -> tuple[Value, ...]:
    """Return values with those stored that no template's item could be and that are not among them."""
    sent = {value.index for value in values}
    kept = [value for value in stored if value.index < ITEM_INDEX_MIN and value.index not in sent]
    return tuple(sorted([*values, *kept], key=lambda value: value.index)) if kept else tuple(values)


async def _put_granted(
    connection: Connection,
    principal: Principal,
    now: datetime,
    target: Target,
    template: str | None,
    values: Any,
    precondition: Precondition,
) -> Written:
    """Replace what write grants open of another enterprise's record."""
    found = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    granted = await write_access.granted_on(connection, principal, target.prefix, found)
    stored = active(found, target.identifier.spelling)
    precondition.check(stored)
    if template != stored.template:
        raise write_access.other_template(stored)
    merged = await write_access.with_unreadable(connection, principal, target.prefix, stored, _decode(values))
    _check_together(merged)
    checked_by = await templates.stored(connection, stored.template)
    with placed_as_sent(values, merged):
        await _check_template(connection, target, checked_by, merged, decode_stored(stored.values))
        if granted is not None:
            write_access.check_granted(granted, stored, checked_by, merged)
        change = Change(principal, now, target)
        return await record_writes.put_in_place(connection, change, stored, (checked_by, checked_by), merged)


def _check_together(values: Sequence[Value]) -> None:
    try:
        check_values(values)
    except ValuesError as error:
        raise one_field("bad_values", "values", error.message) from error


def _check_successor(successor: str, target: Target) -> None:
    found = check_new_handle(successor, exact_case=target.prefix.exact_case)
    if isinstance(found, Invalid):
        message = f"the successor is no identifier: {found.message}"
        raise InvalidRequest(found.code, message, remedy="correct the parameter successor")
    if found.key == target.identifier.key:
        raise InvalidRequest(
            "bad_successor", "an identifier cannot be its own successor", remedy="name another one, or none"
        )


def _check_may_replace(stored: Record, *, revive: bool) -> None:
    if stored.state == "alias":
        raise name_is_alias(stored)
    if stored.state == "withdrawn" and not (revive and may_be_revived(stored)):
        raise withdrawn_for_good(stored)


async def _usable(connection: Connection, principal: Principal, target: Target, code: str | None) -> Template | None:
    if code is None:
        return None
    return await templates.usable(connection, principal, code, owner=target.prefix.enterprise)


async def _template_of(connection: Connection, stored: Record, other: Template | None) -> Template | None:
    """Return the template of a stored record, without asking again for one at hand."""
    if other is not None and other.code == stored.template:
        return other
    return await templates.stored(connection, stored.template)


def _decode(values: Any) -> tuple[Value, ...]:
    try:
        if isinstance(values, tuple):
            check_values(values)
            return tuple(sorted(values, key=lambda value: value.index))
        return decode_values(values)
    except ValuesError as error:
        raise one_field("bad_values", error.field or "values", error.message) from error


async def _check_template(
    connection: Connection,
    target: Target,
    template: Template | None,
    values: Sequence[Value],
    before: Sequence[Value],
) -> None:
    """Raise `InvalidFields` with all that is wrong by the template, what others have and what is referred to included.

    Values that follow the template are left to be stored, which finds that out too.
    """
    faults = _faults(template, values, before)
    if template is not None and faults:
        key, prefix_id = target.identifier.key, target.prefix.id
        raise violates(
            template, [*faults, *await indexed_values.other_faults(connection, prefix_id, key, template, values)]
        )


def _faults(template: Template | None, values: Sequence[Value], before: Sequence[Value] = ()) -> list[FieldError]:
    return template_faults(template, values, before=before) if template is not None else []


def violates(template: Template, faults: Sequence[FieldError]) -> InvalidFields:
    """Make the error for values that break the rules of a template."""
    return InvalidFields(
        "template_violated",
        f"the record does not follow the template {template.code}",
        remedy=f"repair the fields listed; GET /api/v1/templates/{template.code} shows the rules",
        errors=tuple(faults),
    )


async def _target(connection: Connection, principal: Principal, name: str) -> Target:
    """Find what is to be written. What others than its enterprise may change of it, `write_access` says."""
    authorise(principal, Action.WRITE_IDENTIFIER)
    target = await find_target(connection, name, for_registration=True, prefix_record=True)
    if target.is_prefix_record and principal.role not in _PREFIX_KEEPERS:
        raise Forbidden(
            "role_not_allowed",
            "the record of a prefix names who administers it",
            remedy="ask an administrator, or one of the enterprise",
        )
    if write_access.owns(principal, target.prefix):
        check_takes_registrations(target.prefix)
    return target
