"""Prefixes and ranges of codes in the syntax of each code type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.prefix_or_range import CHARACTERS_MAX, CODE_TYPES, CodeType, prefix_or_range_fault


@pytest.mark.parametrize(
    ("code_type", "text"),
    [
        ("Handle", "88.999"),
        ("Handle", "88.999.15907"),
        ("Handle", "88.999.1000..88.999.1999"),
        ("Handle", "88.100..88.199"),
        ("OID", "1.2.156.999999.7"),
        ("OID", "1.2.156.10..1.2.156.99"),
        ("DID:BID", "did:bid:ab12"),
        ("DID:BID", "did:bid:ef2CF1zBkfL2o1b3nwwfK3RxLJMw5Gvc8"),
        ("VAA", "VAA088999"),
        ("VAA", "VAA08899900015907"),
        ("VAA", "VAA08899900015907..VAA08899900015999"),
        ("Ecode", "10600"),
        ("Ecode", "1..a"),
        ("Ecode", "100..199"),
        ("GS1", "9521234"),
        ("GS1", "9521234..9521299"),
        ("GS1", "9521234..9521234"),
    ],
)
def test_a_prefix_or_range_in_the_syntax_of_its_type_is_accepted(code_type: CodeType, text: str) -> None:
    assert prefix_or_range_fault(code_type, text) is None


@pytest.mark.parametrize(
    ("code_type", "text"),
    [
        ("Handle", ""),
        ("Handle", "88"),
        ("Handle", "88.999.1.2"),
        ("Handle", "88.999.1000..88.999.999"),  # unequal length
        ("Handle", "88.999.1999..88.999.1000"),
        ("Handle", "88.999.1000..88.998.1999"),
        ("Handle", "88.999.1000..1999"),
        ("Handle", "88.999.1..88.999.2..88.999.3"),
        ("Handle", "88.999." + "1" * 60),
        ("OID", "3.1"),
        ("OID", "1.02"),
        ("DID:BID", "did:bid:AB12"),
        ("DID:BID", "did:bid:ab12..did:bid:ab13"),
        ("VAA", "VAA0889990"),
        ("VAA", "vaa088999"),
        ("Ecode", "泵"),
        ("Ecode", "200..100"),
        ("Ecode", "x" * 129),
        ("GS1", "952"),
        ("GS1", "9521234567890"),
        ("GS1", "9521234..95212999"),
    ],
)
def test_anything_else_is_refused_with_a_word(code_type: CodeType, text: str) -> None:
    assert prefix_or_range_fault(code_type, text)


@given(st.sampled_from(CODE_TYPES), st.text(max_size=CHARACTERS_MAX + 10))
def test_any_text_gets_an_answer_and_what_is_accepted_is_plain(code_type: CodeType, text: str) -> None:
    if prefix_or_range_fault(code_type, text) is None:
        assert 0 < len(text) <= CHARACTERS_MAX
        assert all("!" <= character <= "~" for character in text)
