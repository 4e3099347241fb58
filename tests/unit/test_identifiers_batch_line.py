"""Lines of a batch: the quick reading and the careful one always say the same."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers import batch_line
from identifiers.batch_line import decode_plain_body, decode_row, render_row
from identifiers.value_json import decode_json, decode_values, values_to_json
from identifiers.values import RECORD_OCTETS_MAX, Value, ValuesError
from tests.unit.identifier_values import records

strings = st.one_of(
    st.text(max_size=6), st.sampled_from(['"', "\\", '\\"', '":', "泵", "URL", "HS_ADMIN", "string", "1010"])
)
member_names = st.sampled_from(["index", "type", "data", "permissions", "ttl", "timestamp", "format", "value", "x"])
scalars = st.one_of(strings, st.integers(-1, 3), st.just(2**31), st.none(), st.booleans(), st.just(1.0))


def token(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)


@st.composite
def objects(draw: st.DrawFn, members: Any) -> str:
    """Draw the text of a JSON object: any order, blanks, escapes, and now and then a member twice."""
    pairs = draw(members)
    blank = draw(st.sampled_from(["", " ", "\t"]))
    ascii_only = draw(st.booleans())
    return "{" + ",".join(f"{token(name, ascii_only=ascii_only)}{blank}:{text}" for name, text in pairs) + "}"


data_texts = st.one_of(
    strings.map(json.dumps),
    objects(st.tuples(strings).map(lambda drawn: [("format", '"string"'), ("value", json.dumps(drawn[0]))])),
    objects(st.lists(st.tuples(member_names, scalars.map(json.dumps)), max_size=3)),
)


@st.composite
def value_members(draw: st.DrawFn) -> list[tuple[str, str]]:
    members = [
        ("index", json.dumps(draw(st.integers(0, 4)))),
        ("type", json.dumps(draw(strings))),
        ("data", draw(data_texts)),
    ]
    more = draw(st.lists(st.tuples(member_names, st.one_of(scalars.map(json.dumps), data_texts)), max_size=2))
    return draw(st.permutations(members + more)) if draw(st.booleans()) else members


lines = st.tuples(strings, st.lists(objects(value_members()), max_size=3), st.booleans()).map(
    lambda drawn: (
        f'{{"identifier":{json.dumps(drawn[0], ensure_ascii=drawn[2])},"values":[{",".join(drawn[1])}]}}'.encode(
            errors="surrogatepass"
        )
    )
)


def outcome(reading: Any, line: bytes) -> Any:
    try:
        return reading(line)
    except ValuesError as refused:
        return refused.field, refused.code, refused.message


@given(lines)
def test_the_quick_reading_agrees_with_the_careful_one(line: bytes) -> None:
    assert outcome(decode_row, line) == outcome(lambda line: batch_line._decode_carefully(line, 0), line)


def rendered_from_values(line: bytes) -> tuple[str, bytes]:
    name, values = decode_row(line, timestamp=7)
    return name, values_to_json(values)


@given(lines)
def test_rendering_a_line_gives_the_octets_of_its_values(line: bytes) -> None:
    assert outcome(lambda line: render_row(line, timestamp=7), line) == outcome(rendered_from_values, line)


@given(records())
def test_every_record_is_rendered_from_its_json(values: tuple[Value, ...]) -> None:
    line = b'{"identifier":"88.118.8/x","values":' + values_to_json(values) + b"}"
    assert render_row(line, timestamp=7) == rendered_from_values(line)


@pytest.mark.parametrize("more", ["", ',"permissions":"1100"', ',"permissions":"1110","ttl":60', ',"ttl":0'])
@pytest.mark.parametrize("data", ['"x"', '"泵 \\"q\\""', '{"format":"string","value":"x"}', '"a\\nb"', '"\\u0000"'])
@pytest.mark.parametrize("type_", ["URL", "HS_PUBKEY", "hs_site", "泵"])
def test_every_plain_shape_is_rendered_alike(type_: str, data: str, more: str) -> None:
    line = f'{{"identifier":"88.118.8/x","values":[{{"index":1,"type":"{type_}","data":{data}{more}}}]}}'.encode()
    assert outcome(lambda line: render_row(line, timestamp=7), line) == outcome(rendered_from_values, line)


@given(records())
def test_every_record_can_be_imported_from_its_json(values: tuple[Value, ...]) -> None:
    line = b'{"identifier":"88.118.8/x","values":' + values_to_json(values) + b"}"
    name, found = decode_row(line, timestamp=7)
    assert name == "88.118.8/x"
    assert all(value.timestamp == 7 for value in found)
    assert [(value.index, value.type, value.data, value.references) for value in found] == [
        (value.index, value.type, value.data, value.references) for value in values
    ]


def test_the_plain_shape_is_read_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def careful(line: bytes, timestamp: int) -> Any:
        raise AssertionError(line)

    monkeypatch.setattr(batch_line, "_decode_carefully", careful)
    plain = b'{"identifier":"88.118.8/x","values":[{"index":1,"type":"URL","data":"a:b"},{"index": 2, "type":"N",'
    name, values = decode_row(
        plain + b'"data":{"format":"string","value":"\\u6cf5\\""},"permissions":"1100","ttl":60}]}', timestamp=9
    )
    assert name == "88.118.8/x"
    assert values == (Value(1, "URL", b"a:b", timestamp=9), Value(2, "N", '泵"'.encode(), 0b1100, 60, timestamp=9))


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        (b"", "", 4),
        (b"[]", "", 4),
        (b'{"values":[]}', "", 4),
        (b'{"identifier":"a/b"}', "", 4),
        (b'{"identifier":1,"values":[]}', "identifier", 4),
        (b'{"identifier":"a/b","values":{}}', "values", 4),
        (b'{"identifier":"a/b","identifier":"a/c","values":[]}', "", 4),
        (b'{"identifier":"a/b","values":[],"template":"t1"}', "template", 4),
        (b'{"state":"withdrawn","identifier":"a/b","values":[]}', "state", 4),
        (b'{"identifier":"a/b","values":[{"index":1,"type":"T","data":"","data":"x"}]}', "", 4),
        (b'{"identifier":"a/b","values":[{"index":0,"type":"T","data":""}]}', "values[0].index", 202),
        (b'{"identifier":"a/b","values":[{"index":1,"type":"HS_SITE","data":""}]}', "values[0].data", 202),
    ],
)
def test_a_bad_line_is_refused_with_its_place(line: bytes, field: str, code: int) -> None:
    with pytest.raises(ValuesError) as refused:
        decode_row(line)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_a_record_too_large_for_clients_is_refused() -> None:
    line = b'{"identifier":"a/b","values":[{"index":1,"type":"T","data":"%b"}]}' % (b"x" * RECORD_OCTETS_MAX)
    with pytest.raises(ValuesError, match="262,000"):
        decode_row(line)


def test_an_empty_record_is_read() -> None:
    assert decode_row(b'{"identifier":"a/b","values":[]}') == ("a/b", ())


def test_escaped_backslashes_do_not_hide_a_member_written_twice() -> None:
    ends_in_backslash = b'{"index":%d,"type":"T","data":"a\\\\"%b}'
    plain = ends_in_backslash % (1, b"") + b"," + ends_in_backslash % (2, b"")
    _, values = decode_row(b'{"identifier":"a/b","values":[' + plain + b"]}")
    assert [value.data for value in values] == [b"a\\", b"a\\"]
    twice = ends_in_backslash % (1, b',"ttl":1,"ttl":2') + b"," + ends_in_backslash % (2, b"")
    with pytest.raises(ValuesError, match="occurs twice"):
        decode_row(b'{"identifier":"a/b","values":[' + twice + b"]}")


def test_values_out_of_order_are_sorted_and_an_index_twice_is_refused() -> None:
    line = b'{"identifier":"a/b","values":[{"index":2,"type":"T","data":"b"},{"index":%d,"type":"T","data":"a"}]}'
    _, values = decode_row(line % 1)
    assert [(value.index, value.data) for value in values] == [(1, b"a"), (2, b"b")]
    with pytest.raises(ValuesError) as refused:
        decode_row(line % 2)
    assert (refused.value.field, refused.value.code) == ("values[1].index", 201)


@pytest.mark.parametrize("octets", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
def test_octets_that_are_no_utf8_are_refused_like_any_bad_line(octets: bytes) -> None:
    lines = (
        b'{"identifier":"88.118.8/a","values":[{"index":1,"type":"a","data":"' + octets + b'"}]}',
        b'{"identifier":"88.118.8/' + octets + b'","values":[]}',
    )
    for line in lines:
        with pytest.raises(ValuesError):
            decode_row(line)
        with pytest.raises(ValuesError):
            render_row(line, timestamp=1_700_000_000)


def careful(body: bytes) -> tuple[tuple[Value, ...], str | None] | None:
    """Read a registration as the API reads what is not plain; None for what it refuses."""
    try:
        decoded = decode_json(body)
        shaped = msgspec.convert(decoded, _Registration)
        return decode_values(shaped.values), shaped.template
    except (ValuesError, msgspec.ValidationError):
        return None


class _Registration(msgspec.Struct, forbid_unknown_fields=True):
    values: list[Any]
    template: str | None = None


templates = st.one_of(st.none(), st.just("null"), strings.map(json.dumps), scalars.map(json.dumps))


def body_text(values: list[str], template: str | None, more: str) -> bytes:
    named = "" if template is None else f',"template":{template}'
    return f'{{"values":[{",".join(values)}]{named}{more}}}'.encode(errors="surrogatepass")


bodies = st.builds(
    body_text, st.lists(objects(value_members()), max_size=3), templates, st.sampled_from(["", ',"x":1'])
)


@given(bodies)
def test_what_the_quick_reading_of_a_registration_takes_the_careful_one_reads_alike(body: bytes) -> None:
    quick = decode_plain_body(body)
    if quick is not None:
        assert quick == careful(body)


def test_plain_registrations_are_read_quickly() -> None:
    values = b'[{"index":1,"type":"URL","data":"x"},{"index":2,"type":"a","data":"\\"","permissions":"1100","ttl":5}]'
    expected = (Value(1, "URL", b"x"), Value(2, "a", b'"', permissions=0b1100, ttl=5))
    for template, code in ((b"", None), (b',"template":null', None), (b',"template":"t"', "t")):
        assert decode_plain_body(b'{"values":' + values + template + b"}") == (expected, code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"values":[],"values":[]}',
        b'{"values":[],"other":1}',
        b'{"values":[],"template":1}',
        b'{"values":[{"index":1,"type":"HS_SITE","data":"x"}]}',
        b'{"values":[{"index":2,"type":"a","data":"x"},{"index":1,"type":"a","data":"x"}]}',
        b'{"values":[{"index":1,"type":"a","data":"\\\\"}]}',
        b'{"values":[',
        b"\xff",
        b"",
    ],
)
def test_everything_else_is_left_to_the_careful_reading(body: bytes) -> None:
    assert decode_plain_body(body) is None
