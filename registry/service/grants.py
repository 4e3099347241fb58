"""Grants: who may read or write values that the permissions of the values keep from them.

A grant names a subject (an account, a group or an enterprise), an object (an identifier, or a template and with it
every record that follows it) and a right. It opens records of one enterprise only, whose administrators gave it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_GRANT, Cursor, ObjectKind, Op, Right, SubjectKind, grant_key
from identifiers.values import INDEX_MAX, VALUES_PER_RECORD_MAX
from identifiers.visibility import NOTHING_GRANTED, Granted, granted_by
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.ids import new_id
from registry.service import templates
from registry.service.targets import active, find_target
from registry.states import grant_state, to_millisecond
from registry.tables import enterprises, grants, identifiers
from registry.tables.grants import Filter, Grant
from registry.tables.prefixes import Prefix

GRANTS_PER_PAIR_MAX: Final = 64
"""In force between one subject and one object: what a journal state and a look-up have to carry."""


@dataclass(frozen=True, slots=True)
class Object:
    """What is granted: its kind, key and name, whose records it opens, and the indexes that may be named."""

    kind: ObjectKind
    key: str
    name: str
    enterprise: str
    items: frozenset[int] | None = None


async def give(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    subject_kind: SubjectKind,
    subject: str,
    object_kind: ObjectKind,
    object_name: str,
    right: Right,
    indexes: Sequence[int] | None = None,
    expires_at: datetime | None = None,
    enterprise: str | None = None,
) -> tuple[Grant, Cursor | None]:
    """Grant a right; no change if the same one is in force. `object_name` is an identifier or a template's code.

    `enterprise` is whose records a grant on one of the node's own templates opens; elsewhere the object says it.
    Raises `Forbidden`, `NotFound`, `InvalidFields`, and `Conflict` beyond `GRANTS_PER_PAIR_MAX`.
    """
    authorise(principal, Action.CHANGE_GRANT)
    what = await _object(connection, principal, object_kind, object_name, enterprise)
    check_reaches(principal, Action.CHANGE_GRANT, what.enterprise)
    named = _checked_indexes(what, indexes)
    now, expires_at = to_millisecond(now), to_millisecond(expires_at) if expires_at else None
    if expires_at is not None and expires_at <= now:
        raise one_field("bad_grant", "expires_at", "this is in the past")
    if not await grants.subject_exists(connection, subject_kind, subject):
        raise one_field("unknown_subject", "subject.id", f"there is no {subject_kind} {subject}")
    await journal.serialise(connection, KIND_GRANT, grant_key(subject, what.key))
    standing = await grants.of_pair(connection, now, subject, what.key)
    grant = Grant(
        id=new_id("grt"),
        enterprise=what.enterprise,
        subject_kind=subject_kind,
        subject=subject,
        object_kind=what.kind,
        object_key=what.key,
        object_name=what.name,
        indexes=named,
        right=right,
        granted_by=principal.account,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    for other in standing:
        if _same(other, grant):
            return other, None
    if len(standing) >= GRANTS_PER_PAIR_MAX:
        raise Conflict(
            "too_many_grants",
            f"{GRANTS_PER_PAIR_MAX} grants are in force between {subject} and {what.name}",
            remedy="revoke some of them, and name all indexes in one grant",
        )
    await grants.insert(connection, grant)
    return grant, await _record(connection, principal, "update" if standing else "create", grant, [*standing, grant])


async def revoke(
    connection: Connection, principal: Principal, now: datetime, grant_id: str
) -> tuple[Grant, Cursor | None]:
    """End a grant; no change if it was revoked already. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.CHANGE_GRANT)
    found = await _existing(connection, grant_id)
    check_reaches(principal, Action.CHANGE_GRANT, found.enterprise)
    await journal.serialise(connection, KIND_GRANT, grant_key(*found.parties))
    found = await _existing(connection, grant_id)
    if found.revoked_at is not None:
        return found, None
    now = to_millisecond(now)
    await grants.revoke(connection, grant_id, now)
    standing = await grants.of_pair(connection, now, *found.parties)
    op: Op = "update" if standing else "withdraw"
    return replace(found, revoked_at=now), await _record(connection, principal, op, found, standing)


async def get(connection: Connection, principal: Principal, grant_id: str) -> Grant:
    """Return a grant that the principal's enterprise gave, or that the principal received.

    Raises `NotFound` or `Forbidden`.
    """
    authorise(principal, Action.READ_GRANT)
    found = await _existing(connection, grant_id)
    if found.subject not in await grants.subjects_of(connection, principal.account, principal.enterprise):
        check_reaches(principal, Action.READ_GRANT, found.enterprise)
    return found


