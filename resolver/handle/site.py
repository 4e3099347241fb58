"""This node's own site record: what clients are told about where and how to reach it (handle wire 10.3)."""

import ipaddress
from collections.abc import Sequence

from identifiers.hs_site import ADMINISTRATION, PRIMARY, QUERY, Interface, Server, Site, encode_site

UDP, TCP, HTTP, HTTPS = range(4)
SERVER_ID = 1
_IPV4 = 4
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def own_site(
    addresses: Sequence[Address],
    port: int,
    *,
    serial: int,
    description: str = "",
    public_key: bytes = b"",
    http: tuple[int, int] | None = None,
) -> bytes:
    """Return the data of HS_SITE: one server at the first address, the others as attributes that name this server.

    `http` is the protocol (HTTP or HTTPS) and the port of the HTTP interface. `public_key` is in its binary form.
    """
    interfaces = [Interface(ADMINISTRATION | QUERY, TCP, port), Interface(QUERY, UDP, port)]
    if http is not None:
        interfaces.append(Interface(ADMINISTRATION | QUERY, *http))
    attributes = [("desc", description)] if description else []
    attributes += [(f"alt_addr.{SERVER_ID}", str(other)) for other in addresses[1:]]
    server = Server(SERVER_ID, _octets(addresses[0]), public_key, tuple(interfaces))
    return encode_site(Site(serial, PRIMARY, (server,), tuple(attributes)))


def _octets(address: Address) -> bytes:
    return bytes(12) + address.packed if address.version == _IPV4 else address.packed
