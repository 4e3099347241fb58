"""Industries by GB/T 4754-2017: section (门类, a letter), division (大类), group (中类) and class (小类)."""

import re
from functools import cache
from typing import Final, Literal

from registry.reference.code_table import Entry, read_table

Level = Literal["category", "specific", "trade", "subclass"]

_FORMS: Final[dict[Level, tuple[re.Pattern[str], str]]] = {
    "category": (re.compile(r"[A-T]"), "a section (门类) is a letter from A to T"),
    "specific": (re.compile(r"[0-9]{2}"), "a division (大类) has two digits"),
    "trade": (re.compile(r"[0-9]{3}"), "a group (中类) has three digits"),
    "subclass": (re.compile(r"[0-9]{4}"), "a class (小类) has four digits"),
}
LEVELS: Final = tuple(_FORMS)


@cache
def industries() -> dict[str, Entry]:
    """Return all industries by their codes."""
    return read_table("industries.tsv")


def parent_of(code: str) -> str | None:
    """Return the code of the level above; None above a section. Raises `KeyError` for an unknown division."""
    if code.isalpha():
        return None
    return _sections()[code] if len(code) == 2 else code[:-1]  # noqa: PLR2004 - a division has two digits


def below(code: str | None) -> list[Entry]:
    """Return the industries directly below one, in the order of their codes; the sections without one."""
    return [entry for entry in industries().values() if parent_of(entry.code) == code]


def industry_fault(code: str, level: Level, within: str | None = None) -> str | None:
    """Say what is wrong with a code of this level; None if nothing is. `within` is the code of the level above."""
    form, words = _FORMS[level]
    if form.fullmatch(code) is None:
        return words
    if code not in industries():
        return f"GB/T 4754-2017 has no {code}"
    if within is not None and parent_of(code) != within:
        return f"{code} does not belong to {within}"
    return None


@cache
def _sections() -> dict[str, str]:
    """Map each division to its section: the table lists a section before what belongs to it."""
    section = ""
    found: dict[str, str] = {}
    for code in industries():
        if code.isalpha():
            section = code
        elif len(code) == 2:  # noqa: PLR2004 - as above
            found[code] = section
    return found
