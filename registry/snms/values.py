"""The values of a registration against its template: the checks in their documented order, each with its message.

The service checks every rule again; what is decided here is which fault is named first, and in which words.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from identifiers.values import PlainText, Value
from registry.service.batch_rows import plain_values
from registry.service.template_rules import ITEM_INDEX_MIN
from registry.snms.envelope import refused
from registry.tables.templates import Item, Template

RESERVED: Final = frozenset({1000, 1001, 1999})
TEMPLATE_INDEX: Final = 1001
TEMPLATE_TYPE: Final = "TEMPLATE"
VALUE_CHARACTERS_MAX: Final = 255


class Data(msgspec.Struct, frozen=True, gc=False):
    """The text of a value, and the form it is in; only `string` is taken."""

    format: str
    value: str


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One value as a client sent it."""

    index: int
    type: str
    data: Data

    @property
    def format(self) -> str:
        """The form the text is in."""
        return self.data.format

    @property
    def text(self) -> str:
        """The text."""
        return self.data.value


def check_values(template: Template, sent: Sequence[Sent], before: Mapping[int, str]) -> None:
    """Raise the first fault. `before`: the stored texts by index, which a disabled item may repeat unchanged."""
    _check_indexes(template, sent)
    for value in sent:
        item = template.by_index[value.index]
        if value.type != item.type:
            raise refused(f"属性类型{value.type}与模板不一致", "type_differs", "value[].type")
        if not item.enabled and before.get(value.index) != value.text:
            raise refused(f"属性{item.type}已停用", "item_disabled", "value[].index")
    given = {value.index: value for value in sent}
    if len(given) < len(sent):
        raise refused("同一索引出现多次", "index_twice", "value[].index")
    for item in template.items:
        if item.required and item.enabled and (item.index not in given or not given[item.index].text):
            raise refused(f"缺少必填属性{item.type}", "required_value_missing", item.type)
    for value in sent:
        _check_text(template.by_index[value.index], value)


def _check_indexes(template: Template, sent: Sequence[Sent]) -> None:
    for value in sent:
        if value.index in RESERVED:
            raise refused(f"索引{value.index}为预留索引", "reserved_index", "value[].index")
        if value.index not in template.by_index:
            raise refused(f"非法操作，索引{value.index}在模板中不存在", "unknown_index", "value[].index")


def _check_text(item: Item, value: Sent) -> None:
    if value.format != "string":
        raise refused("参数format取值不合法", "bad_parameter", "value[].data.format")
    shortest = item.length_min or 0
    longest = min(item.length_max or VALUE_CHARACTERS_MAX, VALUE_CHARACTERS_MAX)
    if not shortest <= len(value.text) <= longest:
        raise refused(f"属性{item.type}长度应在{shortest}到{longest}之间", "bad_length", item.type)


def plain_record(template: Template, version: str, sent: Sequence[Sent], timestamp_s: int) -> bytes | None:
    """Return the JSON of a registration's values for the record, the template's version among them, ready to store.

    That is so where each is text of an item that asks no more than a length, in the order of the indexes; None for all
    else, good or bad. What passes here passes `check_values` too.
    """
    texts: list[PlainText] = [(TEMPLATE_INDEX, TEMPLATE_TYPE, version)]
    for value in sent:
        data = value.data
        if data.format != "string" or len(data.value) > VALUE_CHARACTERS_MAX or value.index < ITEM_INDEX_MIN:
            return None
        texts.append((value.index, value.type, data.value))
    return plain_values(template, texts, timestamp_s)


def record_values(version: str, sent: Sequence[Sent]) -> tuple[Value, ...]:
    """Return the Handle values of a registration: the template's version at index 1001, then the values sent."""
    template = Value(index=TEMPLATE_INDEX, type=TEMPLATE_TYPE, data=version.encode())
    values = [Value(index=value.index, type=value.type, data=value.text.encode()) for value in sent]
    return (template, *sorted(values, key=lambda value: value.index))
