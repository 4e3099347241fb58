"""What becomes of an enterprise: review, verification, the national node's decision, suspension."""

from dataclasses import replace
from datetime import date, datetime

from identifiers.changes import Cursor
from registry.authority import Action, Principal
from registry.database import Connection
from registry.errors import Conflict, one_field
from registry.service import applicants, prefix_states
from registry.service.enterprise_decisions import (
    PENDING,
    NationalDecision,
    Verification,
    VerificationStatus,
    Verifier,
)
from registry.service.enterprise_details import IDENTIFYING
from registry.service.enterprise_states import after
from registry.service.enterprise_store import (
    check_unique,
    checked_reason,
    details_of,
    following,
    in_state,
    json_text,
    lock_prefixes,
    proposal_of,
    record,
    stating,
    store,
    to_change,
)
from registry.service.preconditions import UNCONDITIONAL, Precondition
from registry.states import instant, to_millisecond
from registry.tables import enterprises
from registry.tables.enterprises import Enterprise


async def approve(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    national_link: bool,
    precondition: Precondition = UNCONDITIONAL,
) -> tuple[Enterprise, Cursor]:
    """Approve an application or a change request.

    With a link to the national node an application then waits for its decision; without one the enterprise, its
    prefixes and its applicant's account are active at once.
    """
    found = await to_change(connection, principal, Action.REVIEW_ENTERPRISE, enterprise_id, precondition)
    state = after(found.state, "approve")
    now = to_millisecond(now)
    reviewed = replace(found, state=state, reason=None, reviewed_at=now, reviewer=principal.account, updated_at=now)
    if found.state == "change_requested":
        return await _adopt_change(connection, principal, reviewed)
    if not national_link:
        return await _activate(connection, principal, now, reviewed, national=None)
    owned = await lock_prefixes(connection, found)
    asked = replace(reviewed, national=json_text(NationalDecision(decision="waiting")))
    approved = await enterprises.update(connection, asked)
    cursor = await record(connection, principal, "update", approved)
    for prefix in in_state(owned, "applied"):
        _, moved = await prefix_states.move(connection, following(principal), now, prefix, "under_review")
        cursor = max(cursor, moved)
    return approved, cursor


async def reject(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    reason: str,
    precondition: Precondition = UNCONDITIONAL,
) -> tuple[Enterprise, Cursor]:
    """Reject an application with the prefixes applied for, or a change request; the enterprise reads the reason."""
    found = await to_change(connection, principal, Action.REVIEW_ENTERPRISE, enterprise_id, precondition)
    reviewed = replace(
        found,
        state=after(found.state, "reject"),
        reason=checked_reason(reason),
        proposed=None,
        reviewed_at=to_millisecond(now),
        reviewer=principal.account,
    )
    if found.state == "change_requested":
        return await store(connection, principal, now, reviewed)
    return await _refuse(connection, principal, now, reviewed, "applied")


async def record_national_decision(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    approved: bool,
    reason: str = "",
) -> tuple[Enterprise, Cursor]:
    """Record what the national node decided on an approved application, and let its prefixes follow."""
    found = await to_change(connection, principal, Action.REVIEW_ENTERPRISE, enterprise_id, UNCONDITIONAL)
    state = after(found.state, "confirm" if approved else "refuse")
    now = to_millisecond(now)
    if approved:
        decision = NationalDecision(decision="approved", decided_at=instant(now), reason=reason or None)
        return await _activate(connection, principal, now, replace(found, state=state, reason=None), national=decision)
    decision = NationalDecision(decision="rejected", decided_at=instant(now), reason=checked_reason(reason))
    refused = replace(found, state=state, reason=reason, national=json_text(decision))
    return await _refuse(connection, principal, now, refused, "under_review")


async def record_verification(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    status: VerificationStatus,
    method: str,
    expires_on: date | None = None,
    verifier: Verifier = "node",
    reason: str | None = None,
) -> tuple[Enterprise, Cursor]:
    """Record the result of verifying an enterprise's identity. A failure owes its reason."""
    found = await to_change(connection, principal, Action.REVIEW_ENTERPRISE, enterprise_id, UNCONDITIONAL)
    if found.details is None or found.state == "withdrawn":
        raise Conflict(
            "nothing_to_verify",
            f"{found.name} is {found.state} and has stated nothing that could be verified",
            remedy="let the enterprise state its details first, with a change request",
        )
    if status == "failed" and not reason:
        raise one_field("reason_missing", "reason", "a failed verification needs a reason, for the enterprise to read")
    result = Verification(
        status=status,
        method=method,
        verified_at=instant(to_millisecond(now)) if status == "verified" else None,
        expires_on=expires_on.isoformat() if expires_on is not None else None,
        verifier=verifier,
        reason=reason,
    )
    return await store(connection, principal, now, replace(found, verification=json_text(result)))


