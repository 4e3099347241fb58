"""What the requests ask for: each scenario is an endless stream of prepared requests, and what a right answer is."""

from __future__ import annotations

import math
import re
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from loadtest.http_messages import build_get, build_put

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

READ_PATH = "/api/handles/"
WRITE_PATH = "/api/v1/identifiers/"
FOUND = frozenset({200})
ABSENT = frozenset({404})
ACCEPTED = frozenset({200, 201, 202})
# Prepared requests are drawn over all keys and repeated after this many: 130 octets each, and more of them
# than any processor's cache holds, so a server gains nothing from the repetition.
PREPARED_MAX = 1_000_000

_UNRESERVED = re.compile(r"[A-Za-z0-9._~/-]+")


class Registration(NamedTuple):
    """One new identifier: the request that registers it and the request that resolves it."""

    put: bytes
    get: bytes


class ZipfRanks:
    """Ranks 0 … size - 1, rank r with probability proportional to 1 / (r + 1) ** exponent, exactly and without tables.

    Rejection-inversion: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone
    discrete distributions", ACM TOMACS 6 (1996); about 1.1 draws per rank.
    """

    def __init__(self, size: int, exponent: float, rng: random.Random) -> None:
        self._exponent = exponent
        self._draw = rng.random
        self._size = size
        self._low = self._integral(1.5) - 1.0
        self._high = self._integral(size + 0.5)

    def __call__(self) -> int:
        """Return the next rank."""
        while True:
            area = self._low + self._draw() * (self._high - self._low)
            rank = min(max(round(self._inverse(area)), 1), self._size)
            if area >= self._integral(rank + 0.5) - rank**-self._exponent:
                return rank - 1

    def _integral(self, x: float) -> float:
        power = 1.0 - self._exponent
        return math.log(x) if power == 0 else math.expm1(power * math.log(x)) / power

    def _inverse(self, area: float) -> float:
        power = 1.0 - self._exponent
        return math.exp(area) if power == 0 else math.exp(math.log1p(power * area) / power)


def places(scenario: str, size: int, exponent: float, rng: random.Random) -> Callable[[], int]:
    """Return a source of places among `size` keys as the scenario draws them.

    Zipf's popular keys are spread over the whole set, as sales are: not the first ones registered.
    """
    if scenario != "zipf":
        return lambda: int(rng.random() * size)
    ranks, stride = ZipfRanks(size, exponent, rng), _coprime_stride(size)
    return lambda: ranks() * stride % size


def read_requests(keys: Sequence[str], host: str, place: Callable[[], int], *, absent: bool, limit: int) -> list[bytes]:
    """Return `limit` (at most PREPARED_MAX) prepared look-ups; with `absent`, of identifiers that do not exist."""
    ending = "-absent" if absent else ""
    paths = (READ_PATH + _encoded(keys[place()] + ending) for _ in range(min(limit, PREPARED_MAX)))
    return [build_get(host, path) for path in paths]


def repeated(requests: list[bytes]) -> Iterator[bytes]:
    """Return the requests over and over."""
    while True:
        yield from requests


def registrations(prefix: str, host: str, token: str, *, run: str) -> Iterator[Registration]:
    """Return endless new identifiers below `prefix`; `run` keeps those of one run apart from all others."""
    for n in count():
        identifier = _encoded(f"{prefix}/LOAD-{run}-{n:09d}")
        body = msgspec.json.encode({"values": product_values(f"{run}-{n:09d}")})
        yield Registration(
            put=build_put(host, WRITE_PATH + identifier, body, token=token),
            get=build_get(host, READ_PATH + identifier),
        )


def product_values(serial: str) -> list[dict[str, Any]]:
    """Return the values of a made-up product, of the size real ones have: an address and four plain texts."""
    texts = {
        "URL": f"https://products.example.com/item/{serial}",
        "name": f"Angular contact ball bearing {serial}",
        "model": "7206-B-XL-TVP",
        "batch": f"B{serial[-4:]}",
        "produced": "2026-03-14",
    }
    return [
        {"index": index, "type": kind, "data": {"format": "string", "value": text}}
        for index, (kind, text) in zip((1, 2000, 2001, 2002, 2003), texts.items(), strict=True)
    ]


def _encoded(identifier: str) -> str:
    return identifier if _UNRESERVED.fullmatch(identifier) else quote(identifier, safe="/")


def _coprime_stride(size: int) -> int:
    return next(step for step in count(max(1, round(size * 0.618))) if math.gcd(step, size) == 1)
