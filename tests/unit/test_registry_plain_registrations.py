"""The short way of a registration list: what it takes, the careful way takes too, and makes the same of it."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.handle import check_new_handle
from identifiers.identifier import Identifier
from identifiers.value_json import decode_json, render_texts, values_to_json
from identifiers.values import PlainText, Value, ValuesError, check_values
from registry.service.batch_rows import plain_row, plain_values, templated_row
from registry.snms import values as snms
from registry.snms.entries import Registration, plain_entries, read_again, read_entries
from registry.snms.envelope import Refusal
from registry.tables.templates import Item, Template

NOW = datetime(2031, 5, 6, tzinfo=UTC)
TIMESTAMP = 1_935_000_000
ITEMS = (
    Item(2000, "产品名称", "product_name", required=True, length_max=12),
    Item(2001, "型号", "model", length_min=2, length_max=300),
    Item(2002, "批次", "batch", state="disabled"),
    Item(2003, "生产日期", "produced_on", data_type="date"),
)
TEMPLATES = (
    Template(1, "PLAIN", "plain", None, "published", NOW, NOW, ITEMS[:2]),
    Template(2, "MIXED", "mixed", None, "published", NOW, NOW, ITEMS),
    Template(3, "GRADED", "graded", None, "published", NOW, NOW, (Item(2000, "名", "product_name", grade=2),)),
    Template(4, "UNIQUE", "unique", None, "published", NOW, NOW, (Item(2000, "名", "product_name", unique=True),)),
)

TEXTS = st.sampled_from(["", "a", "泵", "A10", 'say "x"', "back\\slash", "line\nbreak", "x" * 13, "x" * 256])
INDEXES = st.sampled_from([0, 1, 1000, 1001, 1999, 2000, 2001, 2002, 2003, 2004, 2**31])
TYPES = st.sampled_from(["product_name", "model", "batch", "produced_on", "HS_ADMIN", "URL", ""])


def _value(index: int, type_: str, format_: str, text: str) -> dict[str, Any]:
    return {"index": index, "type": type_, "data": {"format": format_, "value": text}}


PLAIN_VALUES = st.builds(_value, INDEXES, TYPES, st.sampled_from(["string", "string", "base64", ""]), TEXTS)
GOOD_VALUES = st.just([_value(2000, "product_name", "string", "Pump"), _value(2001, "model", "string", "A10")])
ENTRIES = st.fixed_dictionaries(
    {
        "handle": st.sampled_from(["88.118.8/A1", "88.118.8/泵", "88.118.8/\t", ""]),
        "templateVersion": st.sampled_from(["A10", ""]),
        "value": GOOD_VALUES | st.lists(PLAIN_VALUES, max_size=4),
    },
    optional={"remark": st.just("more than is asked")},
)


@given(st.lists(ENTRIES, max_size=3), st.booleans())
@settings(max_examples=150)
def test_a_list_read_at_once_is_what_is_read_entry_by_entry(entries: list[dict[str, Any]], ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    body = json.dumps(entries, ensure_ascii=ascii_only).encode()
    plain = plain_entries(body)
    if plain is not None:
        assert [_read_again(entry) for entry in plain] == [_told(one) for one in read_entries(decode_json(body))]


def _read_again(entry: Registration) -> Registration | tuple[str, str]:
    try:
        return read_again(entry)
    except Refusal as refusal:
        return _told(refusal)


def _told(read: Registration | Refusal) -> Any:
    return (read.code, read.message) if isinstance(read, Refusal) else read


def test_an_ordinary_list_is_read_at_once() -> None:
    entry = {
        "handle": "88.118.8/A1",
        "templateVersion": "A10",
        "value": [_value(2000, "product_name", "string", 'a"b')],
    }
    assert plain_entries(json.dumps([entry, entry]).encode()) is not None


def test_members_that_occur_twice_or_are_not_known_are_left_to_the_careful_way() -> None:
    value = '{"index":2000,"type":"model","data":{"format":"string","value":"x"}%s}'
    entry = '[{"handle":"88.118.8/A1","templateVersion":"A10","value":[%s]}]'
    assert plain_entries((entry % (value % "")).encode()) is not None
    assert plain_entries((entry % (value % ',"type":"model"')).encode()) is None
    assert plain_entries((entry % (value % ',"remark":"x"')).encode()) is None
    assert plain_entries(b"[{}]") is None
    assert plain_entries(b'"list"') is None


@given(st.sampled_from(TEMPLATES), st.lists(st.tuples(INDEXES, TYPES, TEXTS), max_size=4), st.booleans())
@settings(max_examples=300)
def test_a_row_of_plain_texts_is_the_row_of_their_values(
    template: Template,
    drawn: list[PlainText],
    good: bool,  # noqa: FBT001 - drawn
) -> None:
    texts = [(2000, "product_name", "Pump"), (2001, "model", "A10")] if good else drawn
    found = check_new_handle("88.118.8/A1")
    assert isinstance(found, Identifier)
    rendered = plain_values(template, texts, TIMESTAMP)
    if good and template.code == "PLAIN":
        assert rendered is not None
    if rendered is not None:
        values = [Value(index, type_, text.encode(), timestamp=TIMESTAMP) for index, type_, text in texts]
        check_values(values)
        assert plain_row(7, found, rendered, template) == templated_row(7, found, values, template)


@given(st.lists(st.tuples(INDEXES, TYPES, TEXTS), max_size=4))
@settings(max_examples=150)
def test_texts_rendered_at_once_are_rendered_as_values_are(texts: list[PlainText]) -> None:
    rendered = render_texts(texts, timestamp=TIMESTAMP)
    values = [Value(index, type_, text.encode(), timestamp=TIMESTAMP) for index, type_, text in texts]
    try:
        check_values(values)
    except ValuesError:
        assert rendered is None
    else:
        assert rendered in (None, values_to_json(values))


@given(st.sampled_from(TEMPLATES), ENTRIES)
@settings(max_examples=200)
def test_what_passes_as_plain_texts_passes_the_ordered_checks_too(template: Template, entry: dict[str, Any]) -> None:
    read = read_entries([entry])[0]
    if isinstance(read, Refusal):
        return
    plain = snms.plain_record(template, read.version, read.values, TIMESTAMP)
    if plain is not None:
        snms.check_values(template, read.values, {})
        values = snms.record_values(read.version, read.values)
        assert plain == values_to_json([msgspec.structs.replace(value, timestamp=TIMESTAMP) for value in values])
