"""Ids are drawn anew each time, those that are drawn many at once too."""

import re

from registry.ids import new_request_id


def test_request_ids_are_128_bits_in_hexadecimal_and_none_comes_twice() -> None:
    drawn = [new_request_id() for _ in range(1_000)]
    assert len(set(drawn)) == 1_000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in drawn)
