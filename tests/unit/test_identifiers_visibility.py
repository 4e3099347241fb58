"""Who may read which value."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.changes import GrantInForce, GrantState
from identifiers.selection import is_private, publicly_readable
from identifiers.value_json import values_to_json
from identifiers.values import PERMISSIONS_MAX, Value, is_public
from identifiers.visibility import NOTHING_GRANTED, Granted, granted_in, keep_unreadable, readable
from registry.service.records import may_be_restricted

PUBLIC, GRADE_2, GRADE_3 = (
    Value(2000, "NAME", b"x", permissions=0b1110),
    Value(2001, "PRICE", b"x", permissions=0b1100),
    Value(2002, "RECIPE", b"x", permissions=0b0100),
)
KEY = Value(301, "HS_SECKEY", b"x", permissions=0b1100)
RECORD = (KEY, PUBLIC, GRADE_2, GRADE_3)
NOON_S = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""

permissions = st.integers(0, PERMISSIONS_MAX)
indexes = st.integers(1, 12)
records = st.lists(
    st.builds(Value, indexes, st.just("T"), st.binary(max_size=2), permissions), unique_by=lambda v: v.index
)
grants = st.builds(Granted, st.booleans(), st.frozensets(indexes), st.booleans())
readers = st.fixed_dictionaries({"admin": st.booleans(), "owner": st.booleans(), "granted": grants})


@pytest.mark.parametrize(
    ("admin", "owner", "granted", "expected"),
    [
        (False, False, NOTHING_GRANTED, [2000]),
        (True, False, NOTHING_GRANTED, [301, 2000, 2001]),
        (False, True, NOTHING_GRANTED, [301, 2000, 2001]),
        (True, True, NOTHING_GRANTED, [301, 2000, 2001]),
        (False, False, Granted(indexes=frozenset({2001})), [2000, 2001]),
        (False, False, Granted(indexes=frozenset({2002})), [2000, 2002]),
        (True, True, Granted(indexes=frozenset({2002})), [301, 2000, 2001, 2002]),
        (False, False, Granted(all_items=True), [2000, 2001, 2002]),
        (False, False, Granted(all_indexes=True), [301, 2000, 2001, 2002]),
    ],
)
def test_each_reader_sees_what_the_permissions_and_grants_say(
    *, admin: bool, owner: bool, granted: Granted, expected: list[int]
) -> None:
    shown = readable(RECORD, admin=admin, owner=owner, granted=granted)
    assert [value.index for value in shown] == expected


def test_what_two_grants_open_is_what_either_opens() -> None:
    parts = (Granted(indexes=frozenset({1})), Granted(indexes=frozenset({2})), Granted(all_items=True))
    for one, other in combinations(parts, 2):
        for index in (1, 2, 3, 2000):
            assert (one | other).covers(index) == (one.covers(index) or other.covers(index))


def state(kind: str, *grants: GrantInForce) -> GrantState:
    return GrantState("account", "acc_1", kind, "x", list(grants))  # type: ignore[arg-type] # one of the two literals


def test_only_grants_of_the_records_enterprise_that_still_count_open_it() -> None:
    seven = Granted(indexes=frozenset({7}))
    cases = [
        (GrantInForce("1", "ent_1", "read", [7]), seven),
        (GrantInForce("2", "ent_1", "read", [7], "2026-11-21T12:00:01.000Z"), seven),
        (GrantInForce("3", "ent_1", "read", [7], "2026-11-21T12:00:00.000Z"), NOTHING_GRANTED),
        (GrantInForce("4", "ent_2", "read", [7]), NOTHING_GRANTED),
        (GrantInForce("5", "ent_1", "write", [7]), NOTHING_GRANTED),
    ]
    for grant, expected in cases:
        found = granted_in([state("identifier", grant)], enterprise="ent_1", right="read", now_s=NOON_S)
        assert found == expected, grant


def test_a_whole_template_opens_its_items_and_not_the_handle_systems_own_values() -> None:
    whole = GrantInForce("1", "ent_1", "read")
    by_template = granted_in([state("template", whole)], enterprise="ent_1", right="read", now_s=NOON_S)
    by_identifier = granted_in([state("identifier", whole)], enterprise="ent_1", right="read", now_s=NOON_S)
    assert [by_template.covers(index) for index in (301, 1999, 2000)] == [False, False, True]
    assert by_identifier.covers(301)


@given(records, records, readers)
def test_a_replacement_keeps_what_its_writer_cannot_see(
    sent: list[Value], stored: list[Value], reader: dict[str, bool | Granted]
) -> None:
    kept = keep_unreadable(sent, stored, **reader)  # type: ignore[arg-type] # the names are those of its parameters
    visible = readable(stored, **reader)  # type: ignore[arg-type] # as above
    by_index = {value.index: value for value in kept}
    assert len(by_index) == len(kept)
    for value in sent:
        assert by_index.pop(value.index) == value
    sent_indexes = {value.index for value in sent}
    assert set(by_index.values()) == {
        value for value in stored if value not in visible and value.index not in sent_indexes
    }


@pytest.mark.parametrize("type_", ["HS_SECKEY", "hs_seckey"])
@pytest.mark.parametrize("bits", [0b1110, 0b0010, 0b1111])
def test_a_secret_is_for_administrators_whatever_its_permissions_say(type_: str, bits: int) -> None:
    secret = Value(300, type_, b"secret", permissions=bits)
    assert not is_public(secret)
    assert is_private(secret)
    assert publicly_readable([secret, PUBLIC]) == (PUBLIC,)
    assert readable([secret], admin=False, owner=False) == ()
    assert readable([secret], admin=True, owner=False) == (secret,)
    assert may_be_restricted(values_to_json([secret]))
