"""Handle names: what is read, what may be registered, and when two names are one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.handle import (
    RESERVED_SUFFIXES,
    check_handle,
    check_new_handle,
    fold,
    parse_handle,
    parse_prefix,
    parse_reference,
)
from identifiers.identifier import HandleParts, Identifier, Invalid, storage_key
from identifiers.parse import candidates
from identifiers.values import Reference
from tests.unit import identifier_values  # noqa: F401 - sets the Hypothesis profile

any_text = st.text(max_size=60)
suffixes = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def key(text: str, *, exact_case: bool = False) -> str:
    found = parse_handle(text, exact_case=exact_case)
    assert isinstance(found, Identifier), found
    return found.key


def code(found: object) -> str:
    assert isinstance(found, Invalid), found
    return found.code


def test_folding_changes_ascii_letters_only() -> None:
    assert fold("straße-ä-ı-泵-z") == "STRAßE-ä-ı-泵-Z"


@given(any_text)
def test_folding_keeps_every_other_character(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    assert all(a == b or (a in string.ascii_lowercase and b == a.upper()) for a, b in zip(text, folded, strict=True))


def test_names_differing_in_ascii_case_are_one() -> None:
    assert key("88.118.8/sn0001") == key("88.118.8/SN0001") == "hdl:88.118.8/SN0001"


def test_a_prefix_of_exact_case_keeps_suffixes_apart_but_not_its_own_letters() -> None:
    assert key("20.abc/sn", exact_case=True) == "hdl:20.ABC/sn"
    assert key("20.abc/SN", exact_case=True) == "hdl:20.ABC/SN"


def test_names_of_the_system_are_folded_under_every_policy() -> None:
    assert key("0.na/10.a", exact_case=True) == "hdl:0.NA/10.A"


def test_a_bare_prefix_is_the_prefix_as_an_object() -> None:
    found = parse_handle("88.118.8")
    assert isinstance(found, Identifier)
    assert (found.key, found.spelling) == ("hdl:0.NA/88.118.8", "88.118.8")
    assert found.parts == HandleParts("0.NA", "88.118.8")
    assert found.parts.named_prefix == "88.118.8"
    assert key("0.na/88.118.8") == found.key


def test_only_the_first_slash_separates() -> None:
    found = parse_handle("20.500.999/a/b//c")
    assert isinstance(found, Identifier)
    assert found.parts == HandleParts("20.500.999", "a/b//c")
    assert found.parts.named_prefix is None


def test_look_ups_may_have_an_empty_suffix_and_unusual_prefixes() -> None:
    assert key("20.500.999/") == "hdl:20.500.999/"
    assert key("0.site/status") == "hdl:0.SITE/STATUS"
    assert key("88.99.1.2/x") == "hdl:88.99.1.2/X"


@pytest.mark.parametrize("text", ["/x", ".1/x", "1./x", "1..2/x", "1..2", "."])
def test_prefixes_have_no_empty_segment(text: str) -> None:
    assert code(parse_handle(text)) == "bad_prefix"


@pytest.mark.parametrize("bad", ["\x00", "\x1f", "\x7f", "\n", "\ud800"])
def test_control_characters_are_refused_even_for_look_ups(bad: str) -> None:
    found = parse_handle(f"88.118.8/a{bad}b")
    assert isinstance(found, Invalid)
    assert (found.code, found.position) == ("bad_char", 10)


def test_names_have_at_most_2048_octets() -> None:
    longest = "20.500/" + "泵" * 680 + "x"
    assert len(longest.encode()) == 2_048
    assert key(longest) == "hdl:" + longest[:-1] + "X"
    assert code(parse_handle(longest + "y")) == "too_long"
    assert code(parse_handle("1/" + "a" * 2_047)) == "too_long"


@given(any_text)
def test_every_text_is_a_name_or_says_why_not(text: str) -> None:
    for parser in (parse_handle, check_handle, check_new_handle):
        found = parser(text)
        if isinstance(found, Identifier):
            assert found.spelling == text
            assert found.key == "hdl:" + found.canonical
        else:
            assert found.message
            assert 0 <= found.position <= len(text)


@given(any_text)
def test_the_key_of_a_canonical_name_is_its_own(text: str) -> None:
    found = parse_handle("88.118.8/" + text)
    if isinstance(found, Identifier):
        assert key(found.canonical) == found.key


@given(any_text)
def test_what_may_be_registered_can_be_looked_up_under_the_same_key(text: str) -> None:
    found = check_new_handle("88.118.8/" + text)
    if isinstance(found, Identifier):
        assert key("88.118.8/" + text) == found.key


@given(suffixes, st.booleans())
def test_the_quick_check_of_new_names_agrees_with_the_thorough_one(suffix: str, exact_case: bool) -> None:  # noqa: FBT001
    text = "88.118.8/" + suffix
    if not any(fold(suffix).startswith(fold(reserved)) for reserved in RESERVED_SUFFIXES):
        assert check_new_handle(text, exact_case=exact_case) == check_handle(text, exact_case=exact_case)


@pytest.mark.parametrize(
    "bad",
    [
        "\x80",
        "\x9f",
        "\u00a0",
        "\u2003",
        "\u2028",
        "\u2029",
        "\u202e",
        "\u2066",
        "\u3000",
        "\ufeff",
        "\ufdd0",
        "\uffff",
        "\U0001ffff",
        "\udfff",
    ],
)
def test_new_names_hold_no_invisible_characters(bad: str) -> None:
    found = check_new_handle(f"88.118.8/a{bad}b")
    assert isinstance(found, Invalid)
    assert (found.code, found.position) == ("bad_char", 10)


@pytest.mark.parametrize("good", ["泵-0007", "a b", "a:b/c.d#e?f%g", "A" * 246, "轴承:6204/2RS", "！"])
def test_new_names_may_hold_everything_printable(good: str) -> None:
    assert isinstance(check_new_handle("88.118.8/" + good), Identifier)


def test_blanks_around_a_suffix_are_refused_with_a_suggestion() -> None:
    before, after = check_new_handle("88.118.8/ x"), check_new_handle("88.118.8/x ")
    assert isinstance(before, Invalid)
    assert isinstance(after, Invalid)
    assert (before.position, before.suggestion) == (9, "88.118.8/x")
    assert (after.position, after.suggestion) == (10, "88.118.8/x")


def test_decomposed_letters_are_refused_with_the_composed_form() -> None:
    found = check_new_handle("88.118.8/cafe\u0301s")
    assert isinstance(found, Invalid)
    assert (found.code, found.position, found.suggestion) == ("not_nfc", 12, "88.118.8/caf\u00e9s")


def test_look_ups_of_decomposed_letters_try_the_composed_form_as_well() -> None:
    found = parse_handle("88.118.8/e\u0301")
    assert isinstance(found, Identifier)
    assert candidates(found) == ("hdl:88.118.8/E\u0301", "hdl:88.118.8/\u00e9")
    assert candidates(found)[1] == key("88.118.8/\u00e9")
    composed = parse_handle("88.118.8/\u00e9")
    assert isinstance(composed, Identifier)
    assert candidates(composed) == (composed.key,)


def test_new_names_have_at_most_255_characters() -> None:
    assert isinstance(check_new_handle("88.118.8/" + "泵" * 246), Identifier)
    assert code(check_new_handle("88.118.8/" + "泵" * 247)) == "too_long"
    assert code(check_new_handle("88.118.8/" + "a" * 247)) == "too_long"


@pytest.mark.parametrize("reserved", ["TPL-1", "tpl-1", "META_x", "App_x", "USER_x", "Group_泵"])
def test_reserved_beginnings_are_refused_in_any_case(reserved: str) -> None:
    assert code(check_new_handle("88.118.8/" + reserved)) == "bad_suffix"


def test_beginnings_are_reserved_as_a_whole() -> None:
    assert isinstance(check_new_handle("88.118.8/TPL"), Identifier)
    assert isinstance(check_new_handle("88.118.8/xTPL-"), Identifier)


@pytest.mark.parametrize("text", ["0.NA/88.118", "88.99.1/x", "88.118.8.1/x", "88.118./x", "x" * 65 + "/y", "86.1/x"])
def test_new_names_are_below_a_prefix(text: str) -> None:
    assert code(check_new_handle(text)) == "bad_prefix"


def test_new_names_have_a_suffix() -> None:
    assert code(check_new_handle("88.118.8")) == "bad_suffix"
    assert code(check_new_handle("88.118.8/")) == "bad_suffix"
    assert code(check_new_handle("")) == "empty"
    assert code(check_handle("")) == "empty"
    assert code(parse_handle("")) == "empty"


def test_imported_prefixes_of_other_roots_may_be_registered() -> None:
    assert isinstance(check_new_handle("20.500.999/x"), Identifier)


def test_prefixes_have_two_or_three_levels_and_count_their_zeros() -> None:
    secondary, enterprise, other = parse_prefix("88.118"), parse_prefix("86.99999.0042"), parse_prefix("86.99999.42")
    assert not isinstance(secondary, Invalid)
    assert not isinstance(enterprise, Invalid)
    assert not isinstance(other, Invalid)
    assert (secondary.secondary, secondary.enterprise, secondary.key) == ("88.118", None, "hdl:0.NA/88.118")
    assert (enterprise.secondary, enterprise.enterprise) == ("86.99999", "0042")
    assert enterprise.key != other.key


@pytest.mark.parametrize(
    "text", ["", "88", "88.", "88.99", "88.999999", "87.118", "88.118.", "88.118.8.1", "88.118.8\n", "88.１１８"]
)
def test_other_texts_are_no_prefix(text: str) -> None:
    assert code(parse_prefix(text)) == "bad_prefix"


def test_a_prefix_has_at_most_64_characters() -> None:
    assert not isinstance(parse_prefix("88.99999." + "1" * 55), Invalid)
    assert isinstance(parse_prefix("88.99999." + "1" * 56), Invalid)


def test_a_value_reference_splits_at_the_first_colon() -> None:
    assert parse_reference("300:88.118.8/a:b") == Reference("88.118.8/a:b", 300)
    assert parse_reference("0:0.NA/88.118") == Reference("0.NA/88.118", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("88.118.8/a", "bad_syntax"),
        ("01:88.118.8/a", "bad_syntax"),
        (":a", "bad_syntax"),
        ("1:", "bad_syntax"),
        ("4294967296:a/b", "bad_range"),
        ("1:/x", "bad_prefix"),
        ("1:a\x00", "bad_char"),
    ],
)
def test_other_texts_are_no_value_reference(text: str, expected: str) -> None:
    assert code(parse_reference(text)) == expected


def test_long_keys_are_stored_under_their_hash() -> None:
    fits, long = "hdl:" + "x" * 476, "hdl:" + "x" * 477
    assert storage_key(fits) == fits.encode()
    assert storage_key(long).startswith(b"#hdl:")
    assert len(storage_key(long)) == len("#hdl:") + 64
    assert storage_key(long) != storage_key(long + "x")


def test_a_suggestion_is_itself_valid() -> None:
    found = check_new_handle("88.118.8/ e\u0301")
    assert isinstance(found, Invalid)
    assert (found.code, found.suggestion) == ("bad_char", None)
