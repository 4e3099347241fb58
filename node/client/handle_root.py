"""Where a recursive look-up begins: the address of a server, or a file with the root's site record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from identifiers.hs_site import Site, parse_site
from identifiers.hs_site_json import site_from_json
from identifiers.json_text import decode_json
from identifiers.octets import WireError
from identifiers.values import ValuesError
from node.client.errors import UsageError
from node.client.handle_address import parse_address
from node.client.handle_sites import SITES_MAX, Servers

FILE_OCTETS_MAX: Final = 1_048_576


def read_root(root: str) -> Servers:
    """Return the servers that ``root`` names, a file or HOST:PORT; raise UsageError.

    A file holds the octets of an HS_SITE value, or JSON: a site, an answer of ``/api/site``, or an array of either or
    of values of type HS_SITE.
    """
    path = Path(root)
    if not path.is_file():
        return (parse_address(root),)
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_OCTETS_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > FILE_OCTETS_MAX:
        raise UsageError(f"{path} is too long to be a site record")
    try:
        sites = tuple(_sites(octets))[:SITES_MAX]
    except (WireError, ValuesError, orjson.JSONDecodeError) as error:
        raise UsageError(f"{path} is no site record: {error}") from None
    if not any(site.servers for site in sites):
        raise UsageError(f"{path} names no server")
    return sites


def _sites(octets: bytes) -> Iterator[Site]:
    if octets.lstrip()[:1] not in (b"{", b"["):
        yield parse_site(octets)
        return
    decoded = decode_json(octets)
    for item in decoded if isinstance(decoded, list) else [decoded]:
        yield parse_site(site_from_json(_site_object(item), "site"))


def _site_object(item: Any) -> Any:
    """Return the site in a value, in an answer of ``/api/site``, or the site itself."""
    if not isinstance(item, dict):
        return item
    if isinstance(data := item.get("data"), dict):
        return data.get("value")
    return item.get("site", item)
