"""Who is asking: the client's address and whether the way to it is encrypted, told by the peer or a trusted proxy.

The node's own probes say who they are with a secret that only its processes know.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from aiohttp.web import BaseRequest

FORWARDED_MAX: Final = 32
"""Hops looked at in a forwarding header."""

PROBE_HEADER: Final = "Idn-Probe"
"""Carries the node's probe secret: such requests are answered like any other and counted nowhere."""

PROBE_TYPE: Final = "IDN-PROBE."
"""Begins the type, with the secret behind it, that a probe over the Handle protocol asks for beside its value."""

_FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto")
_HOP: Final = re.compile(r'(?:^|;)\s*for="?\[?([0-9A-F:.]+?)\]?(?::[0-9]+)?"?\s*(?:;|$)', re.IGNORECASE)
_PROTOCOL: Final = re.compile(r'(?:^|;)\s*proto="?(https?)"?\s*(?:;|$)', re.IGNORECASE)

LOCAL: Final = "local"
"""The address of a peer on a Unix socket."""


@dataclass(frozen=True, slots=True)
class Client:
    """An address as text, whether requests from it came over TLS, and whether it is the node probing itself."""

    address: str
    secure: bool = False
    is_probe: bool = False


class TrustedProxies:
    """The peers whose forwarding headers are believed; everybody else's are ignored.

    Behind such a proxy the client is the last address in `X-Forwarded-For` that is not a trusted proxy itself, and
    the way is secure if the proxy's own `X-Forwarded-Proto` says `https`. A proxy that sends neither may say both in
    `Forwarded` (RFC 7239). A request with none of these headers is the peer's own, and secure if it came over TLS.
    """

    def __init__(self, networks: Sequence[str] = (), probe_secret: str = "") -> None:
        """Raise ValueError for a text that is no address or network. Without a secret nobody is a probe."""
        self._probe_secret = probe_secret.encode()
        self.probe_mark = PROBE_TYPE.encode() + self._probe_secret if probe_secret else b""
        """What the node's own probes over the Handle protocol ask for; empty: nobody is a probe."""
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, request: BaseRequest) -> Client:
        """Return the client of a request."""
        client = self._client(request)
        sent = request.headers.get(PROBE_HEADER)
        if sent is None or not self._probe_secret:
            return client
        return replace(client, is_probe=compare_digest(sent.encode("utf-8", "replace"), self._probe_secret))

    def _client(self, request: BaseRequest) -> Client:
        peer = _peer(request)
        if not self._networks or not self._trusts(peer):
            return Client(peer, secure=request.secure)
        if not any(name in request.headers for name in _FORWARDING):
            return Client(peer, secure=request.secure)  # a client in the proxies' own network, or a proxy itself
        hops, protocol = _forwarded(request)
        return Client(self._nearest_stranger(hops, peer), secure=protocol == "https")

    def is_behind(self, request: BaseRequest) -> bool:
        """Say whether a request came from a trusted proxy, whose own headers may be believed."""
        return bool(self._networks) and self._trusts(_peer(request))

    def _nearest_stranger(self, hops: list[str], peer: str) -> str:
        nearest = peer
        for hop in reversed(hops[-FORWARDED_MAX:]):
            address = hop.strip()
            if not _is_address(address):
                break
            nearest = _canonical(address)
            if not self._trusts(address):
                break
        return nearest

    def _trusts(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._networks)


def _peer(request: BaseRequest) -> str:
    peername = request.transport.get_extra_info("peername") if request.transport else None
    return peername[0] if isinstance(peername, tuple) else LOCAL


def _forwarded(request: BaseRequest) -> tuple[list[str], str]:
    """Return the addresses on the way, nearest last, and the protocol that the proxy itself was reached by."""
    headers = request.headers
    if "X-Forwarded-For" in headers or "X-Forwarded-Proto" in headers:
        hops = ",".join(headers.getall("X-Forwarded-For", ())).split(",")
        return hops, headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
    elements = ",".join(headers.getall("Forwarded", ())).split(",")[-FORWARDED_MAX:]
    protocol = _PROTOCOL.search(elements[-1])
    hops = [hop[1] if (hop := _HOP.search(element)) else "" for element in elements]
    return hops, protocol[1].lower() if protocol else ""


def _canonical(address: str) -> str:
    """Return one text for one source, however the proxy writes it: IPv4 as IPv4, though it came on an IPv6 socket."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
