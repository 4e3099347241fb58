"""Template rules: the formats, and every fault of a record at once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.values import Value
from registry.errors import FIELD_ERRORS_MAX
from registry.service.template_rules import FORMATS, template_faults
from registry.tables.templates import Item, Template

AT = datetime(2025, 11, 22, tzinfo=UTC)


def template(*items: Item) -> Template:
    return Template(1, "t", "T", None, "active", AT, AT, items)


def item(index: int = 2000, kind: str = "text", *, required: bool = True, bounds: tuple[int, int] = (0, 100)) -> Item:
    return Item(index, f"item {index}", "name", kind, required, *bounds)


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
    for text, fits in [(text, True) for text in good] + [(text, False) for text in bad]:
        faults = template_faults(template(item(kind=kind)), [Value(2000, "name", text.encode())])
        assert (faults == []) is fits, text


@given(st.sampled_from(sorted(FORMATS)), st.text(max_size=60))
def test_no_text_makes_a_format_fail_otherwise_than_by_saying_so(kind: str, text: str) -> None:
    template_faults(template(item(kind=kind)), [Value(2000, "name", text.encode(errors="replace"))])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Value(2000, "other", b"x"), "values[0].type"),
        (Value(2000, "name", b"\xff"), "values[0].data"),
        (Value(2000, "name", b"xx" * 100), "values[0].data"),
        (Value(2001, "name", b"x"), "values[0].index"),
    ],
)
def test_a_fault_names_its_field(value: Value, field: str) -> None:
    assert [fault.field for fault in template_faults(template(item(required=False)), [value])] == [field]


def test_lengths_count_characters_not_octets() -> None:
    rules = template(item(bounds=(2, 3)))
    assert template_faults(rules, [Value(2000, "name", "泵泵泵".encode())]) == []
    for text in ("泵", "泵泵泵泵"):
        assert len(template_faults(rules, [Value(2000, "name", text.encode())])) == 1


def test_a_required_item_that_is_missing_is_a_fault_of_the_whole() -> None:
    (fault,) = template_faults(template(item(), item(2001, required=False)), [])
    assert fault.field == "values"
    assert "2000" in fault.message


def test_values_below_the_items_are_free() -> None:
    assert template_faults(template(item(required=False)), [Value(1, "URL", b"x"), Value(1999, "x", b"\xff")]) == []


def test_the_list_of_faults_has_an_end() -> None:
    values = [Value(index, "x", b"") for index in range(3000, 3500)]
    assert len(template_faults(template(item()), values)) == FIELD_ERRORS_MAX
