"""Which values an answer carries."""

import pytest

from identifiers.selection import is_private, publicly_readable, select
from identifiers.values import Value

RECORD = (
    Value(1, "URL", b""),
    Value(6, "X.Y", b""),
    Value(7, "x", b""),
    Value(8, "XY", b""),
    Value(9, "X.Y.Z", b""),
)


@pytest.mark.parametrize(
    ("indexes", "types", "expected"),
    [
        ([], [], [1, 6, 7, 8, 9]),
        ([1, 99], [], [1]),
        ([], ["url"], [1]),
        ([], ["X"], [7]),
        ([], ["X."], [6, 7, 9]),
        ([], ["x.y."], [6, 9]),
        ([6], ["X.", "URL"], [1, 6, 7, 9]),
        ([0], [], []),
        ([0], ["URL"], [1]),
        ([], ["NONE"], []),
        ([], [""], []),
    ],
)
def test_values_are_selected_by_index_or_type(indexes: list[int], types: list[str], expected: list[int]) -> None:
    assert [value.index for value in select(RECORD, indexes, types)] == expected


def test_public_private_and_hidden_values_are_told_apart() -> None:
    public, private, hidden = Value(1, "A", b"", 0b0010), Value(2, "A", b"", 0b1000), Value(3, "A", b"", 0b0101)
    record = (public, private, hidden)
    assert publicly_readable(record) == (public,)
    assert [is_private(value) for value in record] == [False, True, False]
    assert not is_private(Value(1, "A", b"", 0b1010))
