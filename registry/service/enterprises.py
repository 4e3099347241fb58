"""Enterprises: who may see which, the application of a new one, and the changes it asks for."""

from dataclasses import replace
from datetime import datetime
from typing import Final

import msgspec

from identifiers.changes import KIND_ENTERPRISE, Cursor
from registry import journal
from registry.authority import Action, Principal, Reach, authorise
from registry.database import Connection
from registry.errors import Conflict, one_field
from registry.ids import new_id
from registry.service import applicants, files, prefix_states, takeover
from registry.service.enterprise_details import EnterpriseDocuments, Statement
from registry.service.enterprise_states import after
from registry.service.enterprise_store import (
    check_enterprise,
    check_unique,
    checked_reason,
    following,
    in_state,
    is_applicant,
    json_text,
    lock_prefixes,
    record,
    stating,
    store,
    to_change,
    unknown_enterprise,
)
from registry.service.preconditions import UNCONDITIONAL, Precondition
from registry.states import to_millisecond
from registry.tables import enterprises
from registry.tables.enterprises import Enterprise, Wanted
from registry.tables.prefixes import Prefix

_IN_FORCE: Final = ("under_review", "active", "suspended", "withdrawing")


async def apply(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    statement: Statement,
    prefix: str | None = None,
    takeover_version: str | None = None,
    applicant: str | None = None,
) -> tuple[Enterprise, Cursor]:
    """Enter the application of a new enterprise and of its prefix (None: the next free one).

    An applicant applies for itself; an administrator may do it for `applicant`, an account that then belongs to the
    enterprise. `takeover_version` is the version of the take-over text that was accepted.
    Raises `InvalidFields`, and `Conflict` when name, certificate or prefix are taken or the applicant has applied.
    """
    authorise(principal, Action.APPLY)
    now = to_millisecond(now)
    details = statement.details
    if authorise(principal, Action.APPLY) is Reach.OWN:
        applicant = principal.account
    if takeover_version is not None:
        check_takeover(takeover_version)
    if applicant is not None:
        await applicants.lock(connection, applicant)
        await applicants.check(connection, applicant)
        await _check_first(connection, applicant)
    await check_unique(connection, details, None)
    entered = await enterprises.insert_application(
        connection,
        Enterprise(
            id=new_id("ent"),
            name=details.org_name,
            state="applied",
            created_at=now,
            updated_at=now,
            details=json_text(details),
            documents=json_text(statement.documents),
            hosted=statement.hosted,
            org_id_type=details.org_id_type,
            org_id_number=details.org_id_number,
            applicant=applicant,
            takeover_version=takeover_version,
            takeover_at=now if takeover_version is not None else None,
        ),
    )
    await _bind(connection, principal, now, entered, statement.documents)
    cursor = await record(connection, principal, "create", entered)
    if applicant is not None:
        cursor = max(cursor, await applicants.attach(connection, principal, now, applicant, entered.id))
    _, applied = await prefix_states.apply_for(
        connection,
        replace(principal, enterprise=entered.id) if applicant == principal.account else principal,
        now,
        enterprise=entered.id,
        prefix=prefix,
        name=details.org_name,
        hosted=statement.hosted,
    )
    return entered, max(cursor, applied)


async def correct(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    statement: Statement,
    prefix: str | None = None,
    precondition: Precondition = UNCONDITIONAL,
) -> tuple[Enterprise, Cursor]:
    """Replace what an application states, before it is reviewed or after it was rejected; it waits for review again.

    Prefixes rejected with it are applied for again; with `prefix`, that one instead.
    """
    found = await to_change(connection, principal, Action.CHANGE_ENTERPRISE, enterprise_id, precondition)
    state = after(found.state, "correct")
    now = to_millisecond(now)
    owned = await lock_prefixes(connection, found)
    await check_unique(connection, statement.details, found)
    corrected = stating(replace(found, state=state, reason=None, submitted_at=now, updated_at=now), statement)
    corrected = await enterprises.update(connection, corrected)
    await _bind(connection, principal, now, corrected, statement.documents)
    cursor = await record(connection, principal, "update", corrected)
    for_enterprise = replace(principal, enterprise=found.id) if is_applicant(principal, found) else principal
    return corrected, max([cursor, *await _apply_again(connection, for_enterprise, now, corrected, owned, prefix)])


async def request_change(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    statement: Statement,
    precondition: Precondition = UNCONDITIONAL,
) -> tuple[Enterprise, Cursor]:
    """Ask for other details and documents. What holds now holds until the change is approved."""
    found = await to_change(connection, principal, Action.CHANGE_ENTERPRISE, enterprise_id, precondition)
    state = after(found.state, "request_change")
    now = to_millisecond(now)
    await check_unique(connection, statement.details, found)
    proposed = msgspec.json.encode(statement).decode()
    asked = await enterprises.update(
        connection, replace(found, state=state, proposed=proposed, reason=None, submitted_at=now, updated_at=now)
    )
    await _bind(connection, principal, now, asked, statement.documents)
    return asked, await record(connection, principal, "update", asked)


