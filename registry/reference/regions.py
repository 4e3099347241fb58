"""Administrative divisions: provinces `xx0000`, cities `xxyy00` and counties `xxyyzz`, coded as in GB/T 2260."""

import re
from functools import cache
from typing import Final, Literal

from registry.reference.code_table import Entry, read_table

Level = Literal["province", "city", "county"]

_CODE = re.compile(r"[1-9][0-9]{5}")
_WORDS: Final[dict[Level, str]] = {
    "province": "a province has a code like 320000",
    "city": "a city has a code like 320100",
    "county": "a county or district has a code like 320102",
}


@cache
def regions() -> dict[str, Entry]:
    """Return all divisions by their codes."""
    return read_table("regions.tsv")


def level_of(code: str) -> Level:
    """Return the level that the form of a code shows."""
    if code.endswith("0000"):
        return "province"
    return "city" if code.endswith("00") else "county"


def parent_of(code: str) -> str | None:
    """Return the code of the division above, whether or not it is in the table; None above a province."""
    level = level_of(code)
    if level == "province":
        return None
    return code[:2] + "0000" if level == "city" else code[:4] + "00"


def below(code: str | None) -> list[Entry]:
    """Return the divisions directly below one, in the order of their codes; the provinces without one.

    A county that no city stands between (a county-level city under its province) comes directly below its province.
    """
    return [entry for entry in regions().values() if _listed_below(entry.code) == code]


def region_fault(code: str, level: Level, within: str | None = None) -> str | None:
    """Say what is wrong with the code of a division of this level; None if nothing is.

    `within` is the division one level above, if there is one to compare with.
    """
    if _CODE.fullmatch(code) is None or level_of(code) != level:
        return _WORDS[level]
    if within is not None and parent_of(code) != within:
        return f"{code} does not lie in {within}: the leading digits differ"
    return None if _known(code) else f"the table of divisions has no {code}"


def _known(code: str) -> bool:
    # The standard gives no row to "directly administered" cities such as 469000, which counties below them imply.
    return code in regions() or (level_of(code) == "city" and code in _implied_cities())


@cache
def _implied_cities() -> frozenset[str]:
    return frozenset(code[:4] + "00" for code in regions() if level_of(code) == "county")


def _listed_below(code: str) -> str | None:
    parent = parent_of(code)
    return parent if parent is None or parent in regions() else parent_of(parent)
