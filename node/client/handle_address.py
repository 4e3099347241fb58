"""Where a Handle server listens: HOST:PORT as people write it, and the servers of a site record (handle wire 10.3)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from identifiers.hs_site import QUERY, Server, host_of
from node.client.errors import UsageError

PORT: Final = 2641
PORT_MAX: Final = 65_535
UDP: Final = 0
TCP: Final = 1


@dataclass(frozen=True, slots=True)
class HandleAddress:
    """A host, by name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HandlePlace:
    """How one server is reached; None for a transport it does not offer."""

    tcp: HandleAddress | None
    udp: HandleAddress | None

    def __str__(self) -> str:
        return str(self.tcp or self.udp)


def parse_address(text: str) -> HandleAddress:
    """Return the address in ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``; raise UsageError. The default port is 2641."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or "/" in text or "@" in text or port == 0:
        raise UsageError(f"{text!r} is not the address of a Handle server; give one like 192.0.2.1:2641")
    return HandleAddress(host, PORT if port is None else port)


def place_at(address: HandleAddress) -> HandlePlace:
    """Return a server that takes both transports at one port, as all do by default."""
    return HandlePlace(address, address)


def place_of(server: Server) -> HandlePlace | None:
    """Return how a server of a site record is reached with look-ups; None if it is not, by TCP or UDP."""
    host = host_of(server)
    ports: dict[int, int] = {}
    for interface in server.interfaces:
        if interface.kind & QUERY and 0 < interface.port <= PORT_MAX:
            ports.setdefault(interface.protocol, interface.port)
    tcp, udp = (HandleAddress(host, ports[way]) if way in ports else None for way in (TCP, UDP))
    return HandlePlace(tcp, udp) if tcp or udp else None
