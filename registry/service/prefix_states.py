"""The life of a prefix: which state may follow which, who moves it there, and how it is applied for and handed on."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_PREFIX, Cursor, Hosting, HostingState, PrefixStateName
from registry import journal
from registry.authority import AUTHORITY, Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, one_field
from registry.service import prefix_allocation, quotas, template_changes
from registry.service.prefixes import existing, prefix_exists, record, stored, withdrawn_for_good
from registry.states import to_millisecond
from registry.tables import enterprises, prefixes
from registry.tables.enterprises import Enterprise
from registry.tables.prefixes import Prefix

REASON_CHARACTERS_MAX: Final = 1_024
PREFIXES_OF_ENTERPRISE_MAX: Final = 100
"""An enterprise is reported with at most so many prefixes (T6 of the national docking contract)."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a move takes: the right to make it, and whether a reason is owed to those it concerns."""

    action: Action
    reason_needed: bool = False


MOVES: Final[dict[tuple[PrefixStateName, PrefixStateName], Move]] = {
    ("applied", "under_review"): Move(Action.REVIEW_ENTERPRISE),
    ("applied", "rejected"): Move(Action.REVIEW_ENTERPRISE, reason_needed=True),
    ("under_review", "active"): Move(Action.REVIEW_ENTERPRISE),
    ("under_review", "rejected"): Move(Action.REVIEW_ENTERPRISE, reason_needed=True),
    ("rejected", "applied"): Move(Action.APPLY_FOR_PREFIX),
    ("active", "suspended"): Move(Action.CHANGE_PREFIX),
    ("suspended", "active"): Move(Action.CHANGE_PREFIX),
    ("active", "withdrawing"): Move(Action.APPLY_FOR_PREFIX),
    ("suspended", "withdrawing"): Move(Action.APPLY_FOR_PREFIX),
    ("withdrawing", "active"): Move(Action.CHANGE_PREFIX),
    ("withdrawing", "withdrawn"): Move(Action.CHANGE_PREFIX),
}
"""Every move there is; a pair that is not here is refused. Nothing leads out of `withdrawn`.

A prefix begins as `applied`, or as `active` when an administrator creates it. It changes hands (`transfer`) while it is
active or suspended and keeps its state.
"""

STATUS_CODES: Final[dict[PrefixStateName, int]] = {
    "suspended": 0,
    "active": 1,
    "withdrawing": 2,
    "rejected": 3,
    "applied": 4,
    "under_review": 5,
}
"""The states as numbers, in the SNMS API and in reports; a prefix that is withdrawn has none, it is not there."""

_TRANSFERABLE: Final = ("active", "suspended")
_UNVERIFIED: Final = ("applied", "rejected")


async def apply_for(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    enterprise: str,
    prefix: str | None,
    name: str,
    hosted: bool = True,
) -> tuple[Prefix, Cursor]:
    """Apply for a prefix for an enterprise (its id): for the one wanted, or without `prefix` for the next free one.

    A prefix once rejected may be applied for again, by anyone. Unless `hosted`, it resolves nowhere before its route is
    set. Raises `Conflict` when the prefix is taken or reserved, `InvalidFields` when it cannot be this node's.
    """
    check_reaches(principal, Action.APPLY_FOR_PREFIX, enterprise)
    owner = await _registered(connection, enterprise)
    if await prefixes.count_of_enterprise(connection, enterprise) >= PREFIXES_OF_ENTERPRISE_MAX:
        raise _too_many(owner)
    if prefix is None:
        prefix = await prefix_allocation.next_free(connection)
    else:
        for_the_node = authorise(principal, Action.APPLY_FOR_PREFIX) is Reach.EVERYTHING
        await prefix_allocation.check_wanted(connection, prefix, may_take_reserved=for_the_node)
        await journal.serialise(connection, KIND_PREFIX, prefix)
    return await _enter(connection, principal, to_millisecond(now), enterprise, prefix, name, hosted=hosted)


