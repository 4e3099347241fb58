"""Keys of enterprises' own nodes: registered and revoked, never changed (docking contract 9.11, 9.12)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import KIND_REPORT_KEY, Cursor, Op
from registry import journal
from registry.authority import Action, Principal, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, NotFound, one_field
from registry.service.prefixes import existing
from registry.states import instant, to_millisecond
from registry.tables import report_keys
from registry.tables.report_keys import ReportKey

KEYS_MAX: Final = 64
"""Keys of one prefix, revoked ones included."""

ReadKey = Callable[[str, str], str]
"""Reads a key, given its id and PEM, and returns its algorithm; raises ValueError that says what is wrong."""


class ReportKeyState(msgspec.Struct, frozen=True):
    """A key, as the journal carries it."""

    key_id: str
    prefix: str
    algorithm: str
    not_before: str | None
    not_after: str | None
    revoked: bool


async def register(
    connection: Connection, principal: Principal, key: ReportKey, read_key: ReadKey | None
) -> tuple[ReportKey, Cursor]:
    """Register a key of a prefix; its algorithm is read from it.

    Raises `Conflict` for an id that was used before, and on a node that takes no reports; `InvalidFields`.
    """
    await _check_changeable(connection, principal, key.prefix)
    if read_key is None:
        raise Conflict(
            "not_reporting", "this node takes no reports", remedy="set an upstream and the node's own prefix first"
        )
    try:
        algorithm = read_key(key.key_id, key.public_key)
    except ValueError as error:
        raise one_field("bad_report_key", "public_key", str(error)) from error
    if key.not_before is not None and key.not_after is not None and key.not_before >= key.not_after:
        raise one_field("bad_report_key", "not_after", "the key would end before it begins")
    if len(await report_keys.of_prefix(connection, key.prefix)) >= KEYS_MAX:
        raise Conflict(
            "too_many_report_keys", f"{key.prefix} has had {KEYS_MAX} keys", remedy="go on with one that is there"
        )
    made = replace(key, algorithm=algorithm, created_at=to_millisecond(key.created_at))
    stored = await report_keys.insert(connection, made)
    if stored is None:
        raise Conflict(
            "report_key_exists", f"the key {key.key_id} was registered before", remedy="choose another label"
        )
    return stored, await _record(connection, principal, "create", stored)


async def revoke(
    connection: Connection, principal: Principal, now: datetime, prefix: str, label: str
) -> tuple[ReportKey, Cursor]:
    """End a key for good. Raises `NotFound`."""
    await _check_changeable(connection, principal, prefix)
    ended = await report_keys.revoke(connection, f"{prefix}#{label}", to_millisecond(now))
    if ended is None:
        raise NotFound("unknown_report_key", f"{prefix} has no key {label}", remedy="read the list of its keys")
    return ended, await _record(connection, principal, "withdraw", ended)


async def of_prefix(connection: Connection, principal: Principal, prefix: str) -> list[ReportKey]:
    """Return the keys of a prefix the principal may see, revoked ones too."""
    authorise(principal, Action.READ_REPORT_KEY)
    found = await existing(connection, prefix)
    check_reaches(principal, Action.READ_REPORT_KEY, found.enterprise)
    return await report_keys.of_prefix(connection, prefix)


async def _check_changeable(connection: Connection, principal: Principal, prefix: str) -> None:
    authorise(principal, Action.CHANGE_REPORT_KEY)
    await journal.serialise(connection, KIND_REPORT_KEY, prefix)
    found = await existing(connection, prefix)
    check_reaches(principal, Action.CHANGE_REPORT_KEY, found.enterprise)


async def _record(connection: Connection, principal: Principal, op: Op, key: ReportKey) -> Cursor:
    state = ReportKeyState(
        key.key_id,
        key.prefix,
        key.algorithm,
        None if key.not_before is None else instant(key.not_before),
        None if key.not_after is None else instant(key.not_after),
        key.revoked_at is not None,
    )
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_REPORT_KEY,
        key=key.key_id,
        op=op,
        after=msgspec.json.encode(state),
    )
