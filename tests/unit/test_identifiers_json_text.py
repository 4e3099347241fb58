"""Strict JSON: what is refused that other decoders let pass."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.json_text import JSON_DEPTH_MAX, decode_json
from identifiers.values import ValuesError
from tests.unit import identifier_values  # noqa: F401 - sets the Hypothesis profile

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts, st.sampled_from(['"', "\\", '\\"', '":'])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@given(documents, st.booleans(), st.sampled_from([None, 1]))
def test_every_plain_document_is_read(document: Any, ascii_only: bool, indent: int | None) -> None:  # noqa: FBT001
    assert decode_json(json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()) == document


@given(st.dictionaries(texts, documents, min_size=1, max_size=3), st.data())
def test_a_member_written_twice_is_always_found(document: dict[str, Any], data: st.DataObject) -> None:
    twice = data.draw(st.sampled_from(sorted(document)))
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in [*document.items(), (twice, 1)]]
    order = data.draw(st.permutations(members))
    with pytest.raises(ValuesError, match="occurs twice"):
        decode_json(("[{" + ",".join(order) + "}]").encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"1 2",
        b"{}x",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[1e999]",
        b"01",
        b"'a'",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b'"a\nb"',
        b'{"a":1,"\\u0061":2}',
        b'{"a\\\\":1,"a\\\\":2}',
    ],
)
def test_other_texts_are_refused(body: bytes) -> None:
    with pytest.raises(ValuesError) as refused:
        decode_json(body)
    assert refused.value.code == 4


def test_depth_is_bounded() -> None:
    deepest = b"[" * JSON_DEPTH_MAX + b"1" + b"]" * JSON_DEPTH_MAX
    assert decode_json(deepest)
    for depth in (JSON_DEPTH_MAX + 1, 100_000):
        with pytest.raises(ValuesError):
            decode_json(b"[" * depth + b"]" * depth)
    with pytest.raises(ValuesError, match="deeper"):
        decode_json(b'{"a":' * 33 + b"{}" + b"}" * 33)


def test_the_place_of_a_fault_is_named() -> None:
    with pytest.raises(ValuesError, match="line 2, column 3"):
        decode_json(b'{\n  x":1}')
