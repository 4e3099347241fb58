"""Records: which values may be stored together, and whose timestamps they carry."""

import pytest

from identifiers.values import (
    INDEX_MAX,
    RECORD_OCTETS_MAX,
    VALUE_OCTETS_MIN,
    VALUES_PER_RECORD_MAX,
    Reference,
    Value,
    ValuesError,
    check_values,
    stamped,
)


def refusal(*values: Value) -> tuple[str, int]:
    with pytest.raises(ValuesError) as refused:
        check_values(values)
    return refused.value.field, refused.value.code


@pytest.mark.parametrize("index", [0, -1, INDEX_MAX + 1])
def test_an_index_has_31_bits_and_is_not_zero(index: int) -> None:
    assert refusal(Value(1, "URL", b""), Value(index, "URL", b"")) == ("values[1].index", 202)


def test_an_index_occurs_once() -> None:
    assert refusal(Value(1, "URL", b""), Value(1, "DESC", b"")) == ("values[1].index", 201)


@pytest.mark.parametrize("type_", ["", "x" * 256, "泵" * 86, "A\x00", "A\x85", "URL.", ".", "\ud800"])
def test_a_type_is_short_printable_text_not_ending_in_a_dot(type_: str) -> None:
    assert refusal(Value(1, type_, b"")) == ("values[0].type", 202)


def test_the_longest_type_has_255_octets() -> None:
    check_values([Value(1, "泵" * 85, b""), Value(2, "x" * 255, b""), Value(3, ".x", b"")])


def test_a_record_has_at_most_2048_values() -> None:
    values = [Value(index, "T", b"") for index in range(1, VALUES_PER_RECORD_MAX + 2)]
    check_values(values[:-1])
    assert refusal(*values) == ("values", 202)


def test_a_record_has_at_most_262000_octets_all_told() -> None:
    reference = Reference("88.118/泵", 1)
    room = RECORD_OCTETS_MAX - VALUE_OCTETS_MIN - len("T") - 8 - len("88.118/泵".encode())
    check_values([Value(1, "T", bytes(room), references=(reference,))])
    assert refusal(Value(1, "T", bytes(room + 1), references=(reference,))) == ("values", 202)


@pytest.mark.parametrize(
    "value",
    [
        Value(1, "T", b"", ttl=2**32),
        Value(1, "T", b"", timestamp=-1),
        Value(1, "T", b"", permissions=16),
        Value(1, "T", b"", references=(Reference("x" * 2_049, 1),)),
        Value(1, "T", b"", references=(Reference("x", -1),)),
    ],
)
def test_numbers_and_references_fit_the_wire(value: Value) -> None:
    with pytest.raises(ValuesError):
        check_values([value])


def test_an_error_says_where() -> None:
    error = ValuesError("wrong", "values[3].type", 202)
    assert str(error) == "values[3].type: wrong"
    assert str(ValuesError("wrong")) == "wrong"


def test_unchanged_values_keep_their_timestamp() -> None:
    before = (
        Value(1, "URL", b"a", timestamp=5),
        Value(2, "URL", b"b", timestamp=6),
        Value(4, "URL", b"d", timestamp=7),
    )
    after = (Value(1, "URL", b"a"), Value(2, "URL", b"changed"), Value(3, "URL", b"new", timestamp=1))
    assert [value.timestamp for value in stamped(after, before, 99)] == [5, 99, 99]
    assert [value.data for value in stamped(after, before, 99)] == [b"a", b"changed", b"new"]
