"""Where a redirect goes: the first usable URL among a record's public values (Handle proxy rules)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from urllib.parse import quote

from identifiers.values import Value

SCHEMES = ("http", "https", "ftp", "mailto", "info", "urn", "hdl", "doi", "geo")
"""Nothing else is redirected to: `javascript:` or `data:` in a value must not run in a scanner's browser."""

URL_TYPES = ("URL", "0.TYPE/URL")
LOCATION_OCTETS_MAX = 4_096
_CONTROLS = re.compile("[\x00-\x1f\x7f]")
_RANK_ONLY = itemgetter(0)
_VISIBLE_ASCII = "!#$%&'()*+,/:;=?@[]~\"<>\\^`{|}"
_UNSAFE = re.compile(f"[^A-Za-z0-9_.\\-{re.escape(_VISIBLE_ASCII)}]")


def location_of(values: Iterable[Value]) -> str:
    """Return the Location of a redirect: a value of type URL, else one of type `URL.*`; empty if none is usable."""
    ranked = [(rank, value.data) for value in values if (rank := _rank(value.type)) is not None]
    if len(ranked) > 1:
        ranked.sort(key=_RANK_ONLY)
    return next((location for _, data in ranked if (location := usable_location(data))), "")


def redirects(type_: str) -> bool:
    """Say whether data of this type may be where a redirect goes."""
    return _rank(type_) is not None


@lru_cache(maxsize=4_096)
def _rank(type_: str) -> int | None:
    upper = type_.upper()
    if upper in URL_TYPES:
        return 0
    return 1 if upper.startswith("URL.") else None


def usable_location(data: bytes) -> str:
    """Return `data` as a header-safe URL, or an empty string when it must not be redirected to."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    scheme, colon, _ = text.partition(":")
    if not colon or scheme.lower() not in SCHEMES or _CONTROLS.search(text):
        return ""
    location = quote(text, safe=_VISIBLE_ASCII) if _UNSAFE.search(text) else text
    return location if len(location) <= LOCATION_OCTETS_MAX else ""