async def move(
    connection: Connection,
    principal: Principal,
    now: datetime,
    prefix: str,
    to: PrefixStateName,
    *,
    reason: str = "",
) -> tuple[Prefix, Cursor]:
    """Move a prefix to another state, one step of `MOVES`; `reason` is kept and shown to its enterprise.

    Raises `Conflict` for a step that is not there, `Forbidden` for one that is not the principal's to make.
    """
    await journal.serialise(connection, KIND_PREFIX, prefix)
    found = await existing(connection, prefix)
    if found.state == "withdrawn":
        raise withdrawn_for_good(prefix)
    step = MOVES.get((found.state, to))
    if step is None:
        raise _no_such_move(found, to)
    check_reaches(principal, step.action, found.enterprise)
    if step.reason_needed and not reason:
        raise one_field("reason_missing", "reason", f"a prefix becomes {to} with a reason, for its enterprise to read")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise one_field("reason_too_long", "reason", f"at most {REASON_CHARACTERS_MAX} characters are kept")
    moved = await stored(connection, replace(found, state=to, reason=reason, updated_at=to_millisecond(now)))
    return moved, await record(connection, principal, "withdraw" if to == "withdrawn" else "update", moved)


async def approve(
    connection: Connection, principal: Principal, now: datetime, prefix: str, *, national_link: bool
) -> tuple[Prefix, Cursor]:
    """Approve an application. Without a national node to decide after the review, the prefix is active at once."""
    found = await existing(connection, prefix)
    owner = await enterprises.by_id(connection, found.enterprise)
    if owner is not None and owner.state in _UNVERIFIED:
        raise Conflict(
            "enterprise_not_approved",
            f"{owner.name} is {owner.state}: its prefixes are decided with its own application",
            remedy="review the application of the enterprise first",
        )
    moved = await move(connection, principal, now, prefix, "under_review")
    return moved if national_link else await move(connection, principal, now, prefix, "active")


async def decide(
    connection: Connection, principal: Principal, now: datetime, prefix: str, *, approved: bool, reason: str = ""
) -> tuple[Prefix, Cursor]:
    """Record what was decided on a prefix under review, or on one to be withdrawn. Raises `Conflict` for others."""
    found = await existing(connection, prefix)
    if found.state not in ("under_review", "withdrawing"):
        raise Conflict(
            "nothing_to_decide",
            f"the prefix {prefix} is {found.state}: no decision is awaited",
            remedy="approve or reject it while it is applied; decide while it is under_review or withdrawing",
        )
    if found.state == "under_review":
        to: PrefixStateName = "active" if approved else "rejected"
    else:
        to = "withdrawn" if approved else "active"
    return await move(connection, principal, now, prefix, to, reason=reason)


async def resume(connection: Connection, principal: Principal, now: datetime, prefix: str) -> tuple[Prefix, Cursor]:
    """Put a suspended prefix in force again."""
    found = await existing(connection, prefix)
    if found.state != "suspended":
        raise Conflict("prefix_not_suspended", f"the prefix {prefix} is {found.state}", remedy="there is no need")
    return await move(connection, principal, now, prefix, "active")


async def withdraw(
    connection: Connection,
    principal: Principal,
    now: datetime,
    prefix: str,
    *,
    national_link: bool,
    reason: str = "",
) -> tuple[Prefix, Cursor]:
    """Ask for a prefix to be withdrawn. An administrator without a national node to wait for withdraws it at once."""
    moved = await move(connection, principal, now, prefix, "withdrawing", reason=reason)
    if national_link or AUTHORITY[Action.CHANGE_PREFIX][principal.role] is not Reach.EVERYTHING:
        return moved
    return await move(connection, principal, now, prefix, "withdrawn", reason=reason)


