"""Grants and groups of the Handle protocol: who is named, how deep, how much is looked at (handle wire 10.2, 17)."""

import pytest

from identifiers.handle_rights import (
    EVERY_USER,
    SERVICE_ONLY,
    VLIST_DEPTH_MAX,
    VLIST_REFERENCES_MAX,
    Need,
    Values,
    decide,
    matches,
    may,
    read_administrators,
)
from identifiers.hs_admin import Admin, encode_admin
from identifiers.hs_vlist import encode_references
from identifiers.values import Reference, Value

USER = Reference("88.118.8/Admin", 300)
RECORD = "88.118.8/THING"


def admin(index: int, user: Reference, bits: int) -> Value:
    return Value(index, "HS_ADMIN", encode_admin(Admin(user.handle, user.index, bits)))


def group(*members: Reference, index: int = 200) -> tuple[Value, ...]:
    return (Value(index, "HS_VLIST", encode_references(members)),)


def asks(records: dict[str, Values], bits: int = 0x10, user: Reference = USER) -> tuple[bool, list[str]]:
    """Return the answer, and the names of the records that were looked at."""
    read: list[str] = []

    def reading(name: str) -> Values | None:
        read.append(name)
        return records.get(name)

    return decide(may(user, ((Need(RECORD, bits),),), ()), reading), read


@pytest.mark.parametrize(
    ("grant", "named"),
    [
        (Reference("88.118.8/Admin", 300), True),
        (Reference("88.118.8/Admin", 0), True),
        (Reference("88.118.8/Admin", 301), False),
        (Reference("88.118.8/ADMIN", 300), False),
    ],
)
def test_a_grant_names_a_place_and_the_case_of_a_suffix_counts(grant: Reference, *, named: bool) -> None:
    assert matches(USER, grant) is named


def test_prefixes_and_names_below_0_have_no_case() -> None:
    assert matches(Reference("0.na/abc", 1), Reference("0.NA/ABC", 1))
    assert matches(Reference("a.b/x", 1), Reference("A.B/x", 1))


def test_a_user_without_index_meets_only_grants_without_index() -> None:
    anyone = Reference(USER.handle, 0)
    assert not matches(anyone, Reference(USER.handle, 300))
    assert matches(anyone, Reference(USER.handle, 0))


@pytest.mark.parametrize("bit", [1 << at for at in range(13)])
def test_each_right_stands_for_itself(bit: int) -> None:
    assert asks({RECORD: (admin(100, USER, bit),)}, bit)[0]
    assert not asks({RECORD: (admin(100, USER, 0x1FFF & ~bit),)}, bit)[0]


def test_the_rights_of_two_values_do_not_add_up() -> None:
    both = (admin(100, USER, 0x10), admin(101, USER, 0x20))
    assert not asks({RECORD: both}, 0x30)[0]


def test_data_that_is_no_administrator_gives_nobody_anything() -> None:
    assert not asks({RECORD: (Value(1, "HS_ADMIN", b"\x0f\xff"),)})[0]
    assert not asks({})[0]


def test_a_group_in_a_circle_is_looked_at_once() -> None:
    one, other = Reference("88.118.8/G1", 200), Reference("88.118.8/G2", 200)
    records = {RECORD: (admin(100, one, 0x10),), one.handle: group(other, one), other.handle: group(one)}
    allowed, read = asks(records)
    assert not allowed
    assert read == [RECORD, one.handle, other.handle]


def test_groups_are_followed_so_deep_and_no_deeper() -> None:
    def chain(length: int) -> dict[str, Values]:
        names = [Reference(f"88.118.8/G{at}", 200) for at in range(length)]
        records: dict[str, Values] = {RECORD: (admin(100, names[0], 0x10),)}
        records |= {one.handle: group(after) for one, after in zip(names, [*names[1:], USER], strict=True)}
        return records

    assert asks(chain(VLIST_DEPTH_MAX))[0]
    assert not asks(chain(VLIST_DEPTH_MAX + 1))[0]


def test_of_endless_groups_so_many_members_are_looked_at() -> None:
    wide = Reference("88.118.8/WIDE", 200)
    others = [Reference("88.118.8/OTHER", 1_000 + at) for at in range(VLIST_REFERENCES_MAX)]
    assert not asks({RECORD: (admin(100, wide, 0x10),), wide.handle: group(*others, USER)})[0]
    assert asks({RECORD: (admin(100, wide, 0x10),), wide.handle: group(*others[:1_000], USER)})[0]


def test_service_administrators_need_no_grant() -> None:
    assert decide(may(USER, SERVICE_ONLY, [USER]), lambda _: None)
    assert not decide(may(USER, SERVICE_ONLY, []), lambda _: None)
    assert decide(may(USER, EVERY_USER, []), lambda _: None)


def test_administrators_are_written_with_commas() -> None:
    assert read_administrators(" 300:88.118/A,1:0.NA/88 ,") == (Reference("88.118/A", 300), Reference("0.NA/88", 1))
    assert read_administrators("") == ()
    with pytest.raises(ValueError, match="no user"):
        read_administrators("88.118/A")
