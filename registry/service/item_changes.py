"""Adding and changing the items of a template: the items as they will be, or every reason why not.

An item is told by its index, and its type never moves to another one: values of both kinds may be stored already.
Items of a template that has been published are disabled instead of removed, for the same reason.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from identifiers.grading import PERMITTED
from identifiers.values import INDEX_MAX, ValuesError, type_octets
from registry.errors import FieldError, InvalidFields, one_field
from registry.service.item_values import DATE_FORMATS, FORMATS
from registry.service.template_rules import ITEM_INDEX_MIN
from registry.tables.templates import Item

ITEMS_MAX: Final = 2_000
NAME_CHARACTERS_MAX: Final = 255
INDEXED_CHARACTERS_MAX: Final = 255
"""Longest text that is kept unique or can be searched for; also the default limit of such items."""
FILE_SUFFIXES_MAX: Final = 32

FIXED: Final = ("data_type", "unique", "searchable", "reference_template", "grade")
"""What stays as it is once the template is published, because records were stored by it."""

_FILES: Final = ("file", "image", "audio", "video")
_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "length_min": ("string",),
    "length_max": ("string",),
    "number_min": ("number",),
    "number_max": ("number",),
    "digits": ("number",),
    "decimals": ("number",),
    "date_format": ("date",),
    "reference_template": ("reference",),
    "files_max": _FILES,
    "file_suffixes": _FILES,
}
"""The data types that each limit is for."""
_INDEXED: Final = ("string", "number", "date", "reference")
_SUFFIX = re.compile(r"[a-z0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An item to add, or what to change of one: the members that were sent, named as those of `Item`.

    Without an index it is a new item at the next free one.
    """

    index: int | None
    members: Mapping[str, Any]


