"""Which servers a prefix has, kept for as long as its record allows: a bounded cache (handle wire 10.3, 10.4)."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from identifiers.handle import fold
from identifiers.handle_wire.responsible import server_for
from identifiers.hs_site import Site, parse_site
from identifiers.octets import WireError
from identifiers.values import Value
from node.client.handle_address import HandleAddress, HandlePlace, place_at, place_of

SITES_MAX: Final = 32
"""Sites of one prefix that are looked at."""
KEPT_S_MIN: Final = 10
KEPT_S_MAX: Final = 86_400
PREFIXES_MAX: Final = 10_000
OWN_TYPES: Final = ("HS_SITE", "HS_SITE.6")
DELEGATION_TYPES: Final = ("HS_SITE.PREFIX", "HS_NA_DELEGATE")
ASKED_TYPES: Final = (*OWN_TYPES, *DELEGATION_TYPES, "HS_SERV")

Servers = tuple[Site | HandleAddress, ...]


class PrefixSites(NamedTuple):
    """Who serves a prefix, and who knows of the prefixes below it; both may be nobody."""

    own: Servers
    below: Servers


class SiteCache:
    """Sites by prefix; the prefix that was not asked about for longest goes first."""

    def __init__(self, prefixes_max: int = PREFIXES_MAX) -> None:
        self._prefixes_max = prefixes_max
        self._kept: OrderedDict[str, tuple[float, PrefixSites]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, prefix: str, now_s: float) -> PrefixSites | None:
        """Return what is known of a prefix and not outdated."""
        key = fold(prefix)
        found = self._kept.get(key)
        if found is None or found[0] <= now_s:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, prefix: str, sites: PrefixSites, until_s: float) -> None:
        """Keep what was learned."""
        self._kept[fold(prefix)] = (until_s, sites)
        self._kept.move_to_end(fold(prefix))
        while len(self._kept) > self._prefixes_max:
            self._kept.popitem(last=False)

    def drop(self, prefix: str) -> bool:
        """Forget a prefix; say whether there was anything to forget."""
        return self._kept.pop(fold(prefix), None) is not None


def sites_in(values: Iterable[Value]) -> PrefixSites:
    """Return the sites in the values of a prefix record; values that hold none are passed over."""
    own: list[Site] = []
    below: list[Site] = []
    for value in values:
        kind = fold(value.type)
        into = own if kind in OWN_TYPES else below if kind in DELEGATION_TYPES else None
        if into is None or len(into) == SITES_MAX:
            continue
        try:
            into.append(parse_site(value.data))
        except WireError:
            continue
    return PrefixSites(tuple(own), tuple(below))


def kept_until(values: Iterable[Value], now_s: float) -> float:
    """Return until when values may be believed: the shortest TTL among them, at least 10 seconds, at most a day."""
    ends = [value.ttl if value.ttl_absolute else now_s + value.ttl for value in values]
    return min(max(min(ends, default=now_s), now_s + KEPT_S_MIN), now_s + KEPT_S_MAX)


def places(servers: Servers, name: str) -> list[HandlePlace]:
    """Return where a name is asked for, one place for each site: the server of it that is responsible."""
    found = [_place(one, name) for one in servers]
    return [place for at, place in enumerate(found) if place is not None and place not in found[:at]]


def _place(one: Site | HandleAddress, name: str) -> HandlePlace | None:
    if isinstance(one, HandleAddress):
        return place_at(one)
    server = server_for(one, name)
    return None if server is None else place_of(server)
