"""Adding and changing items: what comes of it, and every reason why not."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidFields
from registry.service.item_changes import FIXED, ITEMS_MAX, ItemChange, changed_items
from registry.tables.templates import Item
from tests.unit.template_items import item

BEFORE = (item(2000), item(2005, data_type="number", grade=2))
NEW = {"name": "新", "type": "new"}


def faults(
    *changes: ItemChange, before: Sequence[Item] = BEFORE, published: bool = False, remove: Sequence[int] = ()
) -> list[str]:
    with pytest.raises(InvalidFields) as refused:
        changed_items(before, changes, published=published, remove=remove)
    assert refused.value.code == "bad_items"
    return [fault.field for fault in refused.value.errors]


def new(index: int | None = None, **members: Any) -> ItemChange:
    return ItemChange(index, NEW | members)


def test_items_that_are_not_named_stay_as_they_are() -> None:
    after, touched = changed_items(BEFORE, [ItemChange(2005, {"name": "数量"})], published=True)
    assert after == (BEFORE[0], item(2005, name="数量", data_type="number", grade=2))
    assert touched == after[1:]


def test_what_is_sent_again_unchanged_is_no_change() -> None:
    assert changed_items(BEFORE, [ItemChange(2000, {"name": BEFORE[0].name})]) == (BEFORE, ())


def test_new_items_without_an_index_come_behind_the_last_one_in_their_order() -> None:
    changes = [new(type="a", name="a"), new(2007, type="b", name="b"), new(type="c", name="c")]
    after, _ = changed_items(BEFORE, changes)
    assert {one.type: one.index for one in after[2:]} == {"a": 2006, "b": 2007, "c": 2008}
    first, _ = changed_items((), [new(type="a", name="a"), new(type="b", name="b")])
    assert [one.index for one in first] == [2000, 2001]


def test_items_come_in_the_order_of_their_indexes() -> None:
    after, _ = changed_items((), [new(2003, type="a", name="a"), new(2000, type="b", name="b")])
    assert [one.index for one in after] == [2000, 2003]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (new(1999), "items[0].index"),
        (new(2**31), "items[0].index"),
        (new(type="item_2000"), "items[0].type"),
        (new(name="项目2000"), "items[0].name"),
        (ItemChange(2000, {"type": "new"}), "items[0].type"),
        (ItemChange(2005, {"name": "项目2000"}), "items[0].name"),
        (new(type="bad."), "items[0].type"),
        (new(type="x\x00"), "items[0].type"),
        (new(name="  "), "items[0].name"),
        (new(name="x" * 256), "items[0].name"),
        (new(format="regex"), "items[0].format"),
        (new(format="gtin", data_type="number"), "items[0].format"),
        (new(grade=4), "items[0].grade"),
        (new(length_min=5, length_max=4), "items[0].length_max"),
        (new(length_max=4, data_type="date"), "items[0].length_max"),
        (new(number_min=Decimal(1)), "items[0].number_min"),
        (new(data_type="number", number_min=Decimal(2), number_max=Decimal(1)), "items[0].number_max"),
        (new(data_type="number", digits=2, decimals=3), "items[0].decimals"),
        (new(digits=2), "items[0].digits"),
        (new(data_type="date", date_format="DD.MM.YYYY"), "items[0].date_format"),
        (new(date_format="YYYY"), "items[0].date_format"),
        (new(reference_template="t"), "items[0].reference_template"),
        (new(files_max=1), "items[0].files_max"),
        (new(data_type="file", file_suffixes=("PDF",)), "items[0].file_suffixes"),
        (new(data_type="file", file_suffixes=("pdf",) * 33), "items[0].file_suffixes"),
        (new(data_type="image", unique=True), "items[0].unique"),
        (new(data_type="file", searchable=True), "items[0].searchable"),
        (new(unique=True, length_max=256), "items[0].length_max"),
    ],
)
def test_a_bad_item_names_its_member(change: ItemChange, field: str) -> None:
    assert faults(change) == [field]


def test_a_new_item_needs_a_type_and_a_name() -> None:
    assert faults(ItemChange(None, {})) == ["items[0].type", "items[0].name"]


def test_every_fault_is_found_at_once() -> None:
    found = faults(new(type="bad.", grade=9), ItemChange(2000, {"type": "x"}), new(2000), remove=[2009])
    assert set(found) == {
        "remove[0]",
        "items[0].type",
        "items[0].grade",
        "items[1].type",
        "items[2].index",
    }


def test_unique_and_searchable_strings_have_a_limit_of_their_own() -> None:
    after, _ = changed_items((), [new(unique=True), new(type="b", name="b", searchable=True, length_max=7)])
    assert [one.length_max for one in after] == [255, 7]


@pytest.mark.parametrize(
    ("member", "other"),
    [
        ("data_type", "number"),
        ("unique", True),
        ("searchable", True),
        ("grade", 3),
        ("reference_template", "t"),
    ],
)
def test_what_records_were_stored_by_is_fixed_once_published(member: str, other: Any) -> None:
    assert member in FIXED
    before = (item(data_type="reference"),) if member == "reference_template" else (item(),)
    changes = [ItemChange(2000, {member: other})]
    assert getattr(changed_items(before, changes)[0][0], member) == other
    assert f"items[0].{member}" in faults(*changes, before=before, published=True)


def test_only_a_draft_loses_items() -> None:
    assert changed_items(BEFORE, [], remove=[2005]) == (BEFORE[:1], ())
    assert faults(remove=[2005], published=True) == ["remove[0]"]
    assert faults(remove=[2000, 2005]) == ["items"], "none would be left"


def test_the_number_of_items_has_an_end() -> None:
    many = [ItemChange(None, {"name": f"n{at}", "type": f"t{at}"}) for at in range(ITEMS_MAX)]
    assert len(changed_items((), many)[0]) == ITEMS_MAX
    assert faults(*many, new(), before=()) == ["items"]
    assert faults(*many, before=BEFORE) == ["items"]


@given(st.lists(st.tuples(st.none() | st.integers(1990, 2010), st.integers(0, 6), st.booleans()), max_size=8))
def test_whatever_is_sent_types_names_and_indexes_stay_apart(sent: list[tuple[int | None, int, bool]]) -> None:
    changes = [
        ItemChange(index, {"type": f"t{kind}", "name": f"n{kind}"} if full else {"state": "disabled"})
        for index, kind, full in sent
    ]
    try:
        after, touched = changed_items(BEFORE, changes, published=True)
    except InvalidFields:
        return
    assert len({one.index for one in after}) == len({one.type for one in after}) == len({one.name for one in after})
    assert {one.index for one in BEFORE} <= {one.index for one in after}, "no item of a published template is lost"
    assert set(touched) <= set(after)
    assert [one.index for one in after] == sorted(one.index for one in after)
