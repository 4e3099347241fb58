"""Where the identifiers of a prefix are found: hosted here, or on the enterprise's own node, with hosting applied for.

A route is kept as HS_SITE data, because that is what referrals carry: one site for each address, since the servers of
one site share its names out among them. Every change of a route gives its sites the next serial.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from identifiers.changes import KIND_PREFIX, Cursor, HostingState
from identifiers.hs_site_json import site_from_json, site_to_json
from registry import journal
from registry.authority import AUTHORITY, Action, Principal, Reach, authorise, check_reaches
from registry.database import Connection
from registry.errors import Conflict, FieldError, InvalidFields, one_field
from registry.service.prefixes import existing, next_serial, record, stored
from registry.states import to_millisecond
from registry.tables.prefixes import Prefix

ADDRESSES_MAX: Final = 8
PORT_MAX: Final = 65_535
NO_ADDRESS: Final = "write an IPv4 or IPv6 address that others can reach, without brackets or zone"
HOSTING_CODES: Final[dict[HostingState, int]] = {"not_hosted": 1, "applied": 2, "rejected": 3, "hosted": 4}
"""The states of hosting as numbers, in the SNMS API."""

_ROUTABLE: Final = ("active", "suspended")


@dataclass(frozen=True, slots=True)
class Address:
    """An address of an enterprise's node, in canonical text, and the ports that answer there; at least one."""

    ip: str
    tcp_port: int | None = None
    udp_port: int | None = None
    http_port: int | None = None
    http_tls: bool = False

    @property
    def ip_type(self) -> str:
        """IPv4 or IPv6 (T7 of the national docking contract)."""
        return "IPv6" if ":" in self.ip else "IPv4"


async def route(
    connection: Connection,
    principal: Principal,
    now: datetime,
    prefix: str,
    *,
    addresses: Sequence[Address],
    keep_other_type: bool = False,
) -> tuple[Prefix, Cursor | None]:
    """Send look-ups below a prefix to the enterprise's own node. Replaces the addresses there were.

    Without a cursor nothing changed, because it was so already.

    `keep_other_type`: one address replaces those of its own IP type only, so that two calls make a dual-stack route.
    Raises `Conflict` for a prefix that is not in force, `InvalidFields` with every fault of the addresses.
    """
    found = await _routable(connection, principal, prefix)
    checked = _checked(addresses)
    if keep_other_type and found.hosting == "routed":
        types = {address.ip_type for address in checked}
        checked += [address for address in addresses_of(found) if address.ip_type not in types]
    checked.sort(key=lambda address: (address.ip_type, address.ip))
    if found.hosting == "routed" and tuple(checked) == addresses_of(found) and found.hosting_state == "not_hosted":
        return found, None
    serial = next_serial(found)
    sites = [_site(address, serial) for address in checked]
    changed = replace(
        found,
        hosting="routed",
        hosting_state="not_hosted",
        sites=sites,
        route_serial=serial,
        updated_at=to_millisecond(now),
    )
    return await _write(connection, principal, changed)


async def host(
    connection: Connection, principal: Principal, now: datetime, prefix: str
) -> tuple[Prefix, Cursor | None]:
    """Have a prefix hosted here: at once if an administrator says so, else an administrator decides.

    Until then look-ups go where they went before. Without a cursor nothing changed, because it was so already.
    """
    found = await _routable(connection, principal, prefix)
    if found.hosting_state == "hosted":
        return found, None
    if AUTHORITY[Action.ROUTE_PREFIX][principal.role] is Reach.EVERYTHING:
        return await _write(connection, principal, _hosted(found, now))
    if found.hosting_state == "applied":
        return found, None
    reason = "" if found.hosting_state == "rejected" else found.reason  # what was refused before is asked anew
    applied = replace(found, hosting_state="applied", reason=reason, updated_at=to_millisecond(now))
    return await _write(connection, principal, applied)


async def decide_hosting(
    connection: Connection, principal: Principal, now: datetime, prefix: str, *, accepted: bool, reason: str = ""
) -> tuple[Prefix, Cursor]:
    """Decide an application to be hosted here. Raises `Conflict` when there is none."""
    authorise(principal, Action.CHANGE_PREFIX)
    found = await _routable(connection, principal, prefix)
    if found.hosting_state != "applied":
        raise Conflict(
            "hosting_not_applied_for",
            f"hosting of {prefix} is {found.hosting_state}",
            remedy=f"host it with POST /api/v1/prefixes/{prefix}:host",
        )
    if accepted:
        return await _write(connection, principal, _hosted(found, now))
    if not reason:
        raise one_field("reason_missing", "reason", "hosting is refused with a reason, for the enterprise to read")
    refused = replace(found, hosting_state="rejected", reason=reason, updated_at=to_millisecond(now))
    return await _write(connection, principal, refused)


