"""Handlers: groups and who is in them."""

from collections.abc import Sequence

from registry.api.call import Answer, Call, answer, next_cursor, outcome
from registry.api.groups_shapes import (
    GroupAnswer,
    GroupPage,
    GroupPatch,
    GroupRequest,
    ListedGroup,
    Members,
    MembersPatch,
)
from registry.database import Connection
from registry.service import groups as service
from registry.service.change import Outcome
from registry.states import instant
from registry.tables import groups as table
from registry.tables.groups import Group, Member


async def create(call: Call) -> Answer:
    """POST /api/v1/groups."""
    body = await call.read(GroupRequest)

    async def work(connection: Connection) -> Outcome:
        group, cursor = await service.create(
            connection,
            call.principal,
            call.now,
            name=body.name,
            description=body.description,
            enterprise=body.enterprise,
        )
        return outcome(201, _shown(group, []), cursor, location=f"/api/v1/groups/{group.id}")

    return await call.change(work)


async def page(call: Call) -> Answer:
    """GET /api/v1/groups."""
    after, limit = call.page("groups")
    async with call.connected() as connection:
        found = await service.page(connection, call.principal, after, limit)
    following = next_cursor("groups", found, limit, found[-1].id if found else "")
    return answer(GroupPage([_listed(group) for group in found], following))


async def get(call: Call) -> Answer:
    """GET /api/v1/groups/{group}."""
    async with call.connected() as connection:
        return answer(_shown(*await service.get(connection, call.principal, call.path("group"))))


async def change(call: Call) -> Answer:
    """PATCH /api/v1/groups/{group}."""
    body = await call.read(GroupPatch)

    async def work(connection: Connection) -> Outcome:
        group, cursor = await service.change(
            connection,
            call.principal,
            call.now,
            call.path("group"),
            name=body.name,
            description=body.description,
        )
        return outcome(200, _shown(group, await table.members(connection, group.id)), cursor)

    return await call.change(work)


async def change_members(call: Call) -> Answer:
    """POST /api/v1/groups/{group}:change-members."""
    body = await call.read(MembersPatch)

    async def work(connection: Connection) -> Outcome:
        group, members, cursor = await service.change_members(
            connection,
            call.principal,
            call.now,
            call.path("group"),
            add_accounts=body.add.accounts,
            add_enterprises=body.add.enterprises,
            remove_accounts=body.remove.accounts,
            remove_enterprises=body.remove.enterprises,
        )
        return outcome(200, _shown(group, members), cursor)

    return await call.change(work)


async def withdraw(call: Call) -> Answer:
    """DELETE /api/v1/groups/{group}."""

    async def work(connection: Connection) -> Outcome:
        group, cursor = await service.withdraw(connection, call.principal, call.now, call.path("group"))
        return outcome(200, _shown(group, []), cursor)

    return await call.change(work)


def _shown(group: Group, members: Sequence[Member] | None) -> GroupAnswer:
    return GroupAnswer(
        id=group.id,
        name=group.name,
        description=group.description,
        enterprise=group.enterprise,
        state=group.state,
        members=None if members is None else _members(members),
        created_at=instant(group.created_at),
        updated_at=instant(group.updated_at),
    )


def _members(members: Sequence[Member]) -> Members:
    return Members(
        [member.account for member in members if member.account is not None],
        [member.enterprise for member in members if member.enterprise is not None],
    )


def _listed(group: Group) -> ListedGroup:
    return ListedGroup(
        id=group.id,
        name=group.name,
        description=group.description,
        enterprise=group.enterprise,
        state=group.state,
        created_at=instant(group.created_at),
        updated_at=instant(group.updated_at),
    )
