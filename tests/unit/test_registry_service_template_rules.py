"""Template rules: formats and data types, and every fault of a record at once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.values import Value
from registry.errors import FIELD_ERRORS_MAX
from registry.service.item_values import FORMATS
from registry.service.template_rules import template_faults
from registry.tables.templates import DataType, Item
from tests.unit.template_items import TEXT, item, rule_cases, template, value

DATA_TYPES: list[DataType] = ["string", "number", "date", "reference", "file", "image", "audio", "video"]


def fields(of: Item, text: str | bytes, **members: Any) -> list[str]:
    return [fault.field for fault in template_faults(template(of), [value(of, text, **members)])]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["", "泵", "x" * 100], []),
        ("integer", ["0", "-42", "+7"], ["", "1.0", "١", "1e3", "1" * 41, " 1"]),
        ("decimal", ["0", "-4.50", "12.0"], ["", ".5", "1.", "1,5", "NaN"]),
        ("date", ["2025-11-22"], ["2025-11-31", "20251122", "22.11.2025", "2025-W47-6"]),
        ("instant", ["2025-11-22T08:00:00Z", "2025-11-22T08:00:00+08:00"], ["2025-11-22T08:00:00", "2025-11-22"]),
        (
            "url",
            ["https://example.com/p?q#f", "http://[::1]/"],
            ["javascript:x", "https://", "example.com", "https://a b"],
        ),
        ("gtin", ["09521234567882", "95212340"], ["09521234567881", "123", ""]),
    ],
)
def test_a_format_takes_what_it_describes(kind: str, good: list[str], bad: list[str]) -> None:
    of = item(format=kind, length_max=100)
    assert {text: fields(of, text) == [] for text in [*good, *bad]} == dict.fromkeys(good, True) | dict.fromkeys(
        bad, False
    )


@pytest.mark.parametrize(
    ("members", "good", "bad"),
    [
        ({"data_type": "number"}, ["0", "-4.50", "+7", "9" * 38], ["", "1e3", "٣", "9" * 39, "0x1", "NaN", "1."]),
        ({"data_type": "number", "digits": 3}, ["999", "9.99", "0009.99"], ["1000", "99.99"]),
        ({"data_type": "number", "decimals": 2}, ["1", "1.25"], ["1.255"]),
        ({"data_type": "number", "decimals": 0}, ["1"], ["1.0"]),
        ({"data_type": "number", "number_min": Decimal("0.1")}, ["0.1", "7"], ["0.09", "-1"]),
        ({"data_type": "number", "number_max": Decimal(10)}, ["10", "10.0", "-99"], ["10.01"]),
        ({"data_type": "date"}, ["2025-11-22"], ["2025-11-31", "20251122", "2025-1-2", ""]),
        ({"data_type": "date", "date_format": "YYYYMMDD"}, ["20251122"], ["2025-11-22", "2025112"]),
        ({"data_type": "date", "date_format": "YYYY-MM"}, ["2025-11"], ["2025-13", "2025-11-22"]),
        (
            {"data_type": "date", "date_format": "YYYY-MM-DD HH:mm:ss"},
            ["2025-11-22 08:00:59"],
            ["2025-11-22", "2025-11-22 24:00:00"],
        ),
        (
            {"data_type": "date", "date_format": "YYYY-MM-DDTHH:mm:ssZ"},
            ["2025-11-22T08:00:59Z"],
            ["2025-11-22T08:00:59+08:00"],
        ),
        ({"data_type": "reference"}, ["88.118.8/SN1", "20.500.999/x"], ["", "88.118.8", "88.118.8/", "88./x", "泵"]),
        ({"data_type": "file"}, ["https://example.com/a"], ["", "ftp://example.com/a", "https://a.cn\nhttps://b.cn"]),
        ({"data_type": "file", "files_max": 2}, ["https://a.cn\nhttps://b.cn"], ["https://a.cn\n", "a\nb\nc"]),
        (
            {"data_type": "file", "file_suffixes": ("pdf",)},
            ["https://example.com/a.PDF?v=1"],
            ["https://example.com/a.exe", "https://example.com/pdf"],
        ),
        ({"data_type": "image"}, ["https://example.com/a.png"], ["https://example.com/a.pdf"]),
        ({"data_type": "audio"}, ["https://example.com/a.mp3"], ["https://example.com/a.png"]),
        ({"data_type": "video"}, ["https://example.com/a.mp4"], ["https://example.com/" + "a" * 2048 + ".mp4"]),
    ],
)
def test_a_data_type_takes_what_it_describes(members: dict[str, Any], good: list[str], bad: list[str]) -> None:
    of = item(**members)
    found = {text: fields(of, text) == [] for text in [*good, *bad]}
    assert found == dict.fromkeys(good, True) | dict.fromkeys(bad, False)


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(DATA_TYPES), st.text(max_size=60))
def test_no_text_makes_a_check_fail_otherwise_than_by_saying_so(kind: str, data_type: DataType, text: str) -> None:
    of = item(format=kind, data_type=data_type, number_min=Decimal(1), digits=3, decimals=1)
    template_faults(template(of), [value(of, text.encode(errors="replace"))])


@given(st.data())
def test_a_fault_is_listed_for_each_rule_that_is_broken_and_for_no_other(data: st.DataObject) -> None:
    cases = [data.draw(rule_cases(2000 + at)) for at in range(data.draw(st.integers(1, 6)))]
    broken = [data.draw(st.booleans()) for _ in cases]
    values = [value(of, bad if wrong else good) for (of, good, bad), wrong in zip(cases, broken, strict=True)]
    faults = template_faults(template(*[of for of, _, _ in cases]), values)
    assert {fault.field for fault in faults} == {f"values[{at}].data" for at, wrong in enumerate(broken) if wrong}


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8), TEXT)
def test_just_the_required_items_that_are_enabled_are_missed(kinds: list[tuple[bool, bool, bool]], text: str) -> None:
    items = [
        item(2000 + at, required=required, state="enabled" if enabled else "disabled")
        for at, (required, enabled, _) in enumerate(kinds)
    ]
    present = [of for of, (_, enabled, there) in zip(items, kinds, strict=True) if enabled and there]
    faults = template_faults(template(*items), [value(of, text or "x") for of in present])
    missed = [of for of in items if of.required and of.enabled and of not in present]
    assert [fault.field for fault in faults] == ["values"] * len(missed)
    assert all(str(of.index) in fault.message for of, fault in zip(missed, faults, strict=True))


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (Value(2000, "other", b"x"), "values[0].type"),
        (Value(2000, "item_2000", b"\xff"), "values[0].data"),
        (Value(2000, "item_2000", b"xx" * 100), "values[0].data"),
        (Value(2001, "item_2000", b"x"), "values[0].index"),
    ],
)
def test_a_fault_names_its_field(sent: Value, field: str) -> None:
    assert [fault.field for fault in template_faults(template(item(length_max=100)), [sent])] == [field]


def test_lengths_count_characters_not_octets() -> None:
    of = item(length_min=2, length_max=3)
    assert fields(of, "泵泵泵") == []
    for text in ("泵", "泵泵泵泵"):
        assert fields(of, text) == ["values[0].data"]


def test_a_required_item_may_not_be_empty() -> None:
    of = item(required=True)
    assert fields(of, "") == ["values[0].data"]
    assert fields(replace(of, required=False), "") == []


def test_a_disabled_item_takes_only_what_is_stored() -> None:
    of = item(state="disabled", required=True, length_max=1)
    rules, stored = template(of), value(of, "an old, long text", permissions=0b1100, timestamp=7)
    assert template_faults(rules, []) == []
    assert template_faults(rules, [value(of, "an old, long text")], before=[stored]) == []
    for sent, before in (("x", [stored]), ("x", []), ("an old, long text", [])):
        assert [fault.field for fault in template_faults(rules, [value(of, sent)], before=before)] == [
            "values[0].index"
        ]
    other = [replace_type(stored)]
    assert template_faults(rules, [value(of, "an old, long text")], before=other) != []


def replace_type(stored: Value) -> Value:
    return Value(stored.index, "other", stored.data)


def test_values_below_the_items_are_free() -> None:
    rules = template(item())
    assert (
        template_faults(rules, [Value(1, "URL", b"x"), Value(1001, "TEMPLATE", b"A10"), Value(1999, "x", b"\xff")])
        == []
    )


def test_the_list_of_faults_has_an_end() -> None:
    values = [Value(index, "x", b"") for index in range(3000, 3500)]
    assert len(template_faults(template(item()), values)) == FIELD_ERRORS_MAX
