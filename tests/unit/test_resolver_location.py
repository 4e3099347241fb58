"""Redirect targets: the first usable URL, safe to stand in a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.values import Value
from resolver.location import LOCATION_OCTETS_MAX, location_of, usable_location
from tests.unit.replica_states import url


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ("https://example.com/泵", "https://example.com/%E6%B3%B5"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("HTTPS://EXAMPLE.COM", "HTTPS://EXAMPLE.COM"),
        ("mailto:sales@example.com", "mailto:sales@example.com"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("https://example.com/\r\nSet-Cookie: a=b", ""),
        ("example.com/no-scheme", ""),
        ("https://example.com/" + "x" * LOCATION_OCTETS_MAX, ""),
    ],
)
def test_only_safe_schemes_and_characters_are_redirected_to(text: str, location: str) -> None:
    assert usable_location(text.encode()) == location


@given(st.binary(max_size=200))
def test_a_location_is_always_visible_ascii(data: bytes) -> None:
    assert all(0x20 < ord(char) < 0x7F for char in usable_location(data))


def test_a_value_of_type_url_comes_before_its_subtypes() -> None:
    values = [Value(1, "URL.MANUAL", b"https://example.com/manual"), url("https://example.com/item", index=2)]
    assert location_of(values) == "https://example.com/item"
    assert location_of(values[:1]) == "https://example.com/manual"


def test_an_unusable_url_is_passed_over() -> None:
    assert location_of([url("javascript:1"), url("https://example.com/", index=2)]) == "https://example.com/"


def test_other_types_never_redirect() -> None:
    assert location_of([Value(1, "HS_SITE", b"https://example.com/"), Value(2, "name", b"https://example.com/")]) == ""
