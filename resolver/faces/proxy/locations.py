"""Locations of a record: the XML in values of type `10320/loc`, and `URL` values (Handle over HTTP, 12.1, 12.3).

Inclusion of other records' locations (`include`, `includeNamespace`) and namespace defaults are ignored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import quote
from xml.parsers import expat

from identifiers.handle import fold
from identifiers.values import Value
from resolver.location import URL_TYPES, usable_location

XML_OCTETS_MAX: Final = 65_536
LOCATIONS_MAX: Final = 1_000
NETWORKS_MAX: Final = 64
"""Of one location's `addresses`; the rest are ignored."""
DEFAULT_METHODS: Final = ("locatt", "address", "country", "score", "weighted")

_TYPE: Final = "10320/LOC"
_PATH_SAFE: Final = "/"


class BadLocations(ValueError):  # noqa: N818 - names what was found
    """The XML of a value cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Location:
    """One place to go. `href` is ready for a header, empty if it must not be redirected to."""

    attributes: Mapping[str, str]
    href: str

    def number(self, name: str, missing: float) -> float:
        """Return a numeric attribute; text that is no finite number counts as missing."""
        try:
            number = float(self.attributes[name])
        except (KeyError, ValueError):
            return missing
        return number if abs(number) < float("inf") else missing

    @property
    def weight(self) -> float:
        """Return the weight, never negative."""
        return max(0.0, self.number("weight", 1.0))

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the clients the location is for; what is no network is ignored."""
        networks: list[IPv4Network | IPv6Network] = []
        for text in self.attributes.get("addresses", "").split(",")[:NETWORKS_MAX]:
            try:
                networks.append(ip_network(text.strip(), strict=False))
            except ValueError:
                continue
        return tuple(networks)


@dataclass(frozen=True, slots=True)
class Locations:
    """Every location of a record, and the methods to choose by, in order."""

    locations: tuple[Location, ...] = ()
    methods: tuple[str, ...] = DEFAULT_METHODS
    used: tuple[Value, ...] = field(default=(), repr=False)
    """The values they come from: their TTLs bound how long the choice may be kept."""


def is_locations(value: Value) -> bool:
    """Say whether a value is of type `10320/loc`."""
    return fold(value.type) == _TYPE


def locations_of(values: Iterable[Value], handle: str, *, legacy: bool = True) -> tuple[Locations, list[str]]:
    """Return the locations in public values, and what was wrong with those that were ignored.

    `legacy`: values of type `URL` are locations too, with the weight that the XML gives them; where the XML has
    locations and says nothing, 0.
    """
    kept = tuple(values)
    found: list[Location] = []
    faults: list[str] = []
    used: list[Value] = []
    root: dict[str, str] = {}
    for value in kept:
        if not is_locations(value):
            continue
        try:
            attributes, locations = parse_locations(value.data)
        except BadLocations as error:
            faults.append(f"value {value.index}: {error}")
            continue
        root = root or attributes
        used.append(value)
        found += (_made(location, handle) for location in locations[: LOCATIONS_MAX - len(found)])
    if legacy:
        weight = root.get("urlWeight", "0" if found else "1")
        for value in kept:
            if fold(value.type) in URL_TYPES and (href := usable_location(value.data)):
                found.append(Location({"href": href, "weight": weight}, href))
                used.append(value)
    return Locations(tuple(found), _methods(root), tuple(used)), faults


def parse_locations(octets: bytes) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the attributes of the root and of each `location` below it. Raises BadLocations.

    A document with a DTD is refused, so there are no entities but the five of XML itself, and nothing is fetched.
    """
    return parse_flat(octets, ("locations",), ("location",))


def parse_flat(
    octets: bytes, roots: tuple[str, ...], children: tuple[str, ...]
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the attributes of the root and those of its children, in order. Raises BadLocations."""
    if len(octets) > XML_OCTETS_MAX:
        raise BadLocations(f"more than {XML_OCTETS_MAX:,} octets of XML")
    reading = _Reading(roots, children)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(octets, True)  # noqa: FBT003 - the library's own positional flag
    except expat.ExpatError as error:
        raise BadLocations(f"this is not XML: {expat.errors.messages[error.code]}") from error
    except (ValueError, LookupError) as error:  # an encoding that is named and not known
        if isinstance(error, BadLocations):
            raise
        raise BadLocations("the XML is in an encoding that is not known here") from error
    return reading.root, reading.found


class _Reading:
    """Collects attributes; elements deeper than the second level are skipped."""

    def __init__(self, roots: tuple[str, ...], children: tuple[str, ...]) -> None:
        self._roots = roots
        self._children = children
        self._depth = 0
        self.root: dict[str, str] = {}
        self.found: list[dict[str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            if name not in self._roots:
                raise BadLocations(f"the root element is {name[:40]!r} and not {self._roots[0]!r}")
            self.root = attributes
        elif self._depth == 2 and name in self._children:  # noqa: PLR2004 - the children of the root
            if len(self.found) >= LOCATIONS_MAX:
                raise BadLocations(f"more than {LOCATIONS_MAX:,} elements")
            self.found.append(attributes)

    def end(self, _name: str) -> None:
        self._depth -= 1


def _refuse_doctype(*_parts: object) -> None:
    raise BadLocations("a DTD is not read")


def _made(attributes: dict[str, str], handle: str) -> Location:
    href = attributes.get("href", "")
    template = attributes.get("href_template")
    if not href and template is not None:
        href = template.replace("{hdl:path}", quote(handle, safe=_PATH_SAFE)).replace("{hdl}", quote(handle, safe=""))
    return Location(attributes, usable_location(href.encode()))


def _methods(root: Mapping[str, str]) -> tuple[str, ...]:
    named = root.get("chooseby", root.get("choose_by"))
    if named is None:
        return DEFAULT_METHODS
    return tuple(method for method in (part.strip().lower() for part in named.split(",")) if method in DEFAULT_METHODS)
