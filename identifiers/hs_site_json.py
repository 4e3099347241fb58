"""The JSON format ``site``: what a site record shows, and the spellings old site files use on the way in."""

import base64
import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from identifiers.hs_key import key_from_json, key_to_json
from identifiers.hs_site import (
    ADMINISTRATION,
    HASH_BY_WHOLE_NAME,
    PRIMARY,
    QUERY,
    SEVERAL_PRIMARIES,
    Interface,
    Server,
    Site,
    encode_site,
    host_of,
    parse_site,
)
from identifiers.json_shape import as_base64, as_hex, as_list, as_number, as_object, as_text, member
from identifiers.octets import WireError
from identifiers.values import ValuesError

_PROTOCOLS: Final = ("UDP", "TCP", "HTTP", "HTTPS")
_OLD_NAMES: Final = {"serverList": "servers", "interfaceList": "interfaces"}
_VERSION: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")
_U1: Final = 0xFF
_U2: Final = 0xFFFF
_IPV4_ZEROS: Final = bytes(12)


def site_to_json(octets: bytes) -> dict[str, Any]:
    """Return what the JSON format ``site`` shows; raise WireError if the octets are no HS_SITE data."""
    site = parse_site(octets)
    shown: dict[str, Any] = {
        "version": site.format_version,
        "protocolVersion": "{}.{}".format(*site.protocol_version),
        "serialNumber": site.serial,
        "primarySite": bool(site.mask & PRIMARY),
        "multiPrimary": bool(site.mask & SEVERAL_PRIMARIES),
    }
    if site.hash_option != HASH_BY_WHOLE_NAME:
        shown["hashOption"] = site.hash_option
    if site.hash_filter:
        shown["hashFilter"] = site.hash_filter.decode(errors="replace")
    shown["attributes"] = [{"name": name, "value": value} for name, value in site.attributes]
    shown["servers"] = [_show_server(server) for server in site.servers]
    return shown


def site_from_json(raw: Any, field: str) -> bytes:
    """Return the data for a value of the JSON format ``site``; raise ValuesError naming the member at fault."""
    found = _new_names(raw, field)
    mask = (PRIMARY if found.get("primarySite") is True else 0) | (
        SEVERAL_PRIMARIES if found.get("multiPrimary") is True else 0
    )
    servers = as_list(found.get("servers", []), f"{field}.servers")
    site = Site(
        as_number(found.get("serialNumber", 1), f"{field}.serialNumber", _U2),
        mask,
        tuple(_read_server(server, f"{field}.servers[{at}]") for at, server in enumerate(servers)),
        tuple(_read_attributes(found.get("attributes", []), f"{field}.attributes")),
        _read_version(found.get("protocolVersion", "2.11"), f"{field}.protocolVersion"),
        as_number(found.get("hashOption", HASH_BY_WHOLE_NAME), f"{field}.hashOption", _U1),
        as_text(found.get("hashFilter", ""), f"{field}.hashFilter").encode(),
        as_number(found.get("version", 1), f"{field}.version", _U2),
    )
    return encode_site(site)


def _show_server(server: Server) -> dict[str, Any]:
    return {
        "serverId": server.id,
        "address": host_of(server),
        "publicKey": _show_key(server.public_key),
        "interfaces": [_show_interface(port) for port in server.interfaces],
    }


def _show_key(octets: bytes) -> dict[str, Any]:
    """Show a key as JWK if that says every octet of it, else as Base64, so that a site can be written back as it is."""
    try:
        shown = key_to_json(octets)
        exact = key_from_json(shown, "publicKey") == octets
    except WireError:
        exact = False
    if exact:
        return {"format": "key", "value": shown}
    return {"format": "base64", "value": base64.b64encode(octets).decode()}


def _show_interface(port: Interface) -> dict[str, Any]:
    known = port.protocol < len(_PROTOCOLS)
    return {
        "query": bool(port.kind & QUERY),
        "admin": bool(port.kind & ADMINISTRATION),
        "protocol": _PROTOCOLS[port.protocol] if known else port.protocol,
        "port": port.port,
    }


def _new_names(raw: Any, field: str) -> dict[str, Any]:
    """Return an object with the member names of today: old site files begin them with upper case."""
    lowered = {name[:1].lower() + name[1:]: value for name, value in as_object(raw, field).items()}
    return {_OLD_NAMES.get(name, name): value for name, value in lowered.items()}


def _read_version(raw: Any, field: str) -> tuple[int, int]:
    match = _VERSION.fullmatch(as_text(raw, field))
    if match is None or int(match[1]) > _U1 or int(match[2]) > _U1:
        raise ValuesError("a protocol version is two numbers of one octet, like 2.11", field)
    return int(match[1]), int(match[2])


def _read_attributes(raw: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(raw, dict):
        for name, value in raw.items():
            for item in value if isinstance(value, list) else [value]:
                yield as_text(name, field), as_text(item, f"{field}.{name}")
        return
    for at, item in enumerate(as_list(raw, field)):
        place = f"{field}[{at}]"
        found = _new_names(item, place)
        yield as_text(member(found, "name", place), place), as_text(member(found, "value", place), place)


def _read_server(raw: Any, field: str) -> Server:
    found = _new_names(raw, field)
    ports = as_list(found.get("interfaces", []), f"{field}.interfaces")
    return Server(
        as_number(member(found, "serverId", field), f"{field}.serverId"),
        _read_address(member(found, "address", field), f"{field}.address"),
        _read_key(found.get("publicKey"), f"{field}.publicKey"),
        tuple(_read_interface(port, f"{field}.interfaces[{at}]") for at, port in enumerate(ports)),
    )


def _read_address(raw: Any, field: str) -> bytes:
    try:
        address = ipaddress.ip_address(as_text(raw, field))
    except ValueError:
        raise ValuesError("this is no IPv4 or IPv6 address", field) from None
    return _IPV4_ZEROS + address.packed if address.version == 4 else address.packed  # noqa: PLR2004 - IPv4


def _read_key(raw: Any, field: str) -> bytes:
    if raw is None:
        return b""
    if isinstance(raw, str):
        return as_hex(raw, field)
    found = _new_names(raw, field)
    reading = {"key": key_from_json, "base64": as_base64, "hex": as_hex}.get(str(found.get("format")).lower())
    if reading is None:
        raise ValuesError("the format of a public key is key, base64 or hex", f"{field}.format")
    return reading(member(found, "value", field), f"{field}.value")


def _read_interface(raw: Any, field: str) -> Interface:
    found = _new_names(raw, field)
    kind = (QUERY if found.get("query") is True else 0) | (ADMINISTRATION if found.get("admin") is True else 0)
    protocol = member(found, "protocol", field)
    if isinstance(protocol, str) and protocol.upper() in _PROTOCOLS:
        protocol = _PROTOCOLS.index(protocol.upper())
    return Interface(
        kind,
        as_number(protocol, f"{field}.protocol", _U1),
        as_number(member(found, "port", field), f"{field}.port"),
    )
