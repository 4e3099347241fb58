"""HS_SITE: the servers a prefix is served by (RFC 3651, section 3.2.2, in the layout existing software writes)."""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec

from identifiers.octets import OctetReader, string

FORMAT_VERSION: Final = 1
PRIMARY: Final = 0x80
SEVERAL_PRIMARIES: Final = 0x40
HASH_BY_WHOLE_NAME: Final = 2
ADMINISTRATION: Final = 0x01
QUERY: Final = 0x02

_ADDRESS_OCTETS: Final = 16
_BEFORE_IPV4: Final = (bytes(12), bytes(10) + b"\xff\xff")
_ATTRIBUTE_OCTETS_MIN: Final = 8
_SERVER_OCTETS_MIN: Final = 28
_INTERFACE_OCTETS_MIN: Final = 6


class Interface(msgspec.Struct, frozen=True):
    """A port: ``kind`` is ADMINISTRATION, QUERY or both; ``protocol`` is 0 UDP, 1 TCP, 2 HTTP, 3 HTTPS."""

    kind: int
    protocol: int
    port: int


class Server(msgspec.Struct, frozen=True):
    """A server: 16 octets of address (IPv4 after 12 zero octets), the data of its public key, its ports."""

    id: int
    address: bytes
    public_key: bytes
    interfaces: tuple[Interface, ...]


class Site(msgspec.Struct, frozen=True):
    """A site: ``serial`` rises with every change; ``mask`` is made of PRIMARY and SEVERAL_PRIMARIES."""

    serial: int
    mask: int
    servers: tuple[Server, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    protocol_version: tuple[int, int] = (2, 11)
    hash_option: int = HASH_BY_WHOLE_NAME
    hash_filter: bytes = b""
    format_version: int = FORMAT_VERSION


def host_of(server: Server) -> str:
    """Return the address of a server as text; IPv4 also where it is written as ::ffff:a.b.c.d (RFC 3651)."""
    head, tail = server.address[:12], server.address[12:]
    if head in _BEFORE_IPV4 and (tail[0] or not any(server.address)):  # not ::1 and its like
        return str(IPv4Address(tail))
    return str(IPv6Address(server.address))


def parse_site(octets: bytes) -> Site:
    """Parse the data of an HS_SITE value; raise WireError if it is none. Octets after it are ignored."""
    reader = OctetReader(octets)
    version = reader.u2()
    protocol_version = (reader.u1(), reader.u1())
    serial, mask, option = reader.u2(), reader.u1(), reader.u1()
    hash_filter = reader.octets()
    attributes = tuple((reader.text(), reader.text()) for _ in range(reader.count(_ATTRIBUTE_OCTETS_MIN)))
    servers = tuple(_read_server(reader) for _ in range(reader.count(_SERVER_OCTETS_MIN)))
    return Site(serial, mask, servers, attributes, protocol_version, option, hash_filter, version)


def encode_site(site: Site) -> bytes:
    """Return the data of an HS_SITE value, without an octet more: some clients refuse any rest."""
    head = bytes((*site.format_version.to_bytes(2, "big"), *site.protocol_version, *site.serial.to_bytes(2, "big")))
    attributes = [string(name.encode()) + string(value.encode()) for name, value in site.attributes]
    return b"".join(
        (
            head,
            bytes((site.mask, site.hash_option)),
            string(site.hash_filter),
            _counted(attributes),
            _counted([_encode_server(server) for server in site.servers]),
        )
    )


def _read_server(reader: OctetReader) -> Server:
    identifier, address, public_key = reader.u4(), reader.take(_ADDRESS_OCTETS), reader.octets()
    ports = range(reader.count(_INTERFACE_OCTETS_MIN))
    return Server(identifier, address, public_key, tuple(_read_interface(reader) for _ in ports))


def _read_interface(reader: OctetReader) -> Interface:
    return Interface(reader.u1(), reader.u1(), reader.u4())


def _encode_server(server: Server) -> bytes:
    interfaces = [bytes((port.kind, port.protocol)) + port.port.to_bytes(4, "big") for port in server.interfaces]
    return server.id.to_bytes(4, "big") + server.address + string(server.public_key) + _counted(interfaces)


def _counted(items: list[bytes]) -> bytes:
    return len(items).to_bytes(4, "big") + b"".join(items)
