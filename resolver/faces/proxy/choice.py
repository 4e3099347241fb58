"""Which of several locations a client is sent to (Handle over HTTP, 12.2). Pure: chance and the client come in.

After each method: one location left is taken; none left, the method is as if it had not been; several, the next one
decides, and in the end chance by weight.

What the `locatt` method takes from a request without such a parameter: locations whose `http_role` is `conneg` are for
clients that want a machine's format (an Accept header without HTML and without `*/*`), those with `browser` for clients
that take HTML, those with `no_conneg` for the others; `ctype` and `media-type` name a format the client must accept,
`language` a language it must prefer. Locations without these attributes are for everybody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from random import SystemRandom
from typing import Final

from resolver.faces.proxy.locations import Location, Locations

LOCATT_MAX: Final = 32
"""Conditions of one request that are looked at."""

_MACHINE: Final = "conneg"
_FORMATS: Final = ("ctype", "media-type")
_HTML: Final = frozenset(("text/html", "application/xhtml+xml"))
_ANYTHING: Final = frozenset(("*/*", "text/*", ""))

Chance = Callable[[], float]
"""A number from 0 to 1, without 1."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """What is known of a client. `country` is a two-letter code in any case, empty if it is not known."""

    conditions: tuple[tuple[str, str | None], ...] = ()
    """From `locatt=name:value`; None where only the attribute has to be there."""
    address: str = ""
    country: str = ""
    accept: str = ""
    accept_language: str = ""
    chance: Chance = field(default=SystemRandom().random, repr=False)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The location to go to, and the request headers it was chosen by, for `Vary`."""

    location: Location
    vary: tuple[str, ...] = ()


def conditions_of(texts: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Read `locatt` parameters."""
    parts = (text.partition(":") for text in texts[:LOCATT_MAX])
    return tuple((name, value if colon else None) for name, colon, value in parts if name)


def choose(among: Locations, chooser: Chooser) -> Chosen | None:
    """Return the choice; None where no location can be gone to."""
    left = [location for location in among.locations if location.href]
    if not left:
        return None
    vary = _vary(left) if "locatt" in among.methods and not chooser.conditions else ()
    for method in among.methods:
        if len(left) == 1:
            break
        left = _METHODS[method](left, chooser) or left
    return Chosen(left[0] if len(left) == 1 else _weighted(left, chooser)[0], vary)


def _locatt(left: list[Location], chooser: Chooser) -> list[Location]:
    if not chooser.conditions:
        return _by_headers(left, chooser)
    return [
        location
        for location in left
        if all(
            name in location.attributes if value is None else location.attributes.get(name) == value
            for name, value in chooser.conditions
        )
    ]


def _by_headers(left: list[Location], chooser: Chooser) -> list[Location]:
    left = _by_role(left, chooser.accept)
    formats = [text for text in _by_weight(chooser.accept) if "*" not in text]
    left = _preferred(left, _FORMATS, formats, below="")
    return _preferred(left, ("language",), _by_weight(chooser.accept_language), below="-")


def _by_role(left: list[Location], accept: str) -> list[Location]:
    taken = set(_by_weight(accept))
    if accept and not taken & (_HTML | _ANYTHING):
        machine = [location for location in left if location.attributes.get("http_role") == _MACHINE]
        return machine or left
    role = "browser" if taken & _HTML else "no_conneg"
    return [location for location in left if location.attributes.get("http_role") in (None, role)] or left


def _preferred(left: list[Location], names: tuple[str, ...], wanted: list[str], *, below: str) -> list[Location]:
    """Keep those with an attribute the client likes best; else those without. `below` also takes `en-GB` for `en`."""
    said = [
        (location, [location.attributes[name] for name in names if name in location.attributes]) for location in left
    ]
    for text in wanted:
        liked = [location for location, texts in said if any(_matches(one, text, below) for one in texts)]
        if liked:
            return liked
    return [location for location, texts in said if not texts] or left


def _matches(attribute: str, wanted: str, below: str) -> bool:
    folded = attribute.strip().lower()
    return folded == wanted or bool(below and folded and (folded + below).startswith(wanted + below))


def _by_weight(header: str) -> list[str]:
    """Return the members of an Accept header, liked best first, without those refused."""
    weighed: list[tuple[float, str]] = []
    for member in header.lower().split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        weight = next((_number(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if name and weight > 0:
            weighed.append((-weight, name))
    return [name for _, name in sorted(weighed, key=lambda pair: pair[0])]


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _address(left: list[Location], chooser: Chooser) -> list[Location]:
    try:
        client = ip_address(chooser.address)
    except ValueError:
        return left
    return [location for location in left if any(client in network for network in location.networks)]


def _country(left: list[Location], chooser: Chooser) -> list[Location]:
    if not chooser.country:
        return left
    wanted = chooser.country.lower()
    at_home = [location for location in left if location.attributes.get("country", "").lower() == wanted]
    return at_home or [location for location in left if "country" not in location.attributes]


def _score(left: list[Location], _chooser: Chooser) -> list[Location]:
    scores = [location.number("score", 0.0) for location in left]
    best = max(scores)
    return [location for location, score in zip(left, scores, strict=True) if score == best]


def _weighted(left: list[Location], chooser: Chooser) -> list[Location]:
    weights = [location.weight for location in left]
    if not any(weights):
        weights = [1.0] * len(left)
    at = chooser.chance() * sum(weights)
    for location, weight in zip(left, weights, strict=True):
        at -= weight
        if at < 0:
            return [location]
    return [next(location for location, weight in reversed(list(zip(left, weights, strict=True))) if weight)]


def _vary(left: list[Location]) -> tuple[str, ...]:
    named = {name for location in left for name in location.attributes}
    by_accept = ("Accept",) if named & {"http_role", *_FORMATS} else ()
    return (*by_accept, "Accept-Language") if "language" in named else by_accept


_METHODS: Final[dict[str, Callable[[list[Location], Chooser], list[Location]]]] = {
    "locatt": _locatt,
    "address": _address,
    "country": _country,
    "score": _score,
    "weighted": _weighted,
}
