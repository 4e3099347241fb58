"""Where the load goes: the URL taken apart, and the rule that only this machine is a target unless allowed."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

PORTS = {"http": 80, "handle": 2641}


class TargetError(Exception):
    """The target's URL cannot be used; the message says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to send load to: the address to connect to and the Host it is asked for."""

    address: str
    port: int
    host: str


def parse_target(url: str, *, allow_remote: bool, scheme: str = "http") -> Target:
    """Return the target that `url` names; raise TargetError when it cannot or must not be loaded.

    A load test is an attack on whoever did not ask for it, so an address other than loopback
    needs `allow_remote`. A name counts as loopback only when all its addresses are.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS[scheme]
    except ValueError as error:
        raise TargetError(f"{url!r} is not a URL ({error}); write {scheme}://HOST:PORT") from error
    if parts.scheme != scheme or not host:
        tls = " (TLS is measured at the proxy, not here)" if scheme == "http" else ""
        raise TargetError(f"{url!r} cannot be loaded: write {scheme}://HOST:PORT{tls}")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise TargetError(f"{url!r} has more than a host and a port; the scenario chooses the paths")
    addresses = _addresses(host, port)
    if not allow_remote and not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise TargetError(f"{host} is not this machine; add --allow-remote if its owner agreed to be loaded")
    return Target(address=addresses[0], port=port, host=parts.netloc)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetError(f"the host {host!r} cannot be resolved: {error.strerror}") from error
    return [str(entry[4][0]).partition("%")[0] for entry in found]
