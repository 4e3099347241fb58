"""The types of report fields (docking contract 3.1 and 3.3): each says everything that is wrong with a value."""

import ipaddress
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from sync.tables.table import Problem

INT_MAX: Final = 2**63 - 1
DECIMALS_MAX: Final = 3
FILE_OCTETS_MAX: Final = 20 * 1024 * 1024
"""What the collector takes as one attachment (docking contract 9.9)."""

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

Rule = Callable[[Mapping[str, Any], str, list[Problem]], None]
"""Looks at several members together: the known members, where they stand (with a dot, or empty), what is wrong."""
Condition = Callable[[Mapping[str, Any]], bool]
"""Whether a member is required beside these known members."""


class Kind(Protocol):
    """A type of value."""

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Add everything that is wrong with the value of the field called `path`."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """NFC text of 1 to `length` code points without control characters or outer white space; `form` narrows it."""

    length: int
    form: re.Pattern[str] | None = None
    what: str = ""

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        if not isinstance(value, str):
            found.append(Problem("schema", path, "must be a string"))
        elif len(value) > self.length:
            message = f"has {len(value)} characters, at most {self.length} are allowed"
            found.append(Problem("length", path, message))
        elif not _is_text(value):
            message = "must be non-empty NFC text without control characters or outer white space"
            found.append(Problem("format", path, message))
        elif self.form is not None and self.form.fullmatch(value) is None:
            found.append(Problem("format", path, f"{value!r} is not {self.what}"))


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer from `least` to `most`, both included."""

    least: int = 0
    most: int = INT_MAX

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        if not isinstance(value, int) or isinstance(value, bool):
            found.append(Problem("schema", path, "must be an integer"))
        elif not self.least <= value <= self.most:
            found.append(Problem("format", path, f"must be from {self.least} to {self.most}"))


def number(value: Any, path: str, found: list[Problem]) -> None:
    """Check a finite number, not negative, of at most three decimals."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        found.append(Problem("schema", path, "must be a number"))
    elif not math.isfinite(value) or value < 0 or round(value, DECIMALS_MAX) != value:
        found.append(Problem("format", path, f"must be finite, not negative, with at most {DECIMALS_MAX} decimals"))


def boolean(value: Any, path: str, found: list[Problem]) -> None:
    """Check true or false."""
    if not isinstance(value, bool):
        found.append(Problem("schema", path, "must be true or false"))


@dataclass(frozen=True, slots=True)
class Moment:
    """Text naming a date, an instant, or either."""

    date: bool = False
    instant: bool = False

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        if not isinstance(value, str):
            found.append(Problem("schema", path, "must be a string"))
        elif not self._names_one(value):
            words = [word for word, wanted in (("date", self.date), ("instant", self.instant)) if wanted]
            found.append(Problem("format", path, f"{value[:40]!r} is not a {' or '.join(words)}"))

    def _names_one(self, value: str) -> bool:
        forms = ((self.date, _DATE), (self.instant, _INSTANT))
        if not any(wanted and form.fullmatch(value) for wanted, form in forms):
            return False
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True


def ip(value: Any, path: str, found: list[Problem]) -> None:
    """Check an IPv4 or IPv6 address in canonical text, without brackets or zone."""
    if not isinstance(value, str):
        found.append(Problem("schema", path, "must be a string"))
    elif canonical_ip(value) != value:
        found.append(Problem("format", path, f"{value[:64]!r} is not an IP address in canonical form"))


def canonical_ip(text: str) -> str | None:
    """Return an address in canonical form (RFC 5952 for IPv6); None for what is none."""
    try:
        return None if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Code:
    """One of an enumeration's codes, all of one type."""

    codes: frozenset[int] | frozenset[str]

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        wanted = type(next(iter(self.codes)))
        if type(value) is not wanted:
            kind = "an integer" if wanted is int else "a string"
            found.append(Problem("schema", path, f"must be {kind}"))
        elif value not in self.codes:
            codes = ", ".join(map(str, sorted(self.codes)))
            found.append(Problem("enum", path, f"{str(value)[:40]!r} is none of {codes}"))


@dataclass(frozen=True, slots=True)
class Many:
    """A list of `least` to `most` values of one type."""

    kind: Kind
    least: int = 0
    most: int = 10_000
    rules: tuple[Callable[[list[Any], str, list[Problem]], None], ...] = ()

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        if not isinstance(value, list | tuple):
            found.append(Problem("schema", path, "must be a list"))
            return
        if not self.least <= len(value) <= self.most:
            code = "required" if not value else "length"
            message = f"has {len(value)} entries, {self.least} to {self.most} are allowed"
            found.append(Problem(code, path, message))
            return
        before = len(found)
        for position, entry in enumerate(value):
            self.kind(entry, f"{path}[{position}]", found)
        if len(found) == before:
            for rule in self.rules:
                rule(list(value), path, found)


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a record. `required` may depend on the other known members of the record."""

    name: str
    kind: Kind
    required: bool | Condition = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object of named members. Absent and null mean the same; unknown members beginning with `x_` are ignored."""

    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()
    _kinds: dict[str, Kind] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_kinds", {one.name: one.kind for one in self.fields})

    def __call__(self, value: Any, path: str, found: list[Problem]) -> None:
        """Check a value."""
        if isinstance(value, Mapping):
            self.check(value, f"{path}." if path else "", found)
        else:
            found.append(Problem("schema", path, "must be an object"))

    def check(self, value: Mapping[str, Any], before: str, found: list[Problem]) -> None:
        """Add everything that is wrong with the members; `before` stands before their names."""
        for name, member in value.items():
            kind = self._kinds.get(name)
            if member is None:
                continue
            if kind is not None:
                kind(member, before + name, found)
            elif not name.startswith("x_"):
                found.append(Problem("schema", before + name[:64], "is not a field of this table"))
        found.extend(
            Problem("required", before + one.name, "is required and absent")
            for one in self.fields
            if value.get(one.name) is None and (one.required is True or (one.required and one.required(value)))
        )
        for rule in self.rules:
            rule(value, before, found)

    def names(self) -> tuple[str, ...]:
        """Return the members' names in their order."""
        return tuple(self._kinds)


def plain(value: str) -> str:
    """Return text as it is reported: NFC, without outer white space and control characters."""
    return _CONTROLS.sub(" ", unicodedata.normalize("NFC", value)).strip()


def _is_text(value: str) -> bool:
    if value.isascii():
        return value.isprintable() and value != "" and value[0] != " " and value[-1] != " "
    return value == value.strip() and _CONTROLS.search(value) is None and unicodedata.is_normalized("NFC", value)
