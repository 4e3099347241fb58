"""Who is asking: the client's address and whether the way to it is encrypted, told by the peer or a trusted proxy."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp.web import BaseRequest

FORWARDED_MAX: Final = 32
"""Hops looked at in a forwarding header."""

LOCAL: Final = "local"
"""The address of a peer on a Unix socket."""


@dataclass(frozen=True, slots=True)
class Client:
    """An address as text, and whether requests from it came over TLS."""

    address: str
    secure: bool = False


class TrustedProxies:
    """The peers whose forwarding headers are believed; everybody else's are ignored.

    Behind such a proxy the client is the last address in `X-Forwarded-For` that is not a trusted proxy itself, and
    the way is secure if the proxy's own `X-Forwarded-Proto` says `https`.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """Raise ValueError for a text that is no address or network."""
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, request: BaseRequest) -> Client:
        """Return the client of a request."""
        peer = _peer(request)
        if not self._networks or not self._trusts(peer):
            return Client(peer, secure=request.secure)
        protocols = request.headers.get("X-Forwarded-Proto", "").split(",")
        return Client(self._nearest_stranger(request, peer), secure=protocols[-1].strip().lower() == "https")

    def _nearest_stranger(self, request: BaseRequest, peer: str) -> str:
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        nearest = peer
        for hop in reversed(hops[-FORWARDED_MAX:]):
            address = hop.strip()
            if not _is_address(address):
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _trusts(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._networks)


def _peer(request: BaseRequest) -> str:
    peername = request.transport.get_extra_info("peername") if request.transport else None
    return peername[0] if isinstance(peername, tuple) else LOCAL


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