def addresses_of(prefix: Prefix) -> tuple[Address, ...]:
    """Return where a routed prefix is served, from whatever sites it was given; in the order of the addresses."""
    if prefix.hosting != "routed":
        return ()
    # Sites given as they are may be in the spelling of old site files: what is kept of them tells the same in ours.
    sites = [site_to_json(site_from_json(site, "site")) for site in prefix.sites]
    servers = [server for site in sites for server in site["servers"]]
    found = {address.ip: address for server in servers if (address := _address(server)) is not None}
    return tuple(sorted(found.values(), key=lambda address: (address.ip_type, address.ip)))


def canonical_address(text: str) -> str | None:
    """Return an address in its canonical form (RFC 5952); None for what is none, or no place a client can go to."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.scope_id)
    nowhere = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return None if mapped or nowhere or str(address) == "255.255.255.255" else str(address)


async def _routable(connection: Connection, principal: Principal, prefix: str) -> Prefix:
    authorise(principal, Action.ROUTE_PREFIX)
    await journal.serialise(connection, KIND_PREFIX, prefix)
    found = await existing(connection, prefix)
    check_reaches(principal, Action.ROUTE_PREFIX, found.enterprise)
    if found.state not in _ROUTABLE:
        raise Conflict(
            "prefix_not_in_force",
            f"the prefix {prefix} is {found.state}",
            remedy="say where it is found once it is active",
        )
    return found


async def _write(connection: Connection, principal: Principal, prefix: Prefix) -> tuple[Prefix, Cursor]:
    changed = await stored(connection, prefix)
    return changed, await record(connection, principal, "update", changed)


def _hosted(prefix: Prefix, now: datetime) -> Prefix:
    return replace(
        prefix,
        hosting="here",
        hosting_state="hosted",
        sites=[],
        route_serial=next_serial(prefix),
        updated_at=to_millisecond(now),
    )


def _checked(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses in canonical text. Raises `InvalidFields` with all that is wrong with them."""
    if not 1 <= len(addresses) <= ADDRESSES_MAX:
        raise one_field("bad_route", "addresses", f"a route has 1 to {ADDRESSES_MAX} addresses")
    faults: list[FieldError] = []
    checked: list[Address] = []
    for at, address in enumerate(addresses):
        where = f"addresses[{at}]"
        ip = canonical_address(address.ip)
        if ip is None:
            faults.append(FieldError(f"{where}.ip", NO_ADDRESS))
        elif any(ip == before.ip for before in checked):
            faults.append(FieldError(f"{where}.ip", "this address occurs twice: name all its ports in one place"))
        ports = (address.tcp_port, address.udp_port, address.http_port)
        if all(port is None for port in ports):
            faults.append(FieldError(where, "at least one of tcp_port, udp_port and http_port is needed"))
        if any(port is not None and not 1 <= port <= PORT_MAX for port in ports):
            faults.append(FieldError(where, f"a port is a number from 1 to {PORT_MAX}"))
        checked.append(replace(address, ip=ip or "", http_tls=address.http_tls and address.http_port is not None))
    if faults:
        raise InvalidFields(
            "bad_route", "the route is not well formed", remedy="correct the fields named", errors=tuple(faults)
        )
    return checked


def _site(address: Address, serial: int) -> dict[str, Any]:
    web = "HTTPS" if address.http_tls else "HTTP"
    ports = (("TCP", address.tcp_port), ("UDP", address.udp_port), (web, address.http_port))
    interfaces = [
        {"query": True, "admin": False, "protocol": protocol, "port": port} for protocol, port in ports if port
    ]
    return {
        "version": 1,
        "protocolVersion": "2.11",
        "serialNumber": serial,
        "primarySite": True,
        "multiPrimary": False,
        "attributes": [],
        "servers": [{"serverId": 1, "address": address.ip, "interfaces": interfaces}],
    }


def _address(server: dict[str, Any]) -> Address | None:
    """Read a server of a site as an address; None when it answers no queries by any protocol we know."""
    ports = {interface["protocol"]: interface["port"] for interface in server["interfaces"] if interface["query"]}
    plain = ports.get("HTTP")
    address = Address(
        ip=server["address"],
        tcp_port=ports.get("TCP"),
        udp_port=ports.get("UDP"),
        http_port=plain or ports.get("HTTPS"),
        http_tls=plain is None and "HTTPS" in ports,
    )
    return address if address.tcp_port or address.udp_port or address.http_port else None
