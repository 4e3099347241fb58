"""Which server of a site is responsible for a name (handle wire 10.3)."""

import hashlib
from typing import Final

from identifiers.handle import fold
from identifiers.handle_wire.names import record_named
from identifiers.hs_site import Server, Site

HASH_BY_PREFIX: Final = 0
HASH_BY_SUFFIX: Final = 1


def server_for(site: Site, name: str) -> Server | None:
    """Return the server that holds the record; None if the site has no servers."""
    return site.servers[position(site.hash_option, len(site.servers), name)] if site.servers else None


def position(hash_option: int, servers: int, name: str) -> int:
    """Return the place of the responsible server in the site's list, from 0."""
    prefix, _, suffix = fold(record_named(name)).partition("/")
    hashed = {HASH_BY_PREFIX: prefix, HASH_BY_SUFFIX: suffix}.get(hash_option, f"{prefix}/{suffix}")
    digest = hashlib.md5(hashed.encode(), usedforsecurity=False).digest()
    return abs(int.from_bytes(digest[-4:], "big", signed=True)) % servers
