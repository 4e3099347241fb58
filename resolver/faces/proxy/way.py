"""Where a link leads: a location out of several, a URL, or an address for mail (Handle over HTTP, 11.3 and 11.4)."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import quoteattr

from identifiers.handle import fold
from identifiers.selection import publicly_readable, select
from identifiers.values import Value
from resolver.faces.handle_query import Wanted
from resolver.faces.proxy.choice import Chooser, choose
from resolver.faces.proxy.locations import Location, Locations, is_locations, locations_of
from resolver.faces.proxy.record_headers import Header, headers_of
from resolver.location import location_of, usable_location
from resolver.record import TTL_MAX_S, Record

FOUND: Final = 302
STATUSES: Final = {"301": 301, "302": 302, "303": 303, "307": 307, "308": 308}
"""What a location's `http_sc` may ask for."""

_SPECIAL: Final = re.compile(rb'"type":"10320/(?:loc|links|headers)"', re.IGNORECASE)
_MAIL_TYPE: Final = "EMAIL"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Directions:
    """What a request says about where it wants to be led. `extra_headers`: see `headers_of`."""

    asked: Wanted
    chooser: Chooser
    appended: str = ""
    plain_only: bool = False
    """Not by locations (`nols`)."""
    legacy: bool = True
    """`URL` values are locations too (else `no_legacy`)."""
    extra_headers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Way:
    """Where to go, empty for nowhere; `used` are the values it depends on, None for all public ones."""

    location: str = ""
    status: int = FOUND
    headers: tuple[Header, ...] = ()
    vary: tuple[str, ...] = ()
    used: tuple[Value, ...] | None = None

    def max_age_s(self, record: Record, now_s: int) -> int:
        """Return for how long the way may be kept, in seconds."""
        if self.used is None:
            return record.max_age_s(now_s)
        lives = (value.ttl - now_s if value.ttl_absolute else value.ttl for value in self.used)
        return max(0, min((TTL_MAX_S, *lives)))


def way_of(record: Record, name: str, directions: Directions) -> Way:
    """Return where a record leads. Only public values count, whoever asks."""
    asked = directions.asked
    if asked.everything and _SPECIAL.search(record.public_json) is None:
        location = record.location or mail_location(publicly_readable(record.values()))
        return Way(_longer(location, directions.appended))
    values = select(publicly_readable(record.values()), asked.indexes, asked.types)
    return _by_location(values, name, directions) or _by_value(values, directions)


def locations_xml(record: Record, name: str, asked: Wanted) -> bytes:
    """Return all locations of a record as XML."""
    locations = _locations(select(publicly_readable(record.values()), asked.indexes, asked.types), name, legacy=True)
    elements = "".join(_element(location) for location in locations.locations)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<locations>{elements}</locations>\n'.encode()


def mail_location(values: Iterable[Value]) -> str:
    """Return the first e-mail address as a location, or an empty string."""
    for value in values:
        if fold(value.type) == _MAIL_TYPE:
            address = value.data.decode("utf-8", "replace").strip()
            if "@" in address and (location := usable_location(b"mailto:" + quote(address, safe="@+").encode())):
                return location
    return ""


def _by_location(values: tuple[Value, ...], name: str, directions: Directions) -> Way | None:
    if directions.plain_only or not any(is_locations(value) for value in values):
        return None
    among = _locations(values, name, legacy=directions.legacy)
    chosen = choose(among, directions.chooser)
    if chosen is None or not any(is_locations(value) for value in among.used):
        return None
    status = STATUSES.get(chosen.location.attributes.get("http_sc", ""), FOUND)
    headers = tuple(headers_of(values, among.locations, directions.extra_headers))
    return Way(_longer(chosen.location.href, directions.appended), status, headers, chosen.vary, among.used)


def _by_value(values: tuple[Value, ...], directions: Directions) -> Way:
    headers = tuple(headers_of(values, (), directions.extra_headers))
    location = location_of(values) or mail_location(values)
    return Way(_longer(location, directions.appended), headers=headers, used=values)


def _locations(values: tuple[Value, ...], name: str, *, legacy: bool) -> Locations:
    locations, faults = locations_of(values, name, legacy=legacy)
    for fault in faults:
        log.info("locations of %s were ignored: %s", name[:200], fault)
    return locations


def _element(location: Location) -> str:
    attributes = "".join(f" {name}={quoteattr(text)}" for name, text in location.attributes.items())
    return f"<location{attributes}/>"


def _longer(location: str, appended: str) -> str:
    """Append a client's own text, unless it would lead to another place."""
    if not location or not appended:
        return location
    longer = usable_location((location + appended).encode())
    return longer if _place(longer) == _place(location) else location


def _place(location: str) -> tuple[str, str] | None:
    """Return scheme and authority: what a client's own addition to a link must not change."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    return parts.scheme, parts.netloc
