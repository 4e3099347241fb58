"""How this node presents itself to Handle clients: its site record and the key that signs its answers."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from identifiers.handle_wire.keys import public_octets
from node.addresses import HostPort
from node.errors import DataDirectoryError
from node.handle_bounds import reassembly_limits
from node.settings import Settings
from resolver.handle.limits import HandleLimits, HandleSettings
from resolver.handle.server_key import ServerKeyUnusable, ensure_server_key, read_server_key
from resolver.handle.site import HTTP, HTTPS, own_site

Address = IPv4Address | IPv6Address
_WEB_PORTS: Final = {"http": 80, "https": 443}
_ELSEWHERE: Final = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}
"""Addresses for documentation. Nothing is sent there: the system only says from where it would be."""


def ensure_handle_key(path: Path) -> None:
    """Make the key that answers are signed with, if there is none. Raises `DataDirectoryError` for an unusable one."""
    try:
        ensure_server_key(path)
    except ServerKeyUnusable as error:
        raise DataDirectoryError(str(error)) from error


def handle_settings(settings: Settings, port: int) -> HandleSettings:
    """Return what a worker needs to speak Handle on `port`. Raises ServerKeyUnusable."""
    handle, key_file = settings.handle, settings.handle_key_file
    site = own_site(
        public_addresses(handle.public_addresses, handle.address),
        port,
        serial=handle.site_serial,
        description=handle.site_description,
        public_key=public_octets(read_server_key(key_file)),
        http=_http_interface(settings.public_url),
    )
    limits = HandleLimits(
        connections=handle.connections_max,
        per_address=handle.connections_per_address_max,
        pipeline=handle.pipeline_max,
        first_message_s=handle.first_message_timeout_s,
        message_s=handle.message_timeout_s,
        idle_s=handle.idle_timeout_s,
        stall_s=handle.write_stall_timeout_s,
        answers_per_source=handle.udp_answers_per_s,
        octets_per_source=handle.udp_octets_per_s,
        signed_per_source=handle.udp_signed_per_s,
        signed_in_all=handle.udp_signed_in_all_per_s,
        udp_answer_octets=handle.udp_answer_octets_max,
        reassembly=reassembly_limits(handle),
    )
    return HandleSettings(handle.address.host, port, site, key_file, limits)


def public_addresses(written: str, listening: HostPort) -> list[Address]:
    """Return where clients reach the node: as written, else where it listens, else from where it would speak."""
    if written:
        return [ip_address(text.strip()) for text in written.split(",")]
    family, _, _, _, place = socket.getaddrinfo(listening.host, 0, type=socket.SOCK_DGRAM)[0]
    address = ip_address(str(place[0]).partition("%")[0])
    return [_outward(family) or address] if address.is_unspecified else [address]


def _outward(family: int) -> Address | None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE[socket.AddressFamily(family)])
            return ip_address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return None


def _http_interface(public_url: str) -> tuple[int, int] | None:
    """Return protocol and port of the HTTP interface, where the node knows how clients reach it."""
    parts = urlsplit(public_url)
    if parts.scheme not in _WEB_PORTS:
        return None
    return HTTPS if parts.scheme == "https" else HTTP, parts.port or _WEB_PORTS[parts.scheme]