async def withdraw(
    connection: Connection, principal: Principal, now: datetime, enterprise_id: str, *, reason: str = ""
) -> tuple[Enterprise, Cursor]:
    """Withdraw an enterprise, or its application, for good. Its prefixes in force must be gone before."""
    found = await to_change(connection, principal, Action.CHANGE_ENTERPRISE, enterprise_id, UNCONDITIONAL)
    state = after(found.state, "withdraw")
    owned = await lock_prefixes(connection, found)
    in_force = [prefix.prefix for prefix in owned if prefix.state in _IN_FORCE]
    if in_force:
        raise Conflict(
            "enterprise_has_prefixes",
            f"{found.name} still has the prefixes {', '.join(in_force[:10])}",
            remedy="withdraw these prefixes or transfer them to another enterprise first",
        )
    withdrawn = replace(found, state=state, proposed=None, reason=checked_reason(reason) if reason else None)
    stored, cursor = await store(connection, principal, now, withdrawn, "withdraw")
    for prefix in in_state(owned, "applied"):
        _, moved = await prefix_states.move(
            connection, following(principal), now, prefix, "rejected", reason="the application was withdrawn"
        )
        cursor = max(cursor, moved)
    return stored, cursor


async def get(connection: Connection, principal: Principal, enterprise_id: str) -> Enterprise:
    """Return an enterprise the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_ENTERPRISE)
    found = await enterprises.by_id(connection, enterprise_id)
    if found is None:
        raise unknown_enterprise(enterprise_id)
    check_enterprise(principal, Action.READ_ENTERPRISE, found)
    return found


async def get_numbered(connection: Connection, principal: Principal, number: int) -> Enterprise:
    """Return the enterprise with a number, as `get` does."""
    found = await enterprises.by_number(connection, number)
    if found is None:
        raise unknown_enterprise(str(number))
    return await get(connection, principal, found.id)


async def own(connection: Connection, principal: Principal) -> Enterprise | None:
    """Return the enterprise the principal belongs to or has applied for."""
    if principal.enterprise is not None:
        return await enterprises.by_id(connection, principal.enterprise)
    return await enterprises.by_applicant(connection, principal.account)


async def page(
    connection: Connection, principal: Principal, wanted: Wanted, after_id: str, limit: int
) -> list[Enterprise]:
    """Return the next enterprises the principal may see, in the order of their ids."""
    return await enterprises.page(connection, _visible(principal, wanted), after_id, limit)


async def numbered_page(
    connection: Connection, principal: Principal, wanted: Wanted, offset: int, limit: int
) -> tuple[list[Enterprise], int]:
    """Return the enterprises the principal may see from a position on, newest first, and how many there are in all."""
    return await enterprises.numbered_page(connection, _visible(principal, wanted), offset, limit)


def persons_shown(principal: Principal, enterprise: Enterprise) -> bool:
    """Whether the principal may see what an enterprise states about persons, and which documents it gave."""
    if is_applicant(principal, enterprise) or principal.role in ("administrator", "reviewer", "auditor"):
        return True
    return principal.role == "enterprise_administrator" and principal.enterprise == enterprise.id


def check_takeover(version: str) -> None:
    """Raise `InvalidFields` unless the version of the take-over text that was accepted is the present one."""
    if version != takeover.VERSION:
        message = f"the text is {takeover.VERSION} now: read it at /api/v1/takeover-terms and accept that version"
        raise one_field("takeover_text_changed", "takeover_version", message)


async def _check_first(connection: Connection, applicant: str) -> None:
    await journal.serialise(connection, KIND_ENTERPRISE, f"applicant {applicant}")
    known = await enterprises.by_applicant(connection, applicant)
    if known is not None:
        raise Conflict(
            "applied_already",
            f"this account has applied for {known.name}, which is {known.state}",
            remedy=f"go on with /api/v1/enterprises/{known.id}, or withdraw it first",
        )


async def _bind(
    connection: Connection, principal: Principal, now: datetime, enterprise: Enterprise, documents: EnterpriseDocuments
) -> None:
    wanted = {f"documents.{name}": found for name, found in msgspec.structs.asdict(documents).items() if found}
    owners = frozenset(account for account in (principal.account, enterprise.applicant) if account is not None)
    await files.bind(connection, now, enterprise=enterprise.id, owners=owners, wanted=wanted)


async def _apply_again(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise: Enterprise,
    owned: list[Prefix],
    wanted: str | None,
) -> list[Cursor]:
    """Apply again for the prefixes that were rejected, or for the one wanted instead."""
    waiting, rejected = in_state(owned, "applied"), in_state(owned, "rejected")
    if wanted in waiting or (wanted is None and waiting):
        return []
    if waiting:
        raise Conflict(
            "prefix_applied_for",
            f"the application is for the prefix {waiting[0]}",
            remedy="leave prefix out; another one can be applied for when this one is decided",
        )
    again = rejected if wanted is None else [prefix for prefix in rejected if prefix == wanted]
    if again or (wanted is None and rejected):
        moves = [await prefix_states.move(connection, principal, now, prefix, "applied") for prefix in again]
    else:
        applied = await prefix_states.apply_for(
            connection,
            principal,
            now,
            enterprise=enterprise.id,
            prefix=wanted,
            name=enterprise.name,
            hosted=enterprise.hosted,
        )
        moves = [applied]
    return [cursor for _, cursor in moves]


def _visible(principal: Principal, wanted: Wanted) -> Wanted:
    if authorise(principal, Action.LIST_ENTERPRISES) is Reach.EVERYTHING:
        return wanted
    # An id no enterprise has leaves only what the account itself has applied for.
    return replace(wanted, only=principal.enterprise or "", applicant=principal.account)
