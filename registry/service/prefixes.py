"""Prefixes and the enterprises they belong to: creating, changing, and finding the one a registration goes under."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from identifiers.changes import KIND_ENTERPRISE, KIND_PREFIX, Cursor, Hosting, HostingState, Op
from identifiers.handle import parse_prefix
from identifiers.identifier import Invalid
from identifiers.value_json import decode_values
from identifiers.values import ValuesError
from registry import journal
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import ChangedMeanwhile, Conflict, FieldError, InvalidFields, NotFound, one_field
from registry.ids import new_id
from registry.service.enterprise_states import WORKING
from registry.states import enterprise_state, prefix_state, to_millisecond
from registry.tables import enterprises, prefixes
from registry.tables.enterprises import Enterprise
from registry.tables.prefixes import Prefix, Wanted

SITES_MAX: Final = 16
SERIAL_MAX: Final = 0xFFFF
_REMEDIES: Final = {
    "applied": "wait until it is approved",
    "under_review": "wait until the national node has approved it",
    "suspended": "ask an administrator",
}


async def create(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    prefix: str,
    name: str,
    enterprise: str | None = None,
    hosting: Hosting = "here",
    exact_case: bool = False,
    sites: list[dict[str, Any]] | None = None,
    national: bool = True,
) -> tuple[Prefix, Cursor]:
    """Create a prefix. Without `enterprise` (an id) its owner is the enterprise called `name`, made if need be.

    It is one of the national roots unless `national` is false.
    """
    authorise(principal, Action.CREATE_PREFIX)
    if national and isinstance(invalid := parse_prefix(prefix), Invalid):
        raise one_field(invalid.code, "prefix", invalid.message)
    sites = sites or []
    _check_sites(hosting, sites)
    now = to_millisecond(now)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    if await prefixes.by_prefix(connection, prefix) is not None:
        raise prefix_exists(prefix)
    owner = await _owner(connection, principal, now, enterprise, name)
    created = await prefixes.insert(
        connection,
        prefix=prefix,
        name=name,
        enterprise=owner,
        hosting=hosting,
        hosting_state=_hosting_state(hosting),
        exact_case=exact_case,
        sites=sites,
        now=now,
    )
    return created, await record(connection, principal, "create", created)


async def change(
    connection: Connection,
    principal: Principal,
    now: datetime,
    *,
    prefix: str,
    name: str | None = None,
    hosting: Hosting | None = None,
    sites: list[dict[str, Any]] | None = None,
) -> tuple[Prefix, Cursor]:
    """Change the given members of a prefix; its state is moved by `prefix_states`. A withdrawn one stays as it is."""
    authorise(principal, Action.CHANGE_PREFIX)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    found = await existing(connection, prefix)
    if found.state == "withdrawn":
        raise withdrawn_for_good(prefix)
    hosting = hosting or found.hosting
    sites = found.sites if sites is None else sites
    _check_sites(hosting, sites)
    rerouted = (hosting, sites) != (found.hosting, found.sites)
    changed = replace(
        found,
        name=name or found.name,
        hosting=hosting,
        hosting_state=_hosting_state(hosting) if hosting != found.hosting else found.hosting_state,
        sites=sites,
        route_serial=next_serial(found) if rerouted else found.route_serial,
        updated_at=to_millisecond(now),
    )
    changed = await stored(connection, changed)
    return changed, await record(connection, principal, "update", changed)


async def get(connection: Connection, principal: Principal, prefix: str) -> Prefix:
    """Return a prefix the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_PREFIX)
    found = await existing(connection, prefix)
    check_reaches(principal, Action.READ_PREFIX, found.enterprise)
    return found


