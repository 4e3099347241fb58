"""What a writer may change of a record: its enterprise everything, holders of write grants the values granted to them.

A write grant is for data: who holds it changes, adds and removes values, and leaves template, types and permissions as
the enterprise chose them. Registering and withdrawing stay with the enterprise.
"""

from collections.abc import Sequence

from identifiers.grading import apply_grades
from identifiers.value_json import decode_stored
from identifiers.values import Value
from identifiers.visibility import NOTHING_GRANTED, Granted, is_readable, keep_unreadable
from registry.authority import Action, Principal, check_reaches
from registry.database import Connection
from registry.errors import FieldError, Forbidden
from registry.service import grants
from registry.service.prefixes import check_takes_registrations
from registry.service.records import may_be_restricted, standing
from registry.tables.identifiers import Record
from registry.tables.prefixes import Prefix
from registry.tables.templates import Template

_HOW = "send these values as they are stored, or ask the enterprise for a grant that names them"


def owns(principal: Principal, prefix: Prefix) -> bool:
    """Say whether the principal's role lets it write everything below a prefix, without any grant."""
    try:
        check_reaches(principal, Action.WRITE_IDENTIFIER, prefix.enterprise)
    except Forbidden:
        return False
    return True


async def granted_on(
    connection: Connection, principal: Principal, prefix: Prefix, stored: Record | None
) -> Granted | None:
    """Return what the principal may write of a stored record, None for everything: it is of its enterprise.

    Raises `Forbidden` if nothing, also where others' records would be created, and `Conflict` if the prefix takes no
    changes.
    """
    if owns(principal, prefix):
        return None
    granted = NOTHING_GRANTED
    if stored is not None:
        granted = await grants.may_write(connection, principal, prefix, stored.key, stored.template)
    if not granted:
        check_reaches(principal, Action.WRITE_IDENTIFIER, prefix.enterprise)
    check_takes_registrations(prefix)
    return granted


async def with_unreadable(
    connection: Connection, principal: Principal, prefix: Prefix, stored: Record, sent: Sequence[Value]
) -> tuple[Value, ...]:
    """Return the values that replace a record: those sent, and those stored that the writer cannot see.

    Nobody can mean to remove what they cannot see; a value whose index is sent is replaced all the same.
    """
    if not may_be_restricted(stored.values):
        return tuple(sent)
    values = decode_stored(stored.values)
    indexes = {value.index for value in sent}
    admin, owner = standing(principal, prefix)
    if all(value.index in indexes or is_readable(value, admin=admin, owner=owner) for value in values):
        return tuple(sent)
    granted = await grants.may_read(connection, principal, prefix, stored.key, stored.template)
    return keep_unreadable(sent, values, admin=admin, owner=owner, granted=granted)


def other_template(stored: Record) -> Forbidden:
    """Make the error for a holder of a grant who names another template than the record's."""
    has = f"the template {stored.template}: name it" if stored.template is not None else "no template: leave it out"
    fault = FieldError("template", "a grant does not change the template")
    return Forbidden("not_granted", f"{stored.spelling} has {has}", remedy=_HOW, errors=(fault,))


def check_granted(granted: Granted, stored: Record, template: Template | None, values: Sequence[Value]) -> None:
    """Raise `Forbidden`, naming every field, unless a write grant covers what `values` change of a record.

    `template` is the record's: what its grades take from the permissions sent is no change.
    """
    before = {value.index: value for value in decode_stored(stored.values)}
    faults: list[FieldError] = []
    for at, value in enumerate(apply_grades(template, values)):
        if fault := _fault(granted, before.pop(value.index, None), value):
            faults.append(FieldError(f"values[{at}]", fault))
    faults += [
        FieldError("values", f"value {index} is not granted: it cannot be removed")
        for index in before
        if not granted.covers(index)
    ]
    if faults:
        raise Forbidden("not_granted", "the grant does not reach what this changes", remedy=_HOW, errors=tuple(faults))


def _fault(granted: Granted, before: Value | None, value: Value) -> str:
    if before is None:
        return "" if granted.covers(value.index) else f"value {value.index} is not granted: it cannot be added"
    if _content(before) == _content(value):
        return ""
    if not granted.covers(value.index):
        return f"value {value.index} is not granted: it cannot be changed"
    if (before.type, before.permissions) != (value.type, value.permissions):
        return f"a grant does not change the type or the permissions of value {value.index}"
    return ""


def _content(value: Value) -> tuple[object, ...]:
    """Return everything of a value but its timestamp, which is the server's."""
    ttl = value.ttl, value.ttl_absolute, value.ttl_type
    return value.type, value.data, value.permissions, *ttl, value.references
