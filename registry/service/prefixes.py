"""Prefixes and the enterprises they belong to: creating, changing, and finding the one a registration goes under."""

from datetime import datetime
from typing import Any, Final

from identifiers.changes import KIND_ENTERPRISE, KIND_PREFIX, Cursor, Op
from identifiers.handle import parse_prefix
from identifiers.identifier import Invalid
from identifiers.value_json import decode_values
from identifiers.values import ValuesError
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.ids import new_id
from registry.states import enterprise_state, prefix_state, to_millisecond
from registry.tables import enterprises, prefixes
from registry.tables.prefixes import Prefix

SITES_MAX: Final = 16


async def create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    prefix: str,
    name: str,
    enterprise: str | None = None,
    hosting: str = "here",
    exact_case: bool = False,
    sites: list[dict[str, Any]] | None = None,
) -> tuple[Prefix, Cursor]:
    """Create a prefix. Without `enterprise` (an id) its owner is the enterprise called `name`, made if need be."""
    authorise(principal, Action.CREATE_PREFIX)
    if isinstance(invalid := parse_prefix(prefix), Invalid):
        raise one_field(invalid.code, "prefix", invalid.message)
    sites = sites or []
    _check_sites(hosting, sites)
    now = to_millisecond(now)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    if await prefixes.by_prefix(connection, prefix) is not None:
        raise Conflict("prefix_exists", f"the prefix {prefix} exists already", remedy="change it with PATCH instead")
    owner = await _owner(connection, principal, now, enterprise, name)
    created = await prefixes.insert(
        connection,
        prefix=prefix,
        name=name,
        enterprise=owner,
        hosting=hosting,
        exact_case=exact_case,
        sites=sites,
        now=now,
    )
    return created, await _record(connection, principal, "create", created)


async def change(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    prefix: str,
    name: str | None = None,
    state: str | None = None,
    hosting: str | None = None,
    sites: list[dict[str, Any]] | None = None,
) -> tuple[Prefix, Cursor]:
    """Change the given members of a prefix. A withdrawn prefix stays withdrawn."""
    authorise(principal, Action.CHANGE_PREFIX)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    found = await _existing(connection, prefix)
    if found.state == "withdrawn":
        raise Conflict("prefix_withdrawn", f"the prefix {prefix} is withdrawn for good", remedy="create another prefix")
    hosting = hosting or found.hosting
    sites = found.sites if sites is None else sites
    _check_sites(hosting, sites)
    changed = await prefixes.update(
        connection,
        found.id,
        name=name or found.name,
        state=state or found.state,
        hosting=hosting,
        sites=sites,
        now=to_millisecond(now),
    )
    op: Op = "withdraw" if changed.state == "withdrawn" else "update"
    return changed, await _record(connection, principal, op, changed)


async def get(connection: Connection, principal: Principal, prefix: str) -> Prefix:
    """Return a prefix the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_PREFIX)
    found = await _existing(connection, prefix)
    check_reaches(principal, Action.READ_PREFIX, found.enterprise)
    return found


async def page(connection: Connection, principal: Principal, after: str, limit: int) -> list[Prefix]:
    """Return the next prefixes the principal may see, in the order of their text."""
    if authorise(principal, Action.LIST_PREFIXES) is Reach.EVERYTHING:
        return await prefixes.page(connection, after, limit)
    if principal.enterprise is None:
        return []
    return await prefixes.page(connection, after, limit, principal.enterprise)


def check_takes_registrations(prefix: Prefix) -> None:
    """Raise `Conflict` unless identifiers may be written below a prefix."""
    if prefix.state != "active":
        raise Conflict(
            f"prefix_{prefix.state}",
            f"the prefix {prefix.prefix} is {prefix.state} and takes no changes",
            remedy="ask an administrator" if prefix.state == "suspended" else "register below another prefix",
        )
    if prefix.hosting != "here":
        raise Conflict(
            "prefix_routed",
            f"the identifiers of {prefix.prefix} are kept by the enterprise's own node",
            remedy="register there, or ask an administrator to host the prefix here",
        )


def unknown_prefix(prefix: str) -> NotFound:
    """Make the error for a prefix that does not exist here."""
    return NotFound(
        "unknown_prefix",
        f"the prefix {prefix} is not registered here",
        remedy="check the spelling, or ask an administrator to create the prefix",
    )


async def _existing(connection: Connection, prefix: str) -> Prefix:
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix(prefix)
    return found


async def _owner(
    connection: Connection, principal: Principal, now: datetime, enterprise_id: str | None, name: str
) -> str:
    if enterprise_id is not None:
        if await enterprises.by_id(connection, enterprise_id) is None:
            raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {enterprise_id}")
        return enterprise_id
    await journal.serialise(connection, KIND_ENTERPRISE, name)
    known = await enterprises.by_name(connection, name)
    if known is not None:
        return known.id
    created = await enterprises.insert(connection, new_id("ent"), name, now)
    await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_ENTERPRISE,
        key=created.id,
        op="create",
        after=enterprise_state(created),
    )
    return created.id


async def _record(connection: Connection, principal: Principal, op: Op, prefix: Prefix) -> Cursor:
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_PREFIX,
        key=prefix.prefix,
        op=op,
        after=prefix_state(prefix),
    )


def _check_sites(hosting: str, sites: list[dict[str, Any]]) -> None:
    """Raise `InvalidFields` unless each site is one that referrals can carry (a Handle value of type HS_SITE)."""
    if hosting == "routed" and not sites:
        raise one_field("no_sites", "sites", "a routed prefix needs the sites where its identifiers are found")
    if len(sites) > SITES_MAX:
        raise one_field("too_many_sites", "sites", f"{len(sites)} sites, at most {SITES_MAX} are kept")
    faults = []
    for at, site in enumerate(sites):
        value = {"index": 1, "type": "HS_SITE", "data": {"format": "site", "value": site}}
        try:
            decode_values([value])
        except ValuesError as error:
            field = error.field.removeprefix("values[0].data").removeprefix(".value").removeprefix(".")
            faults.append(FieldError(f"sites[{at}].{field}".rstrip("."), error.message))
    if faults:
        raise InvalidFields("bad_site", "a site is not well formed", errors=tuple(faults))
