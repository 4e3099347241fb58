"""Values as JSON: the members and forms clients rely on, and every form they send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.value_json import decode_json, decode_stored, decode_values, value_to_json, values_to_json
from identifiers.values import Reference, Value, ValuesError
from tests.unit.identifier_values import records

ADMIN_DATA = bytes.fromhex("0fff0000001032302e3530302e3939392f41444d494e0000012c")


def one(**members: Any) -> Value:
    (value,) = decode_values([{"index": 1, "type": "T", "data": "x", **members}])
    return value


def refusal(raw: Any) -> tuple[str, int]:
    with pytest.raises(ValuesError) as refused:
        decode_values(raw)
    return refused.value.field, refused.value.code


def refused_member(name: str, content: Any, **others: Any) -> tuple[str, int]:
    return refusal([{"index": 1, "type": "T", "data": "x", **others, name: content}])


@given(records())
def test_values_survive_the_way_through_json(values: tuple[Value, ...]) -> None:
    written = values_to_json(values)
    assert decode_values(decode_json(written), timestamps=True) == values
    assert decode_stored(written) == values


@given(records())
def test_requests_do_not_set_timestamps(values: tuple[Value, ...]) -> None:
    assert all(value.timestamp == 0 for value in decode_values(decode_json(values_to_json(values))))


@given(records())
def test_writing_what_was_read_changes_nothing(values: tuple[Value, ...]) -> None:
    written = values_to_json(values)
    assert values_to_json(decode_stored(written)) == written


def test_members_have_a_fixed_order_and_no_blanks() -> None:
    value = Value(1, "HS_SERV", b"0.NA/88", 0b1101, 60, timestamp=1704067200, references=(Reference("a/b", 2),))
    assert value_to_json(value) == (
        b'{"index":1,"type":"HS_SERV","data":{"format":"string","value":"0.NA/88"},"permissions":"1101","ttl":60,'
        b'"timestamp":"2024-01-01T00:00:00Z","references":[{"handle":"a/b","index":2}]}'
    )


def test_defaults_are_left_out_except_the_ttl() -> None:
    assert values_to_json([Value(1, "URL", b"x")]) == (
        b'[{"index":1,"type":"URL","data":{"format":"string","value":"x"},"ttl":86400}]'
    )
    assert values_to_json([]) == b"[]"


def test_an_absolute_ttl_is_an_instant() -> None:
    written = value_to_json(Value(1, "URL", b"x", ttl=1704067200, ttl_absolute=True))
    assert b'"ttl":"2024-01-01T00:00:00Z"' in written
    assert decode_stored(b"[" + written + b"]")[0].ttl_absolute


def test_values_stand_in_index_order() -> None:
    values = [Value(300, "B", b""), Value(2, "A", b""), Value(1, "C", b"")]
    assert [value["index"] for value in json.loads(values_to_json(values))] == [1, 2, 300]
    assert [value.index for value in decode_values(json.loads(values_to_json(values))[::-1])] == [1, 2, 300]


def test_other_alphabets_are_not_escaped_and_neither_is_markup() -> None:
    assert "\"泵 <a href='x'>&\"".encode() in value_to_json(Value(1, "DESC", "泵 <a href='x'>&".encode()))


@pytest.mark.parametrize("data", [b"a\tb\nc\x0b\x0c\r", b"\x13", b"", "\u3000\u2028".encode()])
def test_text_is_shown_as_string(data: bytes) -> None:
    assert json.loads(value_to_json(Value(1, "T", data)))["data"] == {"format": "string", "value": data.decode()}


@pytest.mark.parametrize(
    ("data", "shown"), [(b"\x00", "AA=="), (b"\x14", "FA=="), (b"\xff\xfe", "//4="), (b"\x7f", "fw==")]
)
def test_other_octets_are_shown_as_base64(data: bytes, shown: str) -> None:
    assert json.loads(value_to_json(Value(1, "T", data)))["data"] == {"format": "base64", "value": shown}


def test_an_administrator_is_shown_as_such() -> None:
    shown = json.loads(value_to_json(Value(100, "hs_Admin", ADMIN_DATA)))["data"]
    assert shown == {
        "format": "admin",
        "value": {"handle": "20.500.999/ADMIN", "index": 300, "permissions": "111111111111"},
    }


def test_structured_types_with_other_data_fall_back() -> None:
    assert json.loads(value_to_json(Value(1, "HS_ADMIN", b"no")))["data"] == {"format": "string", "value": "no"}
    assert json.loads(value_to_json(Value(1, "HS_VLIST", b"\xff")))["data"] == {"format": "base64", "value": "/w=="}


@pytest.mark.parametrize("index", [7, "7"])
def test_an_index_is_a_number_or_digits(index: int | str) -> None:
    assert one(index=index).index == 7


@pytest.mark.parametrize("index", [0, -1, 2**31, 2**40, 1e300, "0", "99999999999999"])
def test_an_index_out_of_range_is_an_invalid_value(index: object) -> None:
    assert refused_member("index", index) == ("values[0].index", 202)


@pytest.mark.parametrize("index", [None, True, 1.0, 1.5, "x", "", "-1", "１", []])
def test_an_index_of_another_json_type_is_a_protocol_error(index: object) -> None:
    assert refused_member("index", index) == ("values[0].index", 4)


def test_an_index_may_not_occur_twice() -> None:
    assert refusal([{"index": 1, "type": "T", "data": ""}, {"index": "1", "type": "U", "data": ""}]) == (
        "values[1].index",
        201,
    )


@pytest.mark.parametrize(("type_", "code"), [("", 202), ("x" * 256, 202), ("A.", 202), ("A\n", 202), (1, 4), (None, 4)])
def test_a_bad_type_is_refused(type_: object, code: int) -> None:
    assert refused_member("type", type_) == ("values[0].type", code)


@pytest.mark.parametrize("missing", ["index", "type", "data"])
def test_index_type_and_data_must_be_there(missing: str) -> None:
    value = {"index": 1, "type": "T", "data": "x"}
    del value[missing]
    with pytest.raises(ValuesError, match=missing) as refused:
        decode_values([value])
    assert (refused.value.field, refused.value.code) == ("values[0]", 4)


@pytest.mark.parametrize("raw", [None, {}, "x", 1, [1], [[]], ["x"]])
def test_values_are_an_array_of_objects(raw: Any) -> None:
    with pytest.raises(ValuesError):
        decode_values(raw)


@pytest.mark.parametrize(
    ("data", "octets"),
    [
        ("泵", "泵".encode()),
        ({"format": "String", "value": "x"}, b"x"),
        ({"format": "base64", "value": "-_8="}, b"\xfb\xff"),
        ({"format": "BASE64", "value": "+/8"}, b"\xfb\xff"),
        ({"format": "base64", "value": "aGVs\r\nbG8="}, b"hello"),
        ({"format": "base64", "value": ""}, b""),
        ({"format": "hex", "value": "00fF"}, b"\x00\xff"),
    ],
)
def test_data_has_many_forms(data: Any, octets: bytes) -> None:
    assert one(data=data).data == octets


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (1, "data"),
        (None, "data"),
        ({}, "data"),
        ({"format": "string"}, "data"),
        ({"format": "text", "value": "x"}, "data.format"),
        ({"format": 1, "value": "x"}, "data.format"),
        ({"format": "string", "value": 1}, "data.value"),
        ({"format": "base64", "value": "a"}, "data.value"),
        ({"format": "base64", "value": "aa=a"}, "data.value"),
        ({"format": "base64", "value": "a a"}, "data.value"),
        ({"format": "hex", "value": "0"}, "data.value"),
        ({"format": "hex", "value": "０0"}, "data.value"),
        ("\ud800", "data"),
    ],
)
def test_other_data_is_a_protocol_error(data: Any, field: str) -> None:
    assert refused_member("data", data) == (f"values[0].{field}", 4)


@pytest.mark.parametrize(
    ("text", "bits"),
    [("1110", 14), ("0000", 0), ("*", 15), ("1", 15), ("0", 14), ("01", 0b1101), ("000", 0b1000), ("", 14)],
)
def test_missing_permission_digits_keep_the_default(text: str, bits: int) -> None:
    assert one(permissions=text).permissions == bits


@pytest.mark.parametrize("raw", ["11100", "2", 1110, None, True])
def test_other_permissions_are_refused(raw: object) -> None:
    assert refused_member("permissions", raw) == ("values[0].permissions", 4)


def test_a_missing_ttl_is_a_day() -> None:
    assert (one().ttl, one().ttl_absolute) == (86_400, False)
    assert one(ttl=0).ttl == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-01-01T08:00:00+08:00", 1704067200),
        ("2024-01-01T00:00:00.999Z", 1704067200),
        ("2106-02-07T06:28:15Z", 2**32 - 1),
    ],
)
def test_a_text_ttl_is_an_absolute_instant(text: str, seconds: int) -> None:
    value = one(ttl=text)
    assert (value.ttl, value.ttl_absolute) == (seconds, True)


@pytest.mark.parametrize(
    "raw",
    [
        -1,
        2**32,
        1.0,
        True,
        None,
        "60",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-13-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2106-02-07T06:28:16Z",
        "0001-01-01T00:00:00+23:59",
        "２024-01-01T00:00:00Z",
    ],
)
def test_other_times_are_refused(raw: object) -> None:
    assert refused_member("ttl", raw) == ("values[0].ttl", 4)


def test_a_timestamp_is_checked_although_dropped() -> None:
    assert one(timestamp="2024-01-01T00:00:00Z").timestamp == 0
    assert refused_member("timestamp", "yesterday") == ("values[0].timestamp", 4)


def test_references_have_handle_and_index() -> None:
    assert one(references=[{"handle": "a/b", "index": "3"}]).references == (Reference("a/b", 3),)
    assert one(references=None).references == ()
    assert refused_member("references", [{"handle": "a/b"}]) == ("values[0].references[0]", 4)
    assert refused_member("references", [{"handle": "a/b", "index": 2**32}]) == ("values[0].references[0].index", 4)
    assert refused_member("references", [{"handle": "x" * 2_049, "index": 1}]) == ("values[0].references[0].handle", 4)


def test_unknown_members_are_ignored() -> None:
    assert one(colour="red", Index=9) == Value(1, "T", b"x")


@pytest.mark.parametrize("type_", ["HS_ADMIN", "hs_vlist", "HS_SITE", "HS_SITE.PREFIX", "HS_SITE.6", "HS_NA_DELEGATE"])
def test_data_with_a_structure_is_parsed_when_written(type_: str) -> None:
    assert refusal([{"index": 1, "type": type_, "data": "x"}]) == ("values[0].data", 202)


@pytest.mark.parametrize("type_", ["HS_PUBKEY", "HS_SECKEY", "HS_ADMIN.X", "HS_SERV"])
def test_other_data_is_not_parsed_when_written(type_: str) -> None:
    assert one(type=type_).data == b"x"


def test_too_many_values_are_refused_before_they_are_read() -> None:
    assert refusal([{}] * 2_049) == ("values", 202)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists, max_leaves=5)
)
def test_no_json_raises_anything_but_its_refusal(raw: Any) -> None:
    members = ("index", "type", "data", "permissions", "ttl", "timestamp", "references")
    for name in members:
        value = {"index": 1, "type": "T", "data": "x", name: raw}
        for document in (raw, [value]):
            try:
                decode_values(document)
            except ValuesError as refused:
                assert refused.code in (4, 201, 202)  # noqa: PT017 - success is allowed too
