"""Small rules of form the faces share: encodings, function names, link names, pages, expositions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from resolver.faces.exposition import merged
from resolver.faces.handle_answer import AnswerHeads, error_body, found_body, referral_body, status_of
from resolver.faces.handle_query import function_name
from resolver.faces.html import values_page
from resolver.faces.proxy_name import name_in_link
from resolver.faces.reply import accepts_gzip, accepts_only_json


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("x-gzip", True),
    ],
)
def test_gzip_is_sent_only_to_those_who_take_it(header: str, accepted: bool) -> None:  # noqa: FBT001 - a table's column
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("header", "json"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", True),
        ("Application/JSON; charset=utf-8, */*;q=0.1", True),
        ("text/html, application/json", False),
        ("application/json-seq", False),
    ],
)
def test_json_is_asked_for_by_name_and_without_html(header: str, json: bool) -> None:  # noqa: FBT001 - as above
    assert accepts_only_json(header) is json


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("f", "f"),
        ("a.b(c)", "a_b_c_"),
        ("1x", "_x"),
        ("$_9", "$_9"),
        ("名", "名"),
        ("", ""),
        ("</script>", "__script_"),
    ],
)
def test_a_callback_can_only_be_a_name(asked: str, name: str) -> None:
    assert function_name(asked) == name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("88.118.8/a", "88.118.8/a"),
        ("Doi:10.5/a", "10.5/a"),
        ("hdl:doi:10.5/a", "doi:10.5/a"),
        ("info:hdl/1/a", "1/a"),
        ("urn:doi:10.5:a:b", "10.5/a:b"),
        ("urn:eidr:10.5/a", "10.5/a"),
        ("urn:isbn:1", "urn:isbn:1"),
    ],
)
def test_one_way_of_writing_a_handle_is_taken_off(written: str, name: str) -> None:
    assert name_in_link(written) == name


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 200) for code in (1, 200)),
        *((code, 300) for code in (302, 303)),
        *((code, 400) for code in (4, 102, 202, 301)),
        *((code, 403) for code in (400, 401, 402, 403, 404)),
        (100, 404),
        *((code, 409) for code in (101, 201)),
        *((code, 500) for code in (2, 6, 300, 405, 406, 501)),
        (5, 501),
        *((code, 503) for code in (3, 7)),
    ],
)
def test_each_response_code_has_its_status(code: int, status: int) -> None:
    assert status_of(code) == status
    assert status_of(code, secure=True) == (401 if code == 402 else status)


def test_bodies_have_their_members_in_order() -> None:
    assert found_body("a/b", b"[1]") == b'{"responseCode":1,"handle":"a/b","values":[1]}'
    assert found_body("a/b", b"[]") == b'{"responseCode":200,"values":[],"handle":"a/b"}'
    assert referral_body("a/b", b"[1]") == b'{"responseCode":302,"values":[1],"handle":"a/b"}'
    assert referral_body("a/b", b"[]") == b'{"responseCode":302,"handle":"a/b"}'
    assert error_body(100, "轴/<&'>\"") == '{"responseCode":100,"handle":"轴/<&\'>\\""}'.encode()
    assert error_body(4, None, "No") == b'{"responseCode":4,"message":"No"}'


def test_the_lanes_answers_hold_the_same_bodies() -> None:
    heads = AnswerHeads()
    heads.turn(1_700_000_000)
    for values in (b"[]", b'[{"index":1}]', b"[" + b" " * 2_000 + b"]"):
        head, _, body = heads.found(b"88.118.8/a", b"0123456789abcdef", values).partition(b"\r\n\r\n")
        assert body == found_body("88.118.8/a", values)
        assert f"Content-Length: {len(body)}".encode() in head
        assert (b"Vary: Accept-Encoding" in head) == (len(values) > 1_400)
        assert b"Date: Tue, 14 Nov 2023 22:13:20 GMT" in head
    heads.turn(1_700_000_001)
    head, _, body = heads.not_found(b"88.118.8/a").partition(b"\r\n\r\n")
    assert body == error_body(100, "88.118.8/a")
    assert b"Date: Tue, 14 Nov 2023 22:13:21 GMT" in head


@given(st.text(), st.text())
def test_nothing_of_a_value_becomes_markup(type_: str, text: str) -> None:
    import orjson  # noqa: PLC0415 - surrogates are dropped by it first

    type_, text = (part.encode("utf-8", "replace").decode() for part in (type_, text))
    values = [{"index": 1, "type": type_, "data": {"format": "string", "value": text}, "ttl": 1}]
    page = values_page("a/b", orjson.dumps(values)).decode()
    empty = values_page("a/b", orjson.dumps([{**values[0], "type": "T", "data": {"format": "string", "value": ""}}]))
    anchors = page.count("<a href=")
    assert page.count("<") - 2 * anchors == empty.decode().count("<")


def test_expositions_are_merged_by_family() -> None:
    one = '# HELP a_total A\n# TYPE a_total counter\na_total 1.0\n# HELP b B\n# TYPE b gauge\nb{x="1"} 2.0\n'
    two = "# HELP a_total A\n# TYPE a_total counter\na_total 3.0\n"
    text = merged([("worker-0", one), ('odd"\\\n', two)])
    families = list(text_string_to_metric_families(text))
    assert [family.name for family in families] == ["a", "b"]
    assert [sample.labels["process"] for sample in families[0].samples] == ["worker-0", 'odd"\\\n']
    assert families[1].samples[0].labels == {"process": "worker-0", "x": "1"}


def test_a_broken_file_does_not_spoil_an_exposition() -> None:
    text = merged(
        [("good", "# HELP a A\n# TYPE a gauge\na 1\n"), ("bad", "a 2\n# TYPE\nb{ 1\n\x00\n# HELP a A\nnot a 3\n")]
    )
    assert text == '# HELP a A\n# TYPE a gauge\na{process="good"} 1\n'
