"""Values as octets: the layout existing clients read and write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.octets import OctetReader, WireError, string
from identifiers.value_json import decode_stored, values_to_json
from identifiers.values import (
    INVALID_VALUE,
    VALUE_OCTETS_MIN,
    VALUES_PER_RECORD_MAX,
    Reference,
    Value,
    check_values,
)
from identifiers.wire import decode_values, encode_value, encode_values, read_values
from tests.unit.identifier_values import records

URL = bytes.fromhex(
    "000000016592008000000151800e0000000355524c0000001a68747470733a2f2f6578616d706c652e636f6d2f6974656d2f3100000000"
)
URL_VALUE = Value(1, "URL", b"https://example.com/item/1", timestamp=1704067200)
VLIST = bytes.fromhex(
    "000000c80000000000000151800e0000000848535f564c4953540000001900000001"
    "0000000d38382e3131312e312f757365720000012c00000000"
)


def test_the_published_example_is_met_octet_for_octet() -> None:
    assert encode_value(URL_VALUE) == URL
    assert decode_values(URL) == (URL_VALUE,)


def test_a_value_recorded_from_an_existing_client_is_read() -> None:
    (value,) = decode_values(VLIST)
    assert (value.index, value.type, len(value.data)) == (200, "HS_VLIST", 25)
    assert encode_values([value]) == VLIST


@given(records())
def test_values_survive_the_way_over_the_wire(values: tuple[Value, ...]) -> None:
    assert decode_values(encode_values(values)) == values
    counted = len(values).to_bytes(4, "big") + encode_values(values) + b"rest"
    reader = OctetReader(counted)
    assert read_values(reader) == values
    assert reader.left == len(b"rest")


@given(records(), st.data())
def test_values_cut_short_are_refused(values: tuple[Value, ...], data: st.DataObject) -> None:
    octets = encode_values(values)
    whole = {len(encode_values(values[:count])) for count in range(len(values) + 1)}
    cut = data.draw(st.integers(0, len(octets)))
    if cut in whole:
        assert len(decode_values(octets[:cut])) <= len(values)
    else:
        with pytest.raises(WireError):
            decode_values(octets[:cut])


@given(st.binary(max_size=120))
def test_any_octets_are_values_or_refused(octets: bytes) -> None:
    for reading in (decode_values, lambda octets: read_values(OctetReader(octets))):
        try:
            reading(octets)
        except WireError as refused:
            assert 0 <= refused.offset <= len(octets)  # noqa: PT017 - success is allowed too


def test_the_smallest_value_has_26_octets() -> None:
    assert len(encode_value(Value(1, "", b""))) == VALUE_OCTETS_MIN


def test_execute_bits_are_dropped() -> None:
    octets = bytearray(URL)
    octets[13] = 0x3E
    assert decode_values(bytes(octets)) == (URL_VALUE,)


@pytest.mark.parametrize("ttl_type", [2, 7, 255])
def test_ttl_types_nobody_knows_are_kept(ttl_type: int) -> None:
    octets = bytearray(URL)
    octets[8] = ttl_type
    (value,) = decode_values(bytes(octets))
    assert (value.ttl_type, value.ttl, value.ttl_absolute) == (ttl_type, 86_400, False)
    assert encode_value(value) == octets
    assert decode_stored(values_to_json([value])) == (value,)
    check_values([value])


def test_types_in_other_encodings_are_refused_as_invalid_values() -> None:
    octets = bytearray(URL)
    octets[18] = 0xFF
    with pytest.raises(WireError) as refused:
        decode_values(bytes(octets))
    assert refused.value.rc == INVALID_VALUE


@pytest.mark.parametrize("lie", [b"\x80\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x04"])
@pytest.mark.parametrize("at", [14, 21, 51])
def test_lengths_and_counts_are_checked_before_they_are_believed(lie: bytes, at: int) -> None:
    with pytest.raises(WireError):
        decode_values(URL[:at] + lie + URL[at + 4 :])


def test_the_number_of_values_is_bounded() -> None:
    many = encode_value(Value(1, "", b"")) * (VALUES_PER_RECORD_MAX + 1)
    with pytest.raises(WireError, match="2048"):
        decode_values(many)
    with pytest.raises(WireError, match="2048"):
        read_values(OctetReader((VALUES_PER_RECORD_MAX + 1).to_bytes(4, "big") + many))
    with pytest.raises(WireError, match="2147483647"):
        read_values(OctetReader(b"\x7f\xff\xff\xff" + many))


def test_references_are_written_after_the_data() -> None:
    value = Value(1, "T", b"", references=(Reference("a/b", 5), Reference("泵", 2**32 - 1)))
    assert encode_value(value).endswith(bytes.fromhex("00000002 00000003 612f62 00000005 00000003 e6b3b5 ffffffff"))
    assert decode_values(encode_value(value)) == (value,)


def test_a_reader_refuses_what_is_not_there() -> None:
    reader = OctetReader(string(b"ab") + b"\x01\x00\x02")
    assert (reader.octets(), reader.u1(), reader.u2()) == (b"ab", 1, 2)
    reader.end()
    for asking in (reader.u1, reader.u2, reader.u4, reader.octets, reader.text):
        with pytest.raises(WireError):
            asking()
    with pytest.raises(WireError, match="1 octets too many"):
        OctetReader(b"x").end()
    with pytest.raises(WireError, match="UTF-8"):
        OctetReader(string(b"\xff")).text()


@pytest.mark.parametrize("count", [3, 2**31, 2**32 - 1])
def test_a_count_that_cannot_fit_is_refused_before_any_item_is_read(count: int) -> None:
    with pytest.raises(WireError, match=f"a list of {count} items, 16 octets left"):
        OctetReader(count.to_bytes(4, "big") + bytes(16)).count(8)
    assert OctetReader(b"\0\0\0\x02" + bytes(16)).count(8) == 2
