"""What a template asks of a record: the formats, and checking a record's values against the items."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final
from urllib.parse import urlsplit

from identifiers.gtin import parse_gtin
from identifiers.identifier import Invalid
from identifiers.values import Value
from registry.errors import FIELD_ERRORS_MAX, FieldError
from registry.tables.templates import Item, Template

ITEM_INDEX_MIN: Final = 2000
"""Values below this index are the Handle system's own (URL, HS_ADMIN …) and no template's business."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable() and " " not in text


FORMATS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "text": (lambda _: True, "text"),
    "integer": (_INTEGER.fullmatch, "a whole number like 42"),
    "decimal": (_DECIMAL.fullmatch, "a number like 4.50"),
    "date": (_is_date, "a date like 2025-11-22"),
    "instant": (_is_instant, "an instant with its zone like 2025-11-22T08:00:00Z"),
    "url": (_is_url, "an address like https://example.com/p"),
    "gtin": (lambda text: not isinstance(parse_gtin(text), Invalid), "a GTIN with its right check digit"),
}
"""Fixed formats only: a regular expression of a client's would be a program of a client's."""


def template_faults(template: Template, values: Sequence[Value]) -> list[FieldError]:
    """Return every way in which values break a template's rules, at most `FIELD_ERRORS_MAX`."""
    items = {item.index: item for item in template.items}
    faults: list[FieldError] = []
    for at, value in enumerate(values):
        item = items.pop(value.index, None)
        if item is not None:
            faults += _value_faults(item, value, f"values[{at}]")
        elif value.index >= ITEM_INDEX_MIN:
            faults.append(FieldError(f"values[{at}].index", f"the template {template.code} has no item {value.index}"))
    faults += [
        FieldError("values", f"item {item.index} ({item.name}) is required: add a value of type {item.type}")
        for item in items.values()
        if item.required
    ]
    return faults[:FIELD_ERRORS_MAX]


def _value_faults(item: Item, value: Value, field: str) -> list[FieldError]:
    faults = []
    if value.type != item.type:
        faults.append(FieldError(f"{field}.type", f"item {item.index} ({item.name}) has the type {item.type}"))
    try:
        text = value.data.decode()
    except UnicodeDecodeError:
        return [*faults, FieldError(f"{field}.data", f"item {item.index} ({item.name}) is text, these octets are none")]
    shortest, longest = item.length_min or 0, item.length_max
    if len(text) < shortest or (longest is not None and len(text) > longest):
        bounds = f"{shortest} to {longest}" if longest is not None else f"at least {shortest}"
        faults.append(FieldError(f"{field}.data", f"{item.name} has {bounds} characters, not {len(text)}"))
    fits, description = FORMATS[item.format]
    if not fits(text):
        faults.append(FieldError(f"{field}.data", f"{item.name} is not {description}"))
    return faults
