"""What a template asks of a record: checking a record's values against the items, every violation at once."""

from collections.abc import Mapping, Sequence
from typing import Final

from identifiers.values import TextRule, Value
from registry.errors import FIELD_ERRORS_MAX, FieldError
from registry.service.item_values import data_faults
from registry.tables.templates import Item, Template

ITEM_INDEX_MIN: Final = 2000
"""Values below this index are the Handle system's own (URL, HS_ADMIN …) and no template's business."""


def template_faults(template: Template, values: Sequence[Value], *, before: Sequence[Value] = ()) -> list[FieldError]:
    """Return every way in which values break a template's rules, at most `FIELD_ERRORS_MAX`.

    `before` are the values stored now: what a disabled item still has of them may be repeated unchanged.
    """
    stored = {value.index: value for value in before}
    faults: list[FieldError] = []
    for at, value in enumerate(values):
        if _is_plainly_good(template.plain.get(value.index), value):
            continue
        item = template.by_index.get(value.index)
        if item is not None:
            if broken := _value_faults(item, value, stored):
                faults += [FieldError(f"values[{at}].{member}", message) for member, message in broken]
        elif value.index >= ITEM_INDEX_MIN:
            faults.append(FieldError(f"values[{at}].index", f"the template {template.code} has no item {value.index}"))
    if template.required:
        given = {value.index for value in values}
        faults += [
            FieldError("values", f"item {item.index} ({item.name}) is required: add a value of type {item.type}")
            for item in template.required
            if item.index not in given
        ]
    return faults[:FIELD_ERRORS_MAX]


def _is_plainly_good(plain: TextRule | None, value: Value) -> bool:
    """Say whether a value is text of an item that asks no more than a type and a length, and good: nearly all are."""
    if plain is None or value.type != plain[0]:
        return False
    try:
        return plain[1] <= len(value.data.decode()) <= plain[2]
    except UnicodeDecodeError:
        return False


def _value_faults(item: Item, value: Value, stored: Mapping[int, Value]) -> list[tuple[str, str]]:
    """Return what is wrong with which member of a value."""
    if item.state != "enabled":
        return _disabled_faults(item, value, stored.get(item.index))
    faults = []
    if value.type != item.type:
        faults.append(("type", f"item {item.index} ({item.name}) has the type {item.type}"))
    try:
        text = value.data.decode()
    except UnicodeDecodeError:
        return [*faults, ("data", f"item {item.index} ({item.name}) is text, these octets are none")]
    return faults + [("data", f"{item.name} {fault}") for fault in data_faults(item, text)]


def _disabled_faults(item: Item, value: Value, stored: Value | None) -> list[tuple[str, str]]:
    if stored is not None and (stored.type, stored.data) == (value.type, value.data):
        return []
    message = f"item {item.index} ({item.name}) is disabled: leave the value out, or repeat the one that is stored"
    return [("index", message)]