async def set_state(
    connection: Connection,
    principal: Principal,
    now: datetime,
    prefix: str,
    to: PrefixStateName,
    *,
    national_link: bool,
) -> tuple[Prefix, Cursor] | None:
    """Bring a prefix to a state as an administrator would; None if it is in it. `withdrawn` may stop on the way."""
    found = await existing(connection, prefix)
    if found.state == to and to != "withdrawn":
        return None
    if to == "withdrawn" and found.state in ("active", "suspended"):
        return await withdraw(connection, principal, now, prefix, national_link=national_link)
    return await move(connection, principal, now, prefix, to)


async def transfer(
    connection: Connection, principal: Principal, now: datetime, prefix: str, *, enterprise: str, reason: str = ""
) -> tuple[Prefix, Cursor]:
    """Hand a prefix, with everything registered below it, to another enterprise (its id)."""
    authorise(principal, Action.CHANGE_PREFIX)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    found = await existing(connection, prefix)
    if found.state not in _TRANSFERABLE:
        raise Conflict(
            "prefix_not_transferable",
            f"the prefix {prefix} is {found.state}",
            remedy="transfer it while it is active or suspended",
        )
    if found.enterprise == enterprise:
        raise one_field("same_enterprise", "enterprise", "the prefix belongs to this enterprise already")
    taker = await _registered(connection, enterprise)
    if taker.state in _UNVERIFIED:
        raise Conflict(
            "enterprise_not_approved", f"{taker.name} is {taker.state}", remedy="review its application first"
        )
    if await prefixes.count_of_enterprise(connection, enterprise) >= PREFIXES_OF_ENTERPRISE_MAX:
        raise _too_many(taker)
    await template_changes.follow_prefix(connection, principal, now, prefix, enterprise)
    handed = await stored(
        connection, replace(found, enterprise=enterprise, reason=reason, updated_at=to_millisecond(now))
    )
    await quotas.expect_recount(connection, found.enterprise, enterprise)
    return handed, await record(connection, principal, "update", handed)


async def _registered(connection: Connection, enterprise: str) -> Enterprise:
    found = await enterprises.by_id(connection, enterprise)
    if found is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {enterprise}")
    if found.state == "withdrawn":
        raise Conflict(
            "enterprise_withdrawn", f"{found.name} is withdrawn", remedy="name an enterprise that is registered"
        )
    return found


async def _enter(
    connection: Connection,
    principal: Principal,
    now: datetime,
    enterprise: str,
    prefix: str,
    name: str,
    *,
    hosted: bool,
) -> tuple[Prefix, Cursor]:
    """Enter the application, in the place of a rejected one if there is one."""
    hosting: Hosting = "here" if hosted else "routed"
    hosting_state: HostingState = "hosted" if hosted else "not_hosted"
    known = await prefixes.by_prefix(connection, prefix)
    if known is None:
        entered = await prefixes.insert(
            connection,
            prefix=prefix,
            name=name,
            enterprise=enterprise,
            state="applied",
            hosting=hosting,
            hosting_state=hosting_state,
            sites=[],
            now=now,
        )
        return entered, await record(connection, principal, "create", entered)
    if known.state != "rejected":
        raise prefix_exists(prefix)
    again = replace(
        known,
        name=name,
        enterprise=enterprise,
        state="applied",
        reason="",
        hosting=hosting,
        hosting_state=hosting_state,
        sites=[],
        updated_at=now,
    )
    entered = await stored(connection, again)
    return entered, await record(connection, principal, "update", entered)


def _no_such_move(found: Prefix, to: str) -> Conflict:
    nexts = [after for before, after in MOVES if before == found.state]
    return Conflict(
        "prefix_move_not_allowed",
        f"the prefix {found.prefix} is {found.state} and cannot become {to}",
        remedy=f"from {found.state} it can become: {', '.join(nexts)}",
    )


def _too_many(enterprise: Enterprise) -> Conflict:
    return Conflict(
        "too_many_prefixes",
        f"{enterprise.name} has {PREFIXES_OF_ENTERPRISE_MAX} prefixes, more cannot be reported",
        remedy="withdraw one that is not used",
    )
