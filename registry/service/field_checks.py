"""Reading what a party states of itself: every fault of the whole object is found, not just the first.

A check takes the decoded JSON value, where it stands, and the list of faults; it returns the value to store, or None
after it has added a fault. Limits and types are those of the national docking contract, section 3.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from registry.errors import FieldError

Faults = list[FieldError]
Check = Callable[[Any, str, Faults], Any]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@((?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+[A-Za-z]{2,63}")
_PHONE = re.compile(r"\+?[0-9][0-9 -]{4,14}")
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"({_LABEL}\.)+{_LABEL}")
_PORT_MAX: Final = 65_535
_INT_MAX: Final = 2**63 - 1


class Member(NamedTuple):
    """One member of an object: how its value is checked, and whether it must be there."""

    name: str
    check: Check
    required: bool = False


def present(value: Any) -> bool:
    """Whether a value says anything: null, an empty text and a missing member mean the same."""
    return value is not None and value != ""


def members(*known: Member) -> Check:
    """Check an object with these members and no others."""
    by_name = {member.name: member for member in known}

    def check(value: Any, path: str, faults: Faults) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            faults.append(FieldError(path, "this must be an object"))
            return None
        faults += [
            FieldError(_below(path, str(name)[:64]), "there is no such field: remove it")
            for name in value
            if name not in by_name
        ]
        read: dict[str, Any] = {}
        for name, member in by_name.items():
            if present(value.get(name)):
                read[name] = member.check(value[name], _below(path, name), faults)
            elif member.required:
                faults.append(FieldError(_below(path, name), "this is required"))
        return {name: found for name, found in read.items() if found is not None}

    return check


def text(characters_max: int) -> Check:
    """Check a text of at most so many code points in NFC; blanks around it are removed, controls are faults."""

    def check(value: Any, path: str, faults: Faults) -> str | None:
        if not isinstance(value, str):
            faults.append(FieldError(path, "this must be a text"))
            return None
        normal = unicodedata.normalize("NFC", value).strip()
        if _CONTROLS.search(normal):
            faults.append(FieldError(path, "this has control characters: write plain text on one line"))
        elif not 1 <= len(normal) <= characters_max:
            faults.append(FieldError(path, f"this has 1 to {characters_max} characters, not {len(normal)}"))
        else:
            return normal
        return None

    return check


def text_like(pattern: re.Pattern[str], characters_max: int, description: str) -> Check:
    """Check a text that has a form of its own."""
    plain = text(characters_max)

    def check(value: Any, path: str, faults: Faults) -> str | None:
        found: str | None = plain(value, path, faults)
        if found is None or pattern.fullmatch(found):
            return found
        faults.append(FieldError(path, f"this is not {description}"))
        return None

    return check


def email(characters_max: int = 128) -> Check:
    """Check a mail address."""
    return text_like(_ADDRESS, characters_max, "a mail address like name@example.com")


def phone(characters_max: int = 16) -> Check:
    """Check a telephone number."""
    return text_like(_PHONE, characters_max, "a telephone number: digits, perhaps + before and blanks or - between")


def number_of_kind(characters_max: int, fault_of: Callable[[str], str | None]) -> Check:
    """Check a text with a function that says what is wrong with it."""
    plain = text(characters_max)

    def check(value: Any, path: str, faults: Faults) -> str | None:
        found: str | None = plain(value, path, faults)
        if found is not None and (fault := fault_of(found)) is not None:
            faults.append(FieldError(path, fault))
            return None
        return found

    return check


def whole(least: int = 0, most: int = _INT_MAX) -> Check:
    """Check a whole number."""

    def check(value: Any, path: str, faults: Faults) -> int | None:
        if type(value) is int and least <= value <= most:
            return value
        faults.append(FieldError(path, f"this must be a whole number from {least} to {most}"))
        return None

    return check


port: Final = whole(1, _PORT_MAX)


def one_of(labels: Mapping[int, str]) -> Check:
    """Check a code of an enumeration."""

    def check(value: Any, path: str, faults: Faults) -> int | None:
        if type(value) is int and value in labels:
            return value
        known = ", ".join(f"{code} ({label})" for code, label in labels.items())
        faults.append(FieldError(path, f"this must be one of {known}"))
        return None

    return check


def calendar_date(value: Any, path: str, faults: Faults) -> str | None:
    """Check a date `YYYY-MM-DD`."""
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    faults.append(FieldError(path, "this must be a date like 2025-11-22"))
    return None


def ip_address(value: Any, path: str, faults: Faults) -> str | None:
    """Check an IPv4 or IPv6 address and write it in its canonical form."""
    try:
        if isinstance(value, str) and "%" not in value:
            return ipaddress.ip_address(value).compressed
    except ValueError:
        pass
    faults.append(FieldError(path, "this must be an IPv4 or IPv6 address, without brackets, port or zone"))
    return None


def domain_name(value: Any, path: str, faults: Faults) -> str | None:
    """Check a domain name; an internationalised one is written in its A-label form."""
    found: str | None = text(255)(value, path, faults)
    if found is None:
        return None
    try:
        name = found.rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if len(name) <= 253 and _DOMAIN.fullmatch(name):  # noqa: PLR2004 - RFC 1035, without the root's dot
        return name
    faults.append(FieldError(path, "this must be a domain name like id.example.com"))
    return None


def list_of(check: Check, most: int, least: int = 0) -> Check:
    """Check a list of so many entries."""

    def check_all(value: Any, path: str, faults: Faults) -> list[Any] | None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            faults.append(FieldError(path, f"this must be a list of {least} to {most} entries"))
            return None
        return [check(entry, f"{path}[{at}]", faults) for at, entry in enumerate(value)]

    return check_all


def refused_twice(entries: Sequence[Any], path: str, faults: Faults) -> None:
    """Add a fault for every entry of a list that stands there already."""
    seen: list[Any] = []
    for at, entry in enumerate(entries):
        if entry is not None and entry in seen:
            faults.append(FieldError(f"{path}[{at}]", "this entry occurs twice: remove one"))
        seen.append(entry)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
