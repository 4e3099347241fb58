"""The mapping of T9's columns to items."""

from typing import Any

import pytest

from registry.service import master_data
from sync.tables import t9_fields
from tests.unit.template_items import item

ITEMS = [
    item(2000, name="产品名称", type="product_name"),
    item(2001, name="生产日期", type="made", data_type="date"),
    item(2002, name="图片", type="picture", data_type="image"),
]
REQUIRED = dict.fromkeys(master_data.REQUIRED_OF_ACTIVE, "product_name")


def test_the_columns_are_those_that_reports_fill() -> None:
    assert master_data.FIELDS == t9_fields.MAPPED
    assert master_data.REQUIRED_OF_ACTIVE == t9_fields.REQUIRED_OF_ACTIVE


def test_an_item_is_named_by_its_type_or_its_name() -> None:
    named, faults = master_data.by_type({"product_name": "product_name", "produced_at": "生产日期"}, ITEMS)
    assert (named, faults) == ({"product_name": "product_name", "produced_at": "made"}, [])


@pytest.mark.parametrize(
    ("column", "name"), [("colour", "product_name"), ("product_brand", "absent"), ("product_brand", "picture")]
)
def test_a_column_that_cannot_be_filled_is_a_fault(column: str, name: str) -> None:
    named, (fault,) = master_data.by_type({column: name}, ITEMS)
    assert (named, fault.field) == ({}, f"master_data.{column}")


@pytest.mark.parametrize(
    ("object_type", "mapping", "missing"),
    [
        (2, None, 0),
        (1, None, 4),
        (1, {}, 4),
        (1, REQUIRED, 0),
        (1, dict.fromkeys(list(REQUIRED)[1:], "x"), 1),
    ],
)
def test_an_active_identifier_carrier_needs_its_columns(object_type: int, mapping: Any, missing: int) -> None:
    assert len(master_data.unmapped(object_type, mapping, ITEMS)) == missing


def test_without_a_mapping_items_named_after_the_columns_fill_them() -> None:
    items = [item(2000 + at, type=column) for at, column in enumerate(master_data.REQUIRED_OF_ACTIVE)]
    assert master_data.unmapped(1, None, items) == []