async def suspend(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise_id: str,
    *,
    reason: str,
) -> tuple[Enterprise, Cursor]:
    """Suspend an enterprise with all its prefixes that are in force; a change it has asked for is dropped."""
    found = await to_change(connection, principal, Action.SUSPEND_ENTERPRISE, enterprise_id, UNCONDITIONAL)
    state = after(found.state, "suspend")
    active = in_state(await lock_prefixes(connection, found), "active")
    suspended = replace(
        found, state=state, reason=checked_reason(reason), proposed=None, suspended_prefixes=tuple(active)
    )
    stored, cursor = await store(connection, principal, now, suspended)
    for prefix in active:
        _, moved = await prefix_states.move(connection, following(principal), now, prefix, "suspended", reason=reason)
        cursor = max(cursor, moved)
    return stored, cursor


async def resume(
    connection: Connection, principal: Principal, now: datetime, enterprise_id: str
) -> tuple[Enterprise, Cursor]:
    """End the suspension of an enterprise, and of those prefixes that were suspended with it."""
    found = await to_change(connection, principal, Action.SUSPEND_ENTERPRISE, enterprise_id, UNCONDITIONAL)
    state = after(found.state, "resume")
    suspended = in_state(await lock_prefixes(connection, found), "suspended")
    resumed = replace(found, state=state, reason=None, suspended_prefixes=())
    stored, cursor = await store(connection, principal, now, resumed)
    for prefix in suspended:
        if prefix in found.suspended_prefixes:
            _, moved = await prefix_states.move(connection, following(principal), now, prefix, "active")
            cursor = max(cursor, moved)
    return stored, cursor


async def _activate(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise: Enterprise,
    *,
    national: NationalDecision | None,
) -> tuple[Enterprise, Cursor]:
    """Let an approved enterprise work: itself, its prefixes and its applicant's account."""
    if enterprise.applicant is not None:
        await applicants.lock(connection, enterprise.applicant)
    owned = await lock_prefixes(connection, enterprise)
    if enterprise.state == "approved":
        enterprise = replace(enterprise, state=after("approved", "confirm"))
    stored, cursor = await store(connection, principal, now, replace(enterprise, national=json_text(national)))
    for prefix in owned:
        if prefix.state == "applied":
            _, moved = await prefix_states.move(connection, following(principal), now, prefix.prefix, "under_review")
        if prefix.state in ("applied", "under_review"):
            _, moved = await prefix_states.move(connection, following(principal), now, prefix.prefix, "active")
            cursor = max(cursor, moved)
    if stored.applicant is not None:
        cursor = max(cursor, await applicants.promote(connection, principal, now, stored.applicant, stored.id))
    return stored, cursor


async def _refuse(
    connection: Connection, principal: Principal, now: datetime, enterprise: Enterprise, state: str
) -> tuple[Enterprise, Cursor]:
    """Store a rejected application, and reject its prefixes that are in `state`."""
    owned = await lock_prefixes(connection, enterprise)
    stored, cursor = await store(connection, principal, now, enterprise)
    for prefix in in_state(owned, state):
        _, moved = await prefix_states.move(
            connection, following(principal), now, prefix, "rejected", reason=enterprise.reason or ""
        )
        cursor = max(cursor, moved)
    return stored, cursor


async def _adopt_change(
    connection: Connection, principal: Principal, reviewed: Enterprise
) -> tuple[Enterprise, Cursor]:
    """Let the details asked for hold; an identity verified before is to be verified again if it has changed."""
    statement = proposal_of(reviewed)
    assert statement is not None  # noqa: S101 - the state change_requested comes with a proposal
    await check_unique(connection, statement.details, reviewed)
    before = details_of(reviewed)
    changed = stating(replace(reviewed, proposed=None), statement)
    if before is None or any(getattr(before, name) != getattr(statement.details, name) for name in IDENTIFYING):
        changed = replace(changed, verification=json_text(PENDING) if before is not None else changed.verification)
    return await store(connection, principal, reviewed.updated_at, changed)
