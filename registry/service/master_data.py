"""Which items of a template fill the columns of T9 that tell a product's master data (docking contract 4.9)."""

from collections.abc import Mapping, Sequence
from typing import Final

from registry.errors import FieldError
from registry.tables.templates import Item

FIELDS: Final = (
    "product_type",
    "product_brand",
    "product_name",
    "manufacturer_name",
    "produced_at",
    "expires_at",
    "terminal_type",
    "owner",
    "purpose",
    "serial_or_imei",
    "access_licence_no",
    "access_mark_code",
    "access_mark_serial",
)
"""Columns 5 to 17 of T9."""

REQUIRED_OF_ACTIVE: Final = ("terminal_type", "owner", "purpose", "serial_or_imei")
"""Columns 11 to 14: every active identifier carrier is told with them."""
OBJECT_TYPE_ACTIVE: Final = 1
"""主动标识载体, an active identifier carrier."""

_TEXTUAL: Final = ("string", "number", "date")


def by_type(mapping: Mapping[str, str], items: Sequence[Item]) -> tuple[dict[str, str], list[FieldError]]:
    """Return a mapping of T9 columns to items, named by type or name, as one to their types; and what is wrong."""
    types = {item.name: item.type for item in items if item.data_type in _TEXTUAL}
    types |= {item.type: item.type for item in items if item.data_type in _TEXTUAL}
    named: dict[str, str] = {}
    faults: list[FieldError] = []
    for column, name in mapping.items():
        field = f"master_data.{column}"
        if column not in FIELDS:
            faults.append(FieldError(field, f"T9 has no such column to fill; it has {', '.join(FIELDS)}"))
        elif name not in types:
            faults.append(FieldError(field, f"no item of text, number or date is called {name}"))
        else:
            named[column] = types[name]
    return named, faults


def unmapped(object_type: int, mapping: Mapping[str, str] | None, items: Sequence[Item]) -> list[FieldError]:
    """Return the columns required of active identifier carriers that nothing fills; none of other objects."""
    if object_type != OBJECT_TYPE_ACTIVE:
        return []
    filled = {item.type for item in items} if mapping is None else mapping
    return [
        FieldError(f"master_data.{column}", "this is required of active identifier carriers: map an item to it")
        for column in REQUIRED_OF_ACTIVE
        if column not in filled
    ]
