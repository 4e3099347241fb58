"""One question to another Handle server, on a TCP connection of its own."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network, ip_address
from time import time
from typing import Final, NamedTuple

from identifiers.handle_wire.client import Exchange, Received, Respond
from identifiers.handle_wire.codes import CERTIFY, REQUEST_FLAGS, RETURN_DIGEST
from identifiers.handle_wire.keys import KeyUnusable, UsablePublicKey, load_public_key
from identifiers.handle_wire.requests import Request
from identifiers.handle_wire.tcp import Refused, StreamFramer
from identifiers.hs_site import Server, host_of
from resolver.handle.auth.limits import Network

_READ_OCTETS: Final = 65_536
_TCP: Final = 1
_PORT_MAX: Final = 65_535
_GLOBAL_V6: Final = IPv6Network("2000::/3")


class Place(NamedTuple):
    """Where a server listens, and the key its answers must be signed with, if that is known."""

    host: str
    port: int
    key: UsablePublicKey | None = None


class Unreadable(Exception):  # noqa: N818 - what is wrong is the answer, which is not used
    """A server sent something that is no answer, or none that may be believed."""


async def ask(place: Place, request: Request) -> Received:
    """Return a server's answer. Raises OSError, WireError, UntrustedAnswer and Unreadable; set a time limit around."""
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        exchange = Exchange(
            request,
            new_request_id=lambda: secrets.randbits(31),
            random=secrets.token_bytes,
            now_s=int(time()),
            flags=REQUEST_FLAGS | RETURN_DIGEST | (CERTIFY if place.key is not None else 0),
            server_key=place.key,
        )
        writer.write(exchange.message())
        return await _answer(reader, exchange)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, exchange: Exchange) -> Received:
    framer = StreamFramer()
    while octets := await reader.read(_READ_OCTETS):
        framer.feed(octets)
        for event in framer.events():
            if isinstance(event, Refused):
                raise event.error
            answer = exchange.receive(event)
            if isinstance(answer, Respond) or answer is None:
                raise Unreadable("the server answered another request")
            return answer
    raise Unreadable("the server closed the connection")


def place_of(server: Server, networks: Sequence[Network]) -> Place | None:
    """Return where a server of a site record is asked, by TCP; None if it offers that nowhere we would go.

    Public addresses are asked, and those in `networks`: a site record may not lead to services inside our own network.
    """
    ports = [port.port for port in server.interfaces if port.protocol == _TCP and 0 < port.port <= _PORT_MAX]
    host = host_of(server)
    if not ports or not may_be_asked(host, networks):
        return None
    try:
        key = load_public_key(server.public_key) if server.public_key else None
    except KeyUnusable:
        return None
    return Place(host, ports[0], key)


def may_be_asked(host: str, networks: Sequence[Network]) -> bool:
    """Say whether an address is public, or in one of the networks."""
    address = ip_address(host)
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_V6 or address.sixtofour or address.teredo):
        return False
    return address.is_global and not address.is_multicast
