"""Registering, changing and withdrawing single identifiers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from identifiers.changes import KIND_IDENTIFIER, Cursor, Op
from identifiers.handle import check_new_handle
from identifiers.identifier import Invalid
from identifiers.value_json import decode_stored, decode_values, values_to_json
from identifiers.values import Value, ValuesError, check_values, stamped
from registry import journal
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, FieldError, InvalidFields, InvalidRequest, one_field
from registry.service import templates
from registry.service.preconditions import UNCONDITIONAL, Precondition
from registry.service.prefixes import check_takes_registrations
from registry.service.targets import Target, active, find_target
from registry.service.template_rules import template_faults
from registry.states import identifier_state, to_millisecond
from registry.tables import identifiers
from registry.tables.identifiers import Record
from registry.tables.templates import Template


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind. Without a cursor nothing changed, because it was so already."""

    record: Record
    cursor: Cursor | None

    @property
    def created(self) -> bool:
        """Whether the identifier did not exist before."""
        return self.cursor is not None and self.record.version == 1


async def put(
    connection: Connection,
    principal: Principal,
    now: datetime,
    name: str,
    *,
    values: Any,
    template: str | None = None,
    precondition: Precondition = UNCONDITIONAL,
) -> Written:
    """Create or replace a record. `values` is the decoded JSON array; a value sent unchanged keeps its timestamp."""
    target = await _writable(connection, principal, name)
    decoded = _decode(values)
    checked_by = await templates.usable(connection, principal, template) if template is not None else None
    _check_template(checked_by, decoded)
    # Most registrations are of new identifiers, so that is tried before asking: one round trip less.
    if precondition.admits_creation and (
        created := await _create(connection, principal, now, target, checked_by, decoded)
    ):
        return created
    stored = await identifiers.by_key(connection, target.prefix.id, target.identifier.key)
    if stored is not None and stored.state == "withdrawn":
        raise _withdrawn_for_good(stored)
    precondition.check(stored)
    if stored is None:
        raise ChangedMeanwhile(target.identifier.key)
    return await _replace(connection, principal, now, target, stored, checked_by, decoded)


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
    target = await _writable(connection, principal, name)
    stored = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), name)
    precondition.check(stored)
    merged = {value.index: value for value in decode_stored(stored.values)}
    unknown = [at for at, index in enumerate(remove) if index not in merged]
    if unknown:
        faults = [FieldError(f"remove[{at}]", f"the record has no value {remove[at]}") for at in unknown]
        raise InvalidFields("unknown_index", "some values to remove do not exist", errors=tuple(faults))
    for index in remove:
        merged.pop(index, None)
    merged.update((value.index, value) for value in _decode(values))
    result = sorted(merged.values(), key=lambda value: value.index)
    try:
        check_values(result)
    except ValuesError as error:
        raise one_field("bad_values", "values", error.message) from error
    checked_by = await templates.stored(connection, stored.template)
    _check_template(checked_by, result)
    return await _replace(connection, principal, now, target, stored, checked_by, result)


async def withdraw(
    connection: Connection,
    principal: Principal,
    now: datetime,
    name: str,
    *,
    successor: str | None = None,
    precondition: Precondition = UNCONDITIONAL,
) -> Written:
    """Withdraw an identifier for good; the name is never given again. `successor` is the name to use instead."""
    target = await _writable(connection, principal, name)
    if successor is not None and isinstance(invalid := check_new_handle(successor), Invalid):
        raise InvalidRequest(invalid.code, f"the successor is no identifier: {invalid.message}")
    stored = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), name)
    precondition.check(stored)
    record = replace(
        stored,
        state="withdrawn",
        values=b"[]",
        successor=successor,
        version=stored.version + 1,
        updated_at=to_millisecond(now),
    )
    return await _update(connection, principal, target, "withdraw", record)


def _decode(values: Any) -> tuple[Value, ...]:
    try:
        return decode_values(values)
    except ValuesError as error:
        raise one_field("bad_values", error.field or "values", error.message) from error


def _check_template(template: Template | None, values: Sequence[Value]) -> None:
    if template is not None and (faults := template_faults(template, values)):
        raise InvalidFields(
            "template_violated",
            f"the record does not follow the template {template.code}",
            remedy=f"repair the fields listed; GET /api/v1/templates/{template.code} shows the rules",
            errors=tuple(faults),
        )


async def _writable(connection: Connection, principal: Principal, name: str) -> Target:
    authorise(principal, Action.WRITE_IDENTIFIER)
    target = await find_target(connection, name, for_registration=True)
    check_reaches(principal, Action.WRITE_IDENTIFIER, target.prefix.enterprise)
    check_takes_registrations(target.prefix)
    return target


async def _create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    target: Target,
    template: Template | None,
    values: Sequence[Value],
) -> Written | None:
    """Create the record; None if it exists."""
    at = to_millisecond(now)
    record = Record(
        prefix_id=target.prefix.id,
        key=target.identifier.key,
        spelling=target.identifier.spelling,
        state="active",
        template_id=template.id if template else None,
        template=template.code if template else None,
        successor=None,
        values=values_to_json(stamped(values, (), int(now.timestamp()))),
        version=1,
        created_at=at,
        updated_at=at,
    )
    if not await identifiers.insert(connection, record):
        return None
    return Written(record, await _record(connection, principal, target, "create", record))


async def _replace(
    connection: Connection,
    principal: Principal,
    now: datetime,
    target: Target,
    stored: Record,
    template: Template | None,
    values: Sequence[Value],
) -> Written:
    new_values = values_to_json(stamped(values, decode_stored(stored.values), int(now.timestamp())))
    code = template.code if template else None
    if new_values == stored.values and code == stored.template:
        return Written(stored, None)
    record = replace(
        stored,
        template_id=template.id if template else None,
        template=code,
        values=new_values,
        version=stored.version + 1,
        updated_at=to_millisecond(now),
    )
    return await _update(connection, principal, target, "update", record)


async def _update(connection: Connection, principal: Principal, target: Target, op: Op, record: Record) -> Written:
    if not await identifiers.update(connection, record):
        raise ChangedMeanwhile(record.key)
    return Written(record, await _record(connection, principal, target, op, record))


async def _record(connection: Connection, principal: Principal, target: Target, op: Op, record: Record) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_IDENTIFIER,
        key=record.key,
        op=op,
        after=identifier_state(record, target.prefix.prefix),
    )


def _withdrawn_for_good(record: Record) -> Conflict:
    return Conflict(
        "identifier_withdrawn",
        f"{record.spelling} was withdrawn, and a withdrawn identifier is never given again",
        remedy="register the record under another identifier",
    )
