"""The request target: cut up, decoded once, never normalised."""

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.faces.request_target import BadTarget, Parameters, Target, decode_once

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        ("/a/../b//c;d?x=1?y", "/a/../b//c;d", "x=1?y"),
        ("/", "/", ""),
        ("http://node.example:8000/a?b", "/a", "b"),
        ("HTTPS://node.example", "/", ""),
        ("http://node.example?b", "/", "b"),
        ("*", "*", ""),
        ("/http://inside", "/http://inside", ""),
    ],
)
def test_a_target_is_cut_at_its_first_question_mark(raw: str, path: str, query: str) -> None:
    assert Target.of(raw) == Target(path, query)


def test_what_stands_below_a_root_is_the_raw_rest() -> None:
    assert Target("/api/handles/a%2Fb", "").below("/api/handles/") == "a%2Fb"
    assert Target("/api/handle", "").below("/api/handles/") is None


@given(TEXT)
def test_what_was_escaped_comes_back(text: str) -> None:
    assert decode_once(quote(text, safe="")) == text
    assert decode_once(quote(text, safe="/+;.")) == text


@given(TEXT)
def test_decoding_happens_once(text: str) -> None:
    once = quote(text, safe="")
    assert decode_once(quote(once, safe="")) == once


@given(st.binary())
def test_any_octets_decode_or_are_refused(octets: bytes) -> None:
    raw = octets.decode("utf-8", "surrogateescape")
    with contextlib.suppress(BadTarget):
        decode_once(raw).encode()


@pytest.mark.parametrize("raw", ["%", "%4", "%zz", "a%2", "%FF", "%C3", "%ED%A0%80", "\udcff"])
def test_what_is_no_escape_or_no_utf_8_is_refused(raw: str) -> None:
    with pytest.raises(BadTarget):
        decode_once(raw)


def test_a_plus_is_a_plus_in_a_path_and_a_blank_in_a_query() -> None:
    assert decode_once("a+b") == "a+b"
    assert Parameters.of("x=a+b%2Bc").first("x") == "a b+c"


def test_repeated_parameters_keep_their_order_and_the_first_wins_where_one_counts() -> None:
    parameters = Parameters.of("index=1&type=URL&index=2&&type")
    assert parameters.all("index") == ["1", "2"]
    assert parameters.first("index") == "1"
    assert parameters.all("type") == ["URL", ""]
    assert "type" in parameters
    assert "auth" not in parameters


def test_separators_can_be_more_than_one() -> None:
    assert Parameters.of("a=1;b=2&c=3", "&;").first("c") == "3"
    assert Parameters.of("a=1;b=2").first("a") == "1;b=2"


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", None),
        ("f", True),
        ("f=", True),
        ("f=yes", True),
        ("f=TRUE", True),
        ("f=1", False),
        ("f=no", False),
        ("f=false&f", False),
    ],
)
def test_booleans_are_read_the_handle_way(query: str, value: bool | None) -> None:  # noqa: FBT001 - a table's column
    assert Parameters.of(query).flag("f") is value
