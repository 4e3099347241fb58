"""What a deposit tells of the registry's tables, against what was loaded of it."""

import msgspec
import pytest

from sync.escrow import stock
from sync.escrow.errors import PackagingFailed
from sync.escrow.stock import TableStock, differences


def test_counts_and_digests_that_differ_are_named_and_what_is_not_told_is_not_compared() -> None:
    told = {
        "prefixes": TableStock(3, "17"),
        "identifiers": TableStock(10, "40"),
        "quotas": TableStock(2),
        "gone": TableStock(1, "1"),
    }
    assert differences(told, told) == []
    here = {
        "prefixes": TableStock(2, "17"),
        "identifiers": TableStock(10, "41"),
        "quotas": TableStock(2, "9"),
        "newer": TableStock(5, "5"),
    }
    assert differences(told, here) == [
        "prefixes has 2 rows, the registry had 3",
        "identifiers has 10 rows, but not all with the content they had",
    ]
    assert differences(told, {"prefixes": TableStock(3), "identifiers": TableStock(10)}) == []


def test_the_row_of_the_node_is_read_with_and_without_a_stock() -> None:
    earlier = {"epoch": "e", "xid": 1, "seq": 2, "schema": 25}
    assert stock.read(msgspec.json.encode(earlier)).stock == {}
    told = {**earlier, "stock": {"prefixes": {"rows": 3, "digest": "17"}}}
    assert stock.read(msgspec.json.encode(told)).stock == {"prefixes": TableStock(3, "17")}
    with pytest.raises(PackagingFailed, match="row of the node cannot be read"):
        stock.read(b"[]")