async def page(
    connection: Connection, principal: Principal, after: str, limit: int, state: str | None = None
) -> list[Prefix]:
    """Return the next prefixes the principal may see, in the order of their text; with `state` those in it."""
    if authorise(principal, Action.LIST_PREFIXES) is Reach.EVERYTHING:
        return await prefixes.page(connection, after, limit, None, state)
    if principal.enterprise is None:
        return []
    return await prefixes.page(connection, after, limit, principal.enterprise, state)


async def numbered_page(
    connection: Connection, principal: Principal, wanted: Wanted, offset: int, limit: int
) -> tuple[list[Prefix], int]:
    """Return the prefixes wanted that the principal may see, newest first, and how many there are in all."""
    if authorise(principal, Action.LIST_PREFIXES) is not Reach.EVERYTHING:
        if principal.enterprise is None or wanted.enterprise not in (None, principal.enterprise):
            return [], 0
        wanted = replace(wanted, enterprise=principal.enterprise)
    return await prefixes.numbered_page(connection, wanted, offset, limit)


def check_takes_registrations(prefix: Prefix) -> None:
    """Raise `Conflict` unless identifiers may be written below a prefix."""
    if prefix.state != "active":
        raise Conflict(
            f"prefix_{prefix.state}",
            f"the prefix {prefix.prefix} is {prefix.state} and takes no changes",
            remedy=_REMEDIES.get(prefix.state, "register below another prefix"),
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


def prefix_exists(prefix: str) -> Conflict:
    """Make the error for a prefix that somebody has, had, or applies for."""
    return Conflict("prefix_exists", f"the prefix {prefix} is taken", remedy="choose another, or the next free one")


def withdrawn_for_good(prefix: str) -> Conflict:
    """Make the error for a change of a prefix that is no more."""
    return Conflict("prefix_withdrawn", f"the prefix {prefix} is withdrawn for good", remedy="apply for another prefix")


async def existing(connection: Connection, prefix: str) -> Prefix:
    """Return a prefix, whoever asks. Raises `NotFound`."""
    found = await prefixes.by_prefix(connection, prefix)
    if found is None:
        raise unknown_prefix(prefix)
    return found


async def stored(connection: Connection, prefix: Prefix) -> Prefix:
    """Store a changed prefix. Raises `ChangedMeanwhile` when a later transaction has changed it."""
    changed = await prefixes.update(connection, prefix)
    if changed is None:
        raise ChangedMeanwhile(prefix.prefix)
    return changed


async def record(connection: Connection, principal: Principal, op: Op, prefix: Prefix) -> Cursor:
    """Write a prefix as it is now into the journal."""
    return await journal.append(
        connection,
        actor=principal.account,
        kind=KIND_PREFIX,
        key=prefix.prefix,
        op=op,
        after=prefix_state(prefix),
    )


def next_serial(prefix: Prefix) -> int:
    """Return the serial of the prefix's next route: an HS_SITE value has two octets for it, and 0 means none."""
    return prefix.route_serial % SERIAL_MAX + 1


async def _owner(
    connection: Connection, principal: Principal, now: datetime, enterprise_id: str | None, name: str
) -> str:
    if enterprise_id is not None:
        owner = await enterprises.by_id(connection, enterprise_id)
        if owner is None:
            raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {enterprise_id}")
        return _working(owner).id
    await journal.serialise(connection, KIND_ENTERPRISE, name)
    known = await enterprises.by_name(connection, name)
    if known is not None:
        return _working(known).id
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


def _working(owner: Enterprise) -> Enterprise:
    """Raise `Conflict` for an enterprise that may have no prefix in force: its name alone proves nothing."""
    if owner.state not in WORKING:
        raise Conflict(
            "enterprise_not_approved", f"{owner.name} is {owner.state}", remedy="review its application first"
        )
    return owner


def _hosting_state(hosting: Hosting) -> HostingState:
    return "hosted" if hosting == "here" else "not_hosted"


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
        raise InvalidFields(
            "bad_site",
            "a site is not well formed",
            remedy="correct the fields listed and send the request again",
            errors=tuple(faults),
        )
