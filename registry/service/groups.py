"""Groups: accounts and whole enterprises, of any enterprise, that are granted something together."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_GROUP, Cursor, Op
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, Forbidden, InvalidFields, NotFound, one_field
from registry.ids import new_id
from registry.service import accounts as account_service
from registry.states import group_state, to_millisecond
from registry.tables import accounts, enterprises, groups
from registry.tables.groups import Group, Member

MEMBERS_MAX: Final = 2_000
"""Of one group, enterprises counted as one member each."""


async def create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    name: str,
    description: str = "",
    enterprise: str | None = None,
) -> tuple[Group, Cursor]:
    """Make a group of an enterprise, the principal's own if none is named; without one it is the node's."""
    authorise(principal, Action.CHANGE_GROUP)
    owner = enterprise or principal.enterprise
    check_reaches(principal, Action.CHANGE_GROUP, owner)
    if owner is not None and await enterprises.by_id(connection, owner) is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {owner}")
    await account_service.lock_identities(connection)
    await _check_free(connection, owner, name)
    at = to_millisecond(now)
    group = Group(new_id("grp"), name, description, owner, "active", at, at)
    await groups.insert(connection, group)
    return group, await _record(connection, principal, "create", group)


async def change(
    connection: Connection,
    principal: Principal,
    now: datetime,
    group_id: str,
    *,
    name: str | None = None,
    description: str | None = None,
) -> tuple[Group, Cursor | None]:
    """Rename or describe a group; what is None stays."""
    group = await _changing(connection, principal, group_id)
    changed = replace(
        group,
        name=name or group.name,
        description=group.description if description is None else description,
    )
    if changed == group:
        return group, None
    if changed.name != group.name:
        await _check_free(connection, group.enterprise, changed.name)
    return await _store(connection, principal, now, "update", changed)


async def change_members(
    connection: Connection,
    principal: Principal,
    now: datetime,
    group_id: str,
    *,
    add_accounts: Sequence[str] = (),
    add_enterprises: Sequence[str] = (),
    remove_accounts: Sequence[str] = (),
    remove_enterprises: Sequence[str] = (),
) -> tuple[Group, list[Member], Cursor]:
    """Add and remove members, given by their ids. Adding a member again, or removing none, changes nothing.

    Raises `InvalidFields` naming every id that nobody has, and `Conflict` when there would be too many.
    """
    group = await _changing(connection, principal, group_id)
    await _check_known(connection, add_accounts, add_enterprises)
    await groups.remove(connection, group_id, remove_accounts, remove_enterprises)
    await groups.add(connection, group_id, list(dict.fromkeys(add_accounts)), list(dict.fromkeys(add_enterprises)))
    members = await groups.members(connection, group_id)
    if len(members) > MEMBERS_MAX:
        raise Conflict(
            "too_many_members",
            f"a group has at most {MEMBERS_MAX:,} members",
            remedy="add whole enterprises, or make another group",
        )
    stored, cursor = await _store(connection, principal, now, "update", group)
    known = [one for one in remove_accounts if await accounts.account(connection, one) is not None]
    affected = list(dict.fromkeys((*add_accounts, *known)))
    last = await account_service.record_members(
        connection, principal.account, affected, list(dict.fromkeys((*add_enterprises, *remove_enterprises)))
    )
    return stored, members, last or cursor


async def withdraw(
    connection: Connection, principal: Principal, now: datetime, group_id: str
) -> tuple[Group, Cursor | None]:
    """Dissolve a group for good: nobody is in it any more, so grants to it reach nobody."""
    authorise(principal, Action.CHANGE_GROUP)
    await account_service.lock_identities(connection)
    group = await _existing(connection, group_id)
    check_reaches(principal, Action.CHANGE_GROUP, group.enterprise)
    if group.state == "withdrawn":
        return group, None
    members = await groups.members(connection, group_id)
    await groups.clear(connection, group_id)
    stored, cursor = await _store(connection, principal, now, "withdraw", replace(group, state="withdrawn"))
    last = await account_service.record_members(
        connection,
        principal.account,
        [member.account for member in members if member.account is not None],
        [member.enterprise for member in members if member.enterprise is not None],
    )
    return stored, last or cursor


async def get(connection: Connection, principal: Principal, group_id: str) -> tuple[Group, list[Member] | None]:
    """Return a group with its members; to somebody who is only in it, without them. Raises `NotFound`, `Forbidden`."""
    reach = authorise(principal, Action.READ_GROUP)
    group = await _existing(connection, group_id)
    if reach is Reach.EVERYTHING or (group.enterprise is not None and group.enterprise == principal.enterprise):
        return group, await groups.members(connection, group_id)
    if await groups.is_in(connection, group_id, principal.account, principal.enterprise):
        return group, None
    raise Forbidden(
        "not_yours", "this belongs to another enterprise", remedy="ask an administrator of the group's enterprise"
    )


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Group]:
    """Return the next groups the principal may see: its enterprise's, and those it is in, in the order of their ids."""
    everything = authorise(principal, Action.READ_GROUP) is Reach.EVERYTHING
    return await groups.page(
        connection,
        after,
        limit,
        everything=everything,
        enterprise=principal.enterprise,
        account=principal.account,
    )


async def _changing(connection: Connection, principal: Principal, group_id: str) -> Group:
    authorise(principal, Action.CHANGE_GROUP)
    await account_service.lock_identities(connection)
    group = await _existing(connection, group_id)
    check_reaches(principal, Action.CHANGE_GROUP, group.enterprise)
    if group.state == "withdrawn":
        raise Conflict("group_withdrawn", f"the group {group_id} is dissolved for good", remedy="make another group")
    return group


async def _store(
    connection: Connection, principal: Principal, now: datetime, op: Op, group: Group
) -> tuple[Group, Cursor]:
    stored = replace(group, updated_at=to_millisecond(now))
    await groups.update(connection, stored)
    return stored, await _record(connection, principal, op, stored)


async def _record(connection: Connection, principal: Principal, op: Op, group: Group) -> Cursor:
    after = group_state(group, await groups.members(connection, group.id))
    return await journal.append(connection, actor=principal.account, kind=KIND_GROUP, key=group.id, op=op, after=after)


async def _existing(connection: Connection, group_id: str) -> Group:
    found = await groups.by_id(connection, group_id)
    if found is None:
        raise NotFound("unknown_group", f"there is no group {group_id}", remedy="list the groups to find its id")
    return found


async def _check_free(connection: Connection, enterprise: str | None, name: str) -> None:
    if await groups.by_name(connection, enterprise, name) is not None:
        raise Conflict("group_exists", f"there is a group called {name}", remedy="choose another name")


async def _check_known(connection: Connection, account_ids: Sequence[str], enterprise_ids: Sequence[str]) -> None:
    faults = [
        FieldError(f"add.accounts[{at}]", f"there is no account {one}")
        for at, one in enumerate(account_ids)
        if await accounts.account(connection, one) is None
    ]
    faults += [
        FieldError(f"add.enterprises[{at}]", f"there is no enterprise {one}")
        for at, one in enumerate(enterprise_ids)
        if await enterprises.by_id(connection, one) is None
    ]
    if faults:
        raise InvalidFields(
            "unknown_member",
            f"{len(faults)} of the new members do not exist",
            remedy="correct their ids, or leave them out",
            errors=tuple(faults),
        )
