"""Which row is which: the key of a row of each table, and the prefix it belongs to (docking contract 4 and 5)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Data = Mapping[str, Any]

_ROUTE: Final = ("code_type", "prefix_or_range", "ip_type", "ip_address")
_OF_DAY: Final = ("prefix", "stat_date")
_MEMBERS: Final = {
    "T1": ("node_prefix",),
    "T2": _ROUTE,
    "T3": _OF_DAY,
    "T4": ("metadata_id",),
    "T5": ("app_id",),
    "T6": ("enterprise_id",),
    "T7": _ROUTE,
    "T8": _OF_DAY,
    "T9": ("identifier",),
    "T10": ("app_id",),
    "T11": ("metadata_id",),
    "M1": _OF_DAY,
    "M2": _OF_DAY,
    "E1": ("event_no",),
    "E2": ("event_no",),
}
_OWNERS: Final[Mapping[str, Callable[[Data], Any]]] = {
    "T1": lambda data: data["node_prefix"],
    **dict.fromkeys(("T3", "T8", "M1", "M2", "E1", "E2"), lambda data: data["prefix"]),
    **dict.fromkeys(("T7", "T9", "T10", "T11"), lambda data: data["enterprise_prefix"]),
}


def row_key(table: str, data: Data) -> str:
    """Return the key that a row with this data must have; all of its members are there, as the fields were checked."""
    return "|".join(data[name] for name in _MEMBERS[table])


def key_field(table: str) -> str:
    """Return the member to name when a row's key is not that of its data."""
    return _MEMBERS[table][0]


def owner_of(table: str, data: Data) -> str | None:
    """Return the prefix that a row says it belongs to; None for tables whose rows do not say."""
    owner = _OWNERS.get(table)
    return None if owner is None else owner(data)
