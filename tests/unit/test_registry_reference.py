"""The bundled code tables, and numbers with a check character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.reference import industries, regions, resident_id, uscc
from registry.reference.resident_id import resident_id_fault
from registry.reference.uscc import uscc_fault

USCC = "91990000MA0DEMAT2P"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@given(st.text(ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(ALPHABET))
def test_a_code_passes_with_its_check_character_and_no_single_slip_passes(first: str, at: int, slip: str) -> None:
    code = first + uscc.check_character(first)
    assert uscc_fault(code) is None
    changed = code[:at] + slip + code[at + 1 :]
    assert (uscc_fault(changed) is None) == (slip == code[at])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (USCC, None),
        (USCC[:-1] + "Q", "check character"),
        (USCC[:-1], "not 17"),
        (USCC.lower(), "does not occur"),
        ("O" + USCC[1:], "does not occur"),
    ],
)
def test_a_bad_code_says_what_is_wrong(code: str, said: str | None) -> None:
    fault = uscc_fault(code)
    assert fault is None if said is None else fault is not None and said in fault


@given(
    st.dates().filter(lambda day: day.year >= 1900), st.integers(0, 10**9 - 1), st.integers(0, 16), st.integers(0, 9)
)
def test_an_identity_number_passes_with_its_check_digit_and_no_single_slip_passes(
    born: object, other: int, at: int, slip: int
) -> None:
    rest = f"{other:09d}"
    first = rest[:6] + str(born).replace("-", "") + rest[6:]
    number = first + resident_id.check_character(first)
    assert resident_id_fault(number) is None
    changed = number[:at] + str(slip) + number[at + 1 :]
    assert (resident_id_fault(changed) is None) == (str(slip) == number[at])


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("11010519491231002X", None),
        ("11010519491231002x", "17 digits"),
        ("110105194912310021", "check character"),
        ("110105194913310027", "no date of birth"),
        ("1101051949123100", "17 digits"),
    ],
)
def test_a_bad_identity_number_says_what_is_wrong(number: str, said: str | None) -> None:
    fault = resident_id_fault(number)
    assert fault is None if said is None else fault is not None and said in fault


def test_every_division_lies_in_one_that_is_known_and_has_a_code_of_its_level() -> None:
    for code, entry in regions.regions().items():
        assert regions.region_fault(code, regions.level_of(code), regions.parent_of(code)) is None, entry
        assert entry.name
        parent = regions.parent_of(code)
        assert parent is None or regions.region_fault(parent, regions.level_of(parent)) is None, entry


def test_every_division_is_listed_below_exactly_one() -> None:
    listed = [entry.code for within in (None, *regions.regions()) for entry in regions.below(within)]
    assert sorted(listed) == sorted(regions.regions())
    assert [entry.name for entry in regions.below("320100")][:2] == ["玄武区", "秦淮区"]
    assert "469001" in [entry.code for entry in regions.below("460000")], "no city stands between"


@pytest.mark.parametrize(
    ("code", "level", "within", "said"),
    [
        ("320000", "province", None, None),
        ("320100", "city", "320000", None),
        ("320102", "county", "320100", None),
        ("469001", "county", "469000", None),
        ("990000", "province", None, "no 990000"),
        ("320100", "city", "330000", "does not lie in 330000"),
        ("320205", "county", "320100", "does not lie in 320100"),
        ("320100", "county", None, "a county or district has a code"),
        ("32", "province", None, "a province has a code"),
        ("320199", "county", "320100", "no 320199"),
    ],
)
def test_a_bad_division_says_what_is_wrong(
    code: str, level: regions.Level, within: str | None, said: str | None
) -> None:
    fault = regions.region_fault(code, level, within)
    assert fault is None if said is None else fault is not None and said in fault


def test_the_industries_are_those_of_the_standard_and_each_group_has_a_class() -> None:
    table = industries.industries()
    assert [entry.code for entry in industries.below(None)] == list("ABCDEFGHIJKLMNOPQRST")
    assert sum(len(code) == 2 for code in table) == 97
    assert sum(len(code) == 3 for code in table) == 473
    assert [entry.code for entry in industries.below("L")] == ["71", "72"]
    for code in table:
        if len(code) < 4:
            assert industries.below(code), f"nothing belongs to {code}"
        elif not code.isalpha():
            assert code[:3] in table


@pytest.mark.parametrize(
    ("code", "level", "within", "said"),
    [
        ("C", "category", None, None),
        ("34", "specific", "C", None),
        ("344", "trade", "34", None),
        ("3441", "subclass", "344", None),
        ("0220", "subclass", "022", None),
        ("34", "specific", "D", "does not belong to D"),
        ("3451", "subclass", "344", "does not belong to 344"),
        ("U", "category", None, "a letter from A to T"),
        ("98", "specific", None, "has no 98"),
        ("3441", "trade", None, "three digits"),
    ],
)
def test_a_bad_industry_says_what_is_wrong(
    code: str, level: industries.Level, within: str | None, said: str | None
) -> None:
    fault = industries.industry_fault(code, level, within)
    assert fault is None if said is None else fault is not None and said in fault
