"""Digests of what a collector holds of a stream: the question, and the answer, made while its rows pass."""

import hashlib
from typing import Any, Final, NamedTuple

from aiohttp import web

from sync.collecting.answers import number
from sync.collecting.problems import Problem
from sync.digests import DEPTH_MAX, ROWS_MAX

_KEY_CHARACTERS_MAX: Final = 400


class Asked(NamedTuple):
    """A question: the half-open range of keys, into how many ranges it is divided (2^depth), and whether to list it."""

    lower: str | None
    upper: str | None
    depth: int
    rows: bool


def asked(request: web.Request) -> Asked:
    """Return what a request asks for; raises Problem."""
    lower, upper = request.query.get("from") or None, request.query.get("to") or None
    depth, rows = number(request, "depth", 0), request.query.get("rows", "") or "false"
    if depth > DEPTH_MAX or rows not in ("true", "false"):
        raise Problem(400, "malformed", f"depth is 0 to {DEPTH_MAX}, rows is true or false")
    for bound in (lower, upper):
        if bound is not None and ("\0" in bound or len(bound) > _KEY_CHARACTERS_MAX):
            raise Problem(400, "malformed", "from and to are keys")
    return Asked(lower, upper, depth, rows == "true")


class RangeDigest:
    """The answer to one question: `count` rows pass through `add` in the order of their keys' octets."""

    def __init__(self, question: Asked, count: int) -> None:
        self._asked = question
        self._count = count
        ranges = min(2**question.depth, count) if question.depth else 0
        self._cuts = {position * count // ranges for position in range(1, ranges)}
        self._parts = [_Part(None)] if ranges else []
        self._whole = hashlib.sha256()
        self._position = 0
        self._listed: list[dict[str, Any]] | None = [] if question.rows and count <= ROWS_MAX else None

    def add(self, key: str, ver: int) -> None:
        """Take in the next row."""
        line = f"{key}\0{ver}\n".encode()
        self._whole.update(line)
        if self._position in self._cuts:
            self._parts.append(_Part(key))
        if self._parts:
            self._parts[-1].add(line)
        if self._listed is not None:
            self._listed.append({"key": key, "ver": ver})
        self._position += 1

    def answer(self, table: str, scope: str) -> dict[str, Any]:
        """Return what is said of the range once all of its rows have passed."""
        lower, upper = self._asked.lower, self._asked.upper
        bounds = [lower, *(part.begins for part in self._parts[1:]), upper]
        told: dict[str, Any] = {
            "table": table,
            "scope": scope,
            **_told(lower, upper, self._count, self._whole.hexdigest()),
            "ranges": [
                _told(bounds[n], bounds[n + 1], part.count, part.digest.hexdigest())
                for n, part in enumerate(self._parts)
            ],
        }
        return told if self._listed is None else told | {"rows": self._listed}


class _Part:
    """One of the ranges into which a range is divided; `begins` is the key of its first row, None for the first."""

    def __init__(self, begins: str | None) -> None:
        self.begins = begins
        self.count = 0
        self.digest = hashlib.sha256()

    def add(self, line: bytes) -> None:
        self.count += 1
        self.digest.update(line)


def _told(lower: str | None, upper: str | None, count: int, sha256: str) -> dict[str, Any]:
    return {"from": lower, "to": upper, "count": count, "sha256": sha256}
