"""Headers that a record brings along: `Link` from its locations and links, and a few of its own (12.4)."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from identifiers.handle import fold
from identifiers.values import Value
from resolver.faces.proxy.locations import BadLocations, Location, parse_flat
from resolver.location import usable_location

LINKS_MAX: Final = 20
OCTETS_MAX: Final = 4_096
"""Of all headers that one record brings."""

_ALLOWED: Final = frozenset(("link", "content-language", "cache-control"))
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VISIBLE: Final = re.compile("[\\t -~]*")
_RELATION: Final = re.compile(r"[A-Za-z0-9!#$&+.:/?=_%~ -]{1,255}")
_PARAMETERS: Final = ("anchor", "type", "hreflang", "media", "title")
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})

Header = tuple[str, str]


def headers_of(values: Iterable[Value], locations: Iterable[Location], extra: frozenset[str]) -> list[Header]:
    """Return the headers for public values and locations, whole ones until the bounds are reached.

    `extra`: names beginning `x-`, in lower case, that values of type `10320/headers` may set besides the usual ones.
    What must not stand in a header is left out.
    """
    kept = tuple(values)
    links = [*(location.attributes for location in locations), *_links(kept)]
    headers = [("Link", link) for attributes in links if (link := _link(attributes))]
    headers += _own(kept, extra)
    return _bounded(headers)


def _links(values: tuple[Value, ...]) -> list[dict[str, str]]:
    """Return the attributes of `link` elements in values of type `10320/links`; broken XML is ignored."""
    found: list[dict[str, str]] = []
    for value in values:
        if fold(value.type) == "10320/LINKS":
            try:
                found += parse_flat(value.data, ("links", "locations"), ("link", "location"))[1]
            except BadLocations:
                continue
    return found


def _link(attributes: Mapping[str, str]) -> str:
    relation, href = attributes.get("rel", ""), usable_location(attributes.get("href", "").encode())
    if not href or "<" in href or ">" in href or not _RELATION.fullmatch(relation):
        return ""
    parts = [f'<{href}>; rel="{relation}"']
    parts += (parameter for name in _PARAMETERS if (parameter := _parameter(name, attributes.get(name))))
    return "; ".join(parts)


def _parameter(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if _VISIBLE.fullmatch(value):
        return f'{name}="{value.translate(_ESCAPED)}"'
    return f"title*=UTF-8''{quote(value, safe='')}" if name == "title" else ""


def _own(values: tuple[Value, ...], extra: frozenset[str]) -> list[Header]:
    """Return the lines `Name: value` of values of type `10320/headers` that are allowed."""
    found: list[Header] = []
    for value in values:
        if fold(value.type) != "10320/HEADERS":
            continue
        for line in value.data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
            name, colon, text = line.partition(":")
            name, text = name.strip(), text.strip()
            allowed = name.lower() in _ALLOWED or name.lower() in extra
            if colon and allowed and _TOKEN.fullmatch(name) and text and _VISIBLE.fullmatch(text):
                found.append((name, text))
    return found


def _bounded(headers: list[Header]) -> list[Header]:
    kept: list[Header] = []
    octets = links = 0
    for name, text in headers:
        is_link = name.lower() == "link"
        octets += len(name) + len(text) + 4
        links += is_link
        if octets > OCTETS_MAX:
            break
        if not is_link or links <= LINKS_MAX:
            kept.append((name, text))
    return kept
