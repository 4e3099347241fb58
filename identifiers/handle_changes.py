"""What an administrative operation makes of a record, and what it takes: the order of checks of Handle wire 17.3.

Pure. A worker asks before it lets anyone prove anything, the registry asks again in the transaction that changes the
record. `check_openly` is what anyone is told; `plan` is for users who have proved who they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from identifiers import hs_admin
from identifiers.handle import fold, parse_handle
from identifiers.handle_requests import (
    Add,
    Create,
    Delete,
    Home,
    ListDerived,
    ListHandles,
    Modify,
    Operation,
    Remove,
    Unhome,
    Writing,
)
from identifiers.handle_rights import EVERY_USER, PREFIXES, SERVICE_ONLY, Alternative, Need, Needs
from identifiers.identifier import HandleParts, Invalid
from identifiers.predefined import check_data
from identifiers.values import (
    ADMIN_WRITE,
    INDEX_MAX,
    INVALID_VALUE,
    PUBLIC_WRITE,
    VALUE_ALREADY_EXISTS,
    Value,
    ValuesError,
    check_values,
)

HANDLE_NOT_FOUND: Final = 100
HANDLE_ALREADY_EXISTS: Final = 101
INVALID_HANDLE: Final = 102
VALUES_NOT_FOUND: Final = 200
INVALID_ADMIN: Final = 400
INSUFFICIENT_PERMISSIONS: Final = 401

_NOT_HERE: Final = "No such record"


class Refused(Exception):  # noqa: N818 - an answer, not a defect
    """The operation ends with a Handle response code and a text for people."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation takes and does.

    `needs`: the rights, any one alternative. `put` and `remove`: the change, by index. `forbidden`: why it is refused
    all the same once the rights are there. `anonymous`: nobody need say who they are.
    """

    needs: Needs
    put: tuple[Value, ...] = ()
    remove: tuple[int, ...] = ()
    forbidden: Refused | None = None
    anonymous: bool = False
    existed: bool = False


def named(name: str) -> HandleParts:
    """Return prefix and suffix of a name; a bare prefix is `0.NA/<prefix>`. Raises `Refused` (102)."""
    found = parse_handle(name)
    if isinstance(found, Invalid):
        raise Refused(INVALID_HANDLE, found.message)
    assert isinstance(found.parts, HandleParts)  # noqa: S101 - the Handle parser makes nothing else
    return found.parts


def named_prefix(text: str) -> str:
    """Return the prefix that a bare or a full name of one means, in capitals. Raises `Refused` (102)."""
    prefix = named(text).named_prefix
    if prefix is None or "/" in prefix or isinstance(parse_handle(prefix), Invalid):
        raise Refused(INVALID_HANDLE, "This is not the name of a prefix")
    return fold(prefix)


def record_of(prefix: str) -> str:
    """Return the name of a prefix's own record."""
    return PREFIXES + prefix


def parent_of(prefix: str) -> str | None:
    """Return the prefix above one; None for one segment."""
    return prefix.rpartition(".")[0] or None


def check_openly(operation: Writing, stored: Sequence[Value] | None) -> None:
    """Raise `Refused` for what needs no user to be refused. `stored`: the record's values, None without a record."""
    match operation:
        case Create():
            _check_sent(operation.values)
            if stored is not None and not operation.overwrite and not operation.mint:
                raise Refused(HANDLE_ALREADY_EXISTS)
        case Add():
            if not operation.values:
                raise Refused(INVALID_VALUE, "There is no value to add")
            _check_sent(operation.values)
        case Modify():
            _check_modifiable(operation, stored)
            _check_sent(operation.values)
        case Delete() | Remove():
            pass


def plan(operation: Writing, stored: Sequence[Value] | None) -> Plan:
    """Return what a writing operation takes and does. Raises `Refused`; `check_openly` has passed."""
    if isinstance(operation, Create):
        return _plan_create(operation, stored)
    if stored is None:
        raise Refused(HANDLE_NOT_FOUND)
    match operation:
        case Delete():
            return _plan_delete(operation, stored)
        case Add():
            return _plan_add(operation, stored)
        case Remove():
            return _plan_remove(operation, stored)
        case Modify():
            return _plan_modify(operation, stored)


def needs_without_record(operation: Operation) -> Needs:
    """Return the rights for an operation that is not about the values of one record."""
    match operation:
        case ListHandles():
            return ((Need(record_of(named_prefix(operation.prefix)), hs_admin.LIST_HANDLES),),)
        case ListDerived():
            name = record_of(named_prefix(operation.prefix))
            return (Need(name, hs_admin.LIST_PREFIXES),), (Need(name, hs_admin.LIST_HANDLES),)
        case Home() | Unhome():
            named_prefix(operation.prefix)
    return SERVICE_ONLY


def _plan_create(operation: Create, stored: Sequence[Value] | None) -> Plan:
    creating = _creating(operation.name)
    if stored is None or operation.mint:
        return Plan(needs=creating, put=operation.values)
    if not operation.overwrite:
        raise Refused(HANDLE_ALREADY_EXISTS)
    before = {value.index: value for value in stored}
    remove = tuple(sorted(before.keys() - {value.index for value in operation.values}))
    changed = [value for value in operation.values if not _same(before.get(value.index), value)]
    bits = _bits(changed, before, remove)
    name = operation.name
    whole = tuple((Need(name, hs_admin.DELETE_HANDLE), *alternative) for alternative in creating)
    needs = ((Need(name, bits),), (Need(name, hs_admin.ADD_ADMIN),), *whole) if bits else EVERY_USER
    touched = {value.index for value in changed} | set(remove)
    frozen = _immutable(before[index] for index in before if index in touched)
    return Plan(needs, operation.values, remove, frozen, existed=True)