async def page(
    connection: Connection,
    principal: Principal,
    now: datetime,
    after: str,
    limit: int,
    *,
    object_kind: ObjectKind = "identifier",
    object_name: str | None = None,
    subject: str | None = None,
    ended: bool = False,
) -> list[Grant]:
    """Return the next grants the principal may see, in the order of their ids; with `ended` those too.

    `object_name`: only those on this identifier or template. Raises `InvalidRequest` or `NotFound` for an identifier
    that cannot be one.
    """
    party: str | None = None
    received_by: Sequence[str] = ()
    if authorise(principal, Action.READ_GRANT) is not Reach.EVERYTHING:
        received_by = await grants.subjects_of(connection, principal.account, principal.enterprise)
        party = principal.enterprise or principal.account  # an account's id is no enterprise's: received ones only
    key = object_name
    if object_name is not None and object_kind == "identifier":
        key = (await find_target(connection, object_name, for_registration=False)).identifier.key
    which = Filter(party=party, received_by=received_by, object_key=key, subject=subject, ended=ended)
    return await grants.page(connection, now, after, limit, which)


async def may_read(
    connection: Connection, principal: Principal, prefix: Prefix, record_key: str, template_code: str | None
) -> Granted:
    """Return what read grants open on a record, now, to whoever asks."""
    return (await opened(connection, principal, prefix, [(record_key, template_code)], "read"))[record_key]


async def may_write(
    connection: Connection, principal: Principal, prefix: Prefix, record_key: str, template_code: str | None
) -> Granted:
    """Return what write grants open on a record, now, to whoever asks. Its enterprise itself needs none."""
    return (await opened(connection, principal, prefix, [(record_key, template_code)], "write"))[record_key]


async def opened(
    connection: Connection,
    principal: Principal,
    prefix: Prefix,
    records: Sequence[tuple[str, str | None]],
    right: Right,
) -> dict[str, Granted]:
    """Return what grants open on records (key, template's code) of one prefix, by key. Two queries for all of them."""
    objects = {name for record in records for name in record if name is not None}
    subjects = await grants.subjects_of(connection, principal.account, principal.enterprise)
    by_object: dict[tuple[ObjectKind, str], Granted] = {}
    for kind, key, indexes in await grants.for_subjects(connection, subjects, list(objects), prefix.enterprise, right):
        by_object[kind, key] = by_object.get((kind, key), NOTHING_GRANTED) | granted_by(kind, indexes)
    return {
        key: by_object.get(("identifier", key), NOTHING_GRANTED)
        | by_object.get(("template", template or ""), NOTHING_GRANTED)
        for key, template in records
    }


async def _object(
    connection: Connection, principal: Principal, kind: ObjectKind, name: str, enterprise: str | None
) -> Object:
    if kind == "identifier":
        target = await find_target(connection, name, for_registration=False)
        check_reaches(principal, Action.CHANGE_GRANT, target.prefix.enterprise)
        record = active(await identifiers.by_key(connection, target.prefix.id, target.identifier.key), name)
        return Object(kind, record.key, record.spelling, _whose(enterprise, target.prefix.enterprise))
    template = await templates.get(connection, principal, name)
    owner = template.enterprise or enterprise or principal.enterprise
    if owner is None or (template.enterprise is None and await enterprises.by_id(connection, owner) is None):
        message = "name the enterprise whose records this grant opens: the template is the node's own"
        raise one_field("bad_grant", "enterprise", message)
    return Object(
        kind, template.code, template.code, _whose(enterprise, owner), frozenset(item.index for item in template.items)
    )


def _whose(enterprise: str | None, owner: str) -> str:
    if enterprise is not None and enterprise != owner:
        raise one_field("bad_grant", "enterprise", f"the object belongs to {owner}: leave this out")
    return owner


def _checked_indexes(what: Object, indexes: Sequence[int] | None) -> list[int] | None:
    if indexes is None:
        return None
    if not 1 <= len(indexes) <= VALUES_PER_RECORD_MAX:
        message = f"name 1 to {VALUES_PER_RECORD_MAX:,} indexes, or leave them out for all"
        raise one_field("bad_grant", "indexes", message)
    faults = [
        FieldError(f"indexes[{at}]", fault) for at, index in enumerate(indexes) if (fault := _index_fault(what, index))
    ]
    if faults:
        raise InvalidFields(
            "bad_grant",
            "some indexes cannot be granted",
            remedy="correct the fields listed and send the request again",
            errors=tuple(faults),
        )
    return sorted(set(indexes))


def _index_fault(what: Object, index: int) -> str:
    if not 1 <= index <= INDEX_MAX:
        return f"{index} is no index: 1 to {INDEX_MAX} are"
    if what.items is not None and index not in what.items:
        return f"the template {what.name} has no item {index}"
    return ""


def _same(one: Grant, other: Grant) -> bool:
    return (one.enterprise, one.right, one.indexes, one.expires_at) == (
        other.enterprise,
        other.right,
        other.indexes,
        other.expires_at,
    )


async def _existing(connection: Connection, grant_id: str) -> Grant:
    found = await grants.by_id(connection, grant_id)
    if found is None:
        raise NotFound("unknown_grant", f"there is no grant {grant_id}", remedy="list the grants to find its id")
    return found


async def _record(
    connection: Connection, principal: Principal, op: Op, grant: Grant, standing: Iterable[Grant]
) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_GRANT,
        key=grant_key(*grant.parties),
        op=op,
        after=grant_state(grant, standing),
    )
