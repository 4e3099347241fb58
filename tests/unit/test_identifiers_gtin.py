"""GTINs: lengths, check digits and keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.gtin import RESTRICTED, check_digit, parse_gtin, parse_gtin14
from identifiers.identifier import GS1Parts, Identifier, Invalid
from tests.unit import identifier_values  # noqa: F401 - sets the Hypothesis profile

digits = st.text("0123456789", min_size=7, max_size=13).filter(lambda text: len(text) in (7, 11, 12, 13))


def complete(text: str) -> str:
    return text + check_digit(text)


def test_the_published_check_digit_example_holds() -> None:
    assert check_digit("952123456788") == "2"


@given(digits)
def test_every_length_has_the_key_of_its_14_digit_form(text: str) -> None:
    gtin = complete(text)
    short, long = parse_gtin(gtin), parse_gtin14(gtin.zfill(14))
    assert isinstance(short, Identifier)
    assert isinstance(long, Identifier)
    assert short.key == long.key == "gs1:01/" + gtin.zfill(14)
    assert short.parts == GS1Parts((("01", gtin.zfill(14)),))
    assert short.spelling == gtin


@given(digits, st.integers(0, 6), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(text: str, at: int, step: int) -> None:
    gtin = complete(text)
    wrong = gtin[:at] + str((int(gtin[at]) + step) % 10) + gtin[at + 1 :]
    found = parse_gtin(wrong)
    assert isinstance(found, Invalid)
    assert found.code == "bad_check_digit"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("9521234", "bad_length"),
        ("952123456788", "bad_check_digit"),
        ("95212345678821", "bad_check_digit"),
        ("952123456788２", "bad_char"),
        ("95212345678 2", "bad_char"),
        ("952123400000009", "bad_length"),
    ],
)
def test_other_texts_are_no_gtin(text: str, code: str) -> None:
    found = parse_gtin(text)
    assert isinstance(found, Invalid)
    assert found.code == code


def test_paths_demand_14_digits_and_suggest_them() -> None:
    found = parse_gtin14("9521234567882")
    assert isinstance(found, Invalid)
    assert (found.code, found.suggestion) == ("bad_length", "09521234567882")
    wrong = parse_gtin14("9521234567883")
    assert isinstance(wrong, Invalid)
    assert wrong.suggestion is None


@pytest.mark.parametrize("stem", ["020000000001", "040000000001", "200000000001", "299999999999", "0000001", "2000001"])
def test_numbers_for_restricted_circulation_are_marked(stem: str) -> None:
    found = parse_gtin(complete(stem))
    assert isinstance(found, Identifier)
    assert found.warnings == (RESTRICTED,)


@pytest.mark.parametrize("stem", ["952123456788", "300000000001", "9521234", "1200000000001"])
def test_other_numbers_are_not_marked(stem: str) -> None:
    found = parse_gtin(complete(stem))
    assert isinstance(found, Identifier)
    assert found.warnings == ()