def _plan_delete(operation: Delete, stored: Sequence[Value]) -> Plan:
    needs: Needs = ((Need(operation.name, hs_admin.DELETE_HANDLE),),)
    prefix = named(operation.name).named_prefix
    if prefix is not None and (parent := parent_of(fold(prefix))) is not None:
        needs += ((Need(record_of(parent), hs_admin.DELETE_PREFIX),),)
    return Plan(needs, forbidden=_immutable(stored), existed=True)


def _plan_add(operation: Add, stored: Sequence[Value]) -> Plan:
    before = {value.index: value for value in stored}
    there = [value.index for value in operation.values if value.index in before]
    if there and not operation.overwrite:
        raise Refused(VALUE_ALREADY_EXISTS, f"Index {there[0]} is there already")
    changed = [value for value in operation.values if not _same(before.get(value.index), value)]
    frozen = _immutable(before[value.index] for value in changed if value.index in before)
    return Plan(_on(operation.name, _bits(changed, before)), operation.values, forbidden=frozen, existed=bool(there))


def _plan_remove(operation: Remove, stored: Sequence[Value]) -> Plan:
    before = {value.index: value for value in stored}
    indexes = tuple(dict.fromkeys(operation.indexes))
    if missing := [index for index in indexes if index not in before]:
        raise Refused(VALUES_NOT_FOUND, f"There is no value {missing[0]}")
    frozen = _immutable(before[index] for index in indexes)
    return Plan(_on(operation.name, _bits((), before, indexes)), (), indexes, frozen, existed=True)


def _plan_modify(operation: Modify, stored: Sequence[Value]) -> Plan:
    before = {value.index: value for value in stored}
    if all(_is_anonymous(before.get(value.index), value) for value in operation.values):
        return Plan(EVERY_USER, operation.values, anonymous=True, existed=True)
    bits = _bits(operation.values, before)
    there = any(value.index in before for value in operation.values)
    return Plan(_on(operation.name, bits), operation.values, existed=there)


def _creating(name: str) -> Needs:
    """Return the rights to create a name: on its prefix's record, or for a prefix on the record of the one above."""
    parts = named(name)
    if parts.named_prefix is None:
        return ((Need(record_of(fold(parts.prefix)), hs_admin.ADD_HANDLE),),)
    parent = parent_of(fold(parts.named_prefix))
    return SERVICE_ONLY if parent is None else ((Need(record_of(parent), hs_admin.ADD_PREFIX),),)


def _on(name: str, bits: int) -> tuple[Alternative, ...]:
    return ((Need(name, bits),),) if bits else EVERY_USER


def _bits(put: Iterable[Value], before: dict[int, Value], remove: Iterable[int] = ()) -> int:
    """Return the rights that putting and removing values takes together (17.2)."""
    bits = 0
    for value in put:
        old = before.get(value.index)
        if old is None:
            bits |= hs_admin.ADD_ADMIN if _is_admin(value) else hs_admin.ADD_VALUE
        elif _is_admin(old) and _is_admin(value):
            bits |= hs_admin.MODIFY_ADMIN
        else:
            bits |= hs_admin.MODIFY_VALUE
            bits |= hs_admin.ADD_ADMIN if _is_admin(value) else 0
            bits |= hs_admin.REMOVE_ADMIN if _is_admin(old) else 0
    for index in remove:
        bits |= hs_admin.REMOVE_ADMIN if _is_admin(before[index]) else hs_admin.REMOVE_VALUE
    return bits


def _check_modifiable(operation: Modify, stored: Sequence[Value] | None) -> None:
    if stored is None:
        raise Refused(HANDLE_NOT_FOUND)
    before = {value.index: value for value in stored}
    for value in operation.values:
        if value.index not in before and not operation.overwrite:
            raise Refused(VALUES_NOT_FOUND, f"There is no value {value.index}")
    frozen = _immutable(before[value.index] for value in operation.values if value.index in before)
    if frozen is not None:
        raise frozen


def _check_sent(values: Sequence[Value]) -> None:
    """Raise `Refused` unless the values may be stored: indexes first, then doubles, then types and data."""
    for value in values:
        if not 1 <= value.index <= INDEX_MAX:
            raise Refused(INVALID_VALUE, f"Index {value.index} is not 1 to {INDEX_MAX}")
    try:
        check_values(values)
        for value in values:
            check_data(value.type, value.data, f"value {value.index}")
    except ValuesError as error:
        code = VALUE_ALREADY_EXISTS if error.code == VALUE_ALREADY_EXISTS else INVALID_VALUE
        raise Refused(code, error.message) from error


def _immutable(values: Iterable[Value]) -> Refused | None:
    for value in values:
        if not value.permissions & (ADMIN_WRITE | PUBLIC_WRITE):
            return Refused(INSUFFICIENT_PERMISSIONS, f"Value {value.index} may not be changed")
    return None


def _is_anonymous(before: Value | None, value: Value) -> bool:
    """Say whether anyone may put a value in place of one: public write, and only its data differs."""
    if before is None or not before.permissions & PUBLIC_WRITE or _is_admin(before) or _is_admin(value):
        return False
    kept = (before.type, before.permissions, before.ttl, before.ttl_absolute)
    return kept == (value.type, value.permissions, value.ttl, value.ttl_absolute)


def _is_admin(value: Value) -> bool:
    return fold(value.type) == "HS_ADMIN"


def _same(before: Value | None, value: Value) -> bool:
    """Say whether a value is there already, but for its timestamp, which is the server's."""
    return before is not None and msgspec.structs.replace(value, timestamp=before.timestamp) == before