def changed_items(
    before: Sequence[Item], changes: Sequence[ItemChange], *, remove: Sequence[int] = (), published: bool = False
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return all items after the changes, by their indexes, and those of them that are new or different.

    Raises `InvalidFields` (`bad_items`) with every fault, in the fields `items[N].member` and `remove[N]`.
    """
    if len(changes) > ITEMS_MAX:
        raise one_field("bad_items", "items", f"a template has at most {ITEMS_MAX:,} items, not {len(changes):,}")
    merging = _Merging(before, published=published)
    for at, index in enumerate(remove):
        merging.remove(index, f"remove[{at}]")
    touched = [merging.apply(change, f"items[{at}]") for at, change in enumerate(changes)]
    merging.check_names({item.index: f"items[{at}]" for at, item in enumerate(touched) if item is not None})
    if merging.faults:
        raise InvalidFields(
            "bad_items",
            "some items break the rules of templates",
            remedy="correct the fields listed and send the request again",
            errors=tuple(merging.faults),
        )
    if not 1 <= len(merging.items) <= ITEMS_MAX:
        message = f"a template has 1 to {ITEMS_MAX:,} items, not {len(merging.items):,}"
        raise one_field("bad_items", "items", message)
    unchanged = {item.index: item for item in before}
    different = [item for item in merging.items.values() if unchanged.get(item.index) != item]
    return tuple(_by_index(merging.items.values())), tuple(_by_index(different))


class _Merging:
    """The items while changes are applied to them one by one, and the faults found on the way."""

    def __init__(self, before: Sequence[Item], *, published: bool) -> None:
        self.items = {item.index: item for item in before}
        self.faults: list[FieldError] = []
        self._published = published
        self._next = max([*self.items, ITEM_INDEX_MIN - 1]) + 1
        self._seen: set[int] = set()

    def remove(self, index: int, field: str) -> None:
        """Take an item away; only drafts may lose one."""
        if self._published:
            self.faults.append(FieldError(field, "items of a published template are not removed: disable them"))
        elif self.items.pop(index, None) is None:
            self.faults.append(FieldError(field, f"the template has no item {index}"))

    def apply(self, change: ItemChange, field: str) -> Item | None:
        """Add or change one item; None if it cannot be told which."""
        index = change.index if change.index is not None else self._free()
        if not ITEM_INDEX_MIN <= index <= INDEX_MAX:
            message = f"the index of an item is from {ITEM_INDEX_MIN} to {INDEX_MAX}"
            self.faults.append(FieldError(f"{field}.index", message))
        twice = index in self._seen
        if twice:
            message = f"index {index} occurs twice: give each item its own"
            self.faults.append(FieldError(f"{field}.index", message))
        self._seen.add(index)
        before = None if twice else self.items.get(index)
        missing = [member for member in ("type", "name") if before is None and not change.members.get(member)]
        if missing:
            self.faults += [FieldError(f"{field}.{member}", "a new item needs this") for member in missing]
            return None
        if before is None:
            item = Item(**{"name": "", "type": "", **change.members, "index": index})
        else:
            item = replace(before, **change.members)
            self._check_fixed(before, item, field)
        item = _with_defaults(item)
        self.faults += _item_faults(item, field)
        if twice:
            return None
        self.items[index] = item
        return item

    def check_names(self, fields: Mapping[int, str]) -> None:
        """Find types and names that occur twice, as faults of the items just applied."""
        for member in ("type", "name"):
            owners: dict[str, set[int]] = {}
            for item in self.items.values():
                owners.setdefault(getattr(item, member), set()).add(item.index)
            for index, field in fields.items():
                text = getattr(self.items[index], member)
                if others := owners[text] - {index}:
                    message = f"item {min(others)} has the {member} {text} already: give each item its own"
                    self.faults.append(FieldError(f"{field}.{member}", message))

    def _free(self) -> int:
        while self._next in self.items or self._next in self._seen:
            self._next += 1
        return self._next

    def _check_fixed(self, before: Item, after: Item, field: str) -> None:
        if before.type != after.type:
            message = f"item {before.index} has the type {before.type}: add a new item for another type"
            self.faults.append(FieldError(f"{field}.type", message))
        if not self._published:
            return
        for member in FIXED:
            if getattr(before, member) != getattr(after, member):
                remedy = "use :regrade" if member == "grade" else "add a new item, and disable this one"
                message = f"records were stored by this member of a published item: {remedy}"
                self.faults.append(FieldError(f"{field}.{member}", message))


def _by_index(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: item.index)


def _with_defaults(item: Item) -> Item:
    if item.data_type == "string" and item.length_max is None and (item.unique or item.searchable):
        return replace(item, length_max=INDEXED_CHARACTERS_MAX)
    return item


def _item_faults(item: Item, field: str) -> list[FieldError]:
    faults = [*_name_faults(item, field), *_limit_faults(item, field), *_range_faults(item, field)]
    if item.format not in FORMATS:
        faults.append(FieldError(f"{field}.format", f"a format is one of {', '.join(FORMATS)}"))
    elif item.format != "text" and item.data_type != "string":
        faults.append(FieldError(f"{field}.format", f"only strings have a format, this is a {item.data_type}"))
    if item.grade not in PERMITTED:
        faults.append(FieldError(f"{field}.grade", "a grade is 1, 2 or 3"))
    for member in ("unique", "searchable"):
        if getattr(item, member) and item.data_type not in _INDEXED:
            message = f"only items of {', '.join(_INDEXED)} can be {member}"
            faults.append(FieldError(f"{field}.{member}", message))
    if (item.unique or item.searchable) and (item.length_max or 0) > INDEXED_CHARACTERS_MAX:
        message = f"unique and searchable items have at most {INDEXED_CHARACTERS_MAX} characters"
        faults.append(FieldError(f"{field}.length_max", message))
    return faults


def _name_faults(item: Item, field: str) -> list[FieldError]:
    faults = []
    if len(item.name) > NAME_CHARACTERS_MAX or not item.name.isprintable() or item.name.isspace():
        message = f"a name has 1 to {NAME_CHARACTERS_MAX} printable characters"
        faults.append(FieldError(f"{field}.name", message))
    try:
        type_octets(item.type)
    except ValuesError as error:
        faults.append(FieldError(f"{field}.type", error.message))
    return faults


def _limit_faults(item: Item, field: str) -> list[FieldError]:
    """Find limits that are not for the item's data type."""
    return [
        FieldError(f"{field}.{member}", f"this is for items of {' or '.join(types)}, not {item.data_type}")
        for member, types in _LIMITS.items()
        if getattr(item, member) not in (None, ()) and item.data_type not in types
    ]


def _range_faults(item: Item, field: str) -> list[FieldError]:
    faults = []
    if item.length_max is not None and (item.length_min or 0) > item.length_max:
        faults.append(FieldError(f"{field}.length_max", "this is less than length_min"))
    if item.number_min is not None and item.number_max is not None and item.number_min > item.number_max:
        faults.append(FieldError(f"{field}.number_max", "this is less than number_min"))
    if item.digits is not None and item.decimals is not None and item.decimals > item.digits:
        faults.append(FieldError(f"{field}.decimals", "this is more than digits"))
    if item.date_format is not None and item.date_format not in DATE_FORMATS:
        faults.append(FieldError(f"{field}.date_format", f"a date is written in one of {', '.join(DATE_FORMATS)}"))
    if len(item.file_suffixes) > FILE_SUFFIXES_MAX or not all(map(_SUFFIX.fullmatch, item.file_suffixes)):
        message = f"these are at most {FILE_SUFFIXES_MAX} suffixes of 1 to 10 lower-case letters and digits, like pdf"
        faults.append(FieldError(f"{field}.file_suffixes", message))
    return faults
