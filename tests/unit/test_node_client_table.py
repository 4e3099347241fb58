"""Casting rows of cells with a template's items."""

import re

import orjson
import pytest

from node.client.readers.record import ReadError, Row
from node.client.readers.table import Mould, Table, TemplateItem

ITEMS = {"name": TemplateItem(2005, "product_name"), "size": TemplateItem(2001, "size")}


def test_columns_become_the_items_of_a_template() -> None:
    table = Table(["gtin", "name", "size"], Mould("88.118.8", items=ITEMS))
    row = table.cast(2, ["95212340", "Pump", "1 pc"])
    assert isinstance(row, Row)
    assert orjson.loads(row.body) == {
        "identifier": "88.118.8/95212340",
        "values": [
            {"index": 2005, "type": "product_name", "data": "Pump"},
            {"index": 2001, "type": "size", "data": "1 pc"},
        ],
    }


def test_a_column_that_the_template_does_not_know_stops_the_import() -> None:
    with pytest.raises(ReadError, match=re.escape("no item colour; its items are: name, size")):
        Table(["gtin", "colour"], Mould("88.118.8", items=ITEMS))


def test_names_are_stripped_of_blanks_and_found_so() -> None:
    table = Table([" gtin ", "name\t"], Mould("88.118.8", id_column=" name"))
    assert (table.columns, table.id_column) == (("gtin", "name"), "name")
