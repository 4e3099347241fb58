"""Applications that use identifiers: the node's own and its enterprises' (T5 and T10 of the docking contract)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from identifiers.changes import KIND_APPLICATION, Cursor, Op
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, NotFound, one_field
from registry.ids import new_id
from registry.operator_states import application_state
from registry.service.prefixes import unknown_prefix
from registry.states import to_millisecond
from registry.tables import applications, prefixes
from registry.tables.applications import Application

ACTIVE_MAX: Final = 1_000
"""Of one enterprise, or of the node."""
APP_TYPES: Final = {1: "app", 2: "mini-program", 3: "web page", 4: "desktop client", 5: "other"}
_ENTERPRISE_STATES: Final = ("active", "suspended", "withdrawing")


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of an application. `recursive_service` names the recursive resolver used, with address and port."""

    app_name: str
    app_type: int
    app_intro: str
    app_users: int
    recursive_service: str
    app_developer: str
    enterprise_prefix: str | None = None


async def create(
    connection: Connection, principal: Principal, now: datetime, described: Description
) -> tuple[Application, Cursor]:
    """Add an application of the enterprise that has the prefix, or without one of the node.

    Raises `Conflict` when there are too many, `Forbidden` for another's prefix.
    """
    enterprise = await _owner(connection, principal, described.enterprise_prefix)
    await journal.serialise(connection, KIND_APPLICATION, enterprise or "")
    if await applications.count_active(connection, enterprise) >= ACTIVE_MAX:
        raise Conflict(
            "too_many_applications", f"{ACTIVE_MAX} applications are active", remedy="end one that is not used"
        )
    at = to_millisecond(now)
    made = Application(
        id=new_id("app"),
        enterprise=enterprise,
        enterprise_prefix=described.enterprise_prefix,
        app_name=described.app_name,
        app_type=described.app_type,
        app_intro=described.app_intro,
        app_users=described.app_users,
        recursive_service=described.recursive_service,
        app_developer=described.app_developer,
        created_at=at,
        updated_at=at,
    )
    await applications.insert(connection, made)
    return made, await _record(connection, principal, "create", made)


async def change(
    connection: Connection, principal: Principal, now: datetime, application_id: str, described: Description
) -> tuple[Application, Cursor]:
    """Say something else of an application that is active."""
    found = await _active(connection, principal, application_id)
    enterprise = await _owner(connection, principal, described.enterprise_prefix)
    if (enterprise is None) is not (found.enterprise is None):
        raise one_field("other_owner", "enterprise_prefix", "an application stays the node's own or an enterprise's")
    changed = replace(
        found,
        enterprise=enterprise,
        enterprise_prefix=described.enterprise_prefix,
        app_name=described.app_name,
        app_type=described.app_type,
        app_intro=described.app_intro,
        app_users=described.app_users,
        recursive_service=described.recursive_service,
        app_developer=described.app_developer,
        updated_at=to_millisecond(now),
    )
    await applications.update(connection, changed)
    return changed, await _record(connection, principal, "update", changed)


async def end(
    connection: Connection, principal: Principal, now: datetime, application_id: str
) -> tuple[Application, Cursor]:
    """End an application; it is reported for the last time for this month."""
    found = await _active(connection, principal, application_id)
    at = to_millisecond(now)
    ended = replace(found, updated_at=at, ended_at=at)
    await applications.update(connection, ended)
    return ended, await _record(connection, principal, "withdraw", ended)


async def get(connection: Connection, principal: Principal, application_id: str) -> Application:
    """Return an application the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_APPLICATION)
    found = await _existing(connection, application_id)
    check_reaches(principal, Action.READ_APPLICATION, found.enterprise)
    return found


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Application]:
    """Return the next applications the principal may see, in the order of their ids; ended ones too."""
    if authorise(principal, Action.READ_APPLICATION) is Reach.EVERYTHING:
        return await applications.page(connection, after, limit)
    if principal.enterprise is None:
        return []
    return await applications.page(connection, after, limit, principal.enterprise)


async def _owner(connection: Connection, principal: Principal, prefix: str | None) -> str | None:
    """Return the enterprise that has a prefix; None stands for the node. Raises `Forbidden` if that is another's."""
    if prefix is None:
        check_reaches(principal, Action.CHANGE_APPLICATION, None)
        return None
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix(prefix)
    check_reaches(principal, Action.CHANGE_APPLICATION, found.enterprise)
    if found.state not in _ENTERPRISE_STATES:
        raise one_field("prefix_not_in_force", "enterprise_prefix", f"the prefix {prefix} is {found.state}")
    return found.enterprise


async def _active(connection: Connection, principal: Principal, application_id: str) -> Application:
    authorise(principal, Action.CHANGE_APPLICATION)
    await journal.serialise(connection, KIND_APPLICATION, application_id)
    found = await _existing(connection, application_id)
    check_reaches(principal, Action.CHANGE_APPLICATION, found.enterprise)
    if found.ended_at is not None:
        raise Conflict("application_ended", f"{found.app_name} has ended", remedy="add it anew if it is used again")
    return found


async def _existing(connection: Connection, application_id: str) -> Application:
    found = await applications.by_id(connection, application_id)
    if found is None:
        raise NotFound(
            "unknown_application",
            f"there is no application {application_id[:64]}",
            remedy="GET /api/v1/applications lists them",
        )
    return found


async def _record(connection: Connection, principal: Principal, op: Op, application: Application) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_APPLICATION,
        key=application.id,
        op=op,
        after=application_state(application),
    )
