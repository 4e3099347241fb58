"""Rendered records: what goes in comes out, and broken octets are noticed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identifiers.changes import AliasKind
from identifiers.value_json import values_to_json
from identifiers.values import Value
from resolver.record import FLAG_WITHDRAWN, LANE_HEAD, TTL_MAX_S, Record, RecordDamaged, render, render_alias
from tests.unit.replica_states import alias_state, identifier_state, url

NAME = "88.118.8/SN0001"


def test_a_record_gives_back_every_part() -> None:
    public = url("https://example.com/1")
    hidden = Value(2, "NOTE", b"internal", permissions=0b1100)
    record = Record(render(identifier_state(NAME, public, hidden)))
    assert record.spelling == NAME
    assert record.location == "https://example.com/1"
    assert record.public_json == values_to_json([public])
    assert record.values() == (public, hidden)
    assert record.restricted
    assert not record.withdrawn
    assert record.template is None


def test_a_record_names_its_template() -> None:
    hidden = Value(2000, "NOTE", b"internal", permissions=0b1100)
    record = Record(render(identifier_state(NAME, hidden, template="泵-1")))
    assert record.template == "泵-1"
    assert (record.spelling, record.values()) == (NAME, (hidden,))


def test_a_value_that_is_not_public_is_in_no_public_part() -> None:
    record = Record(render(identifier_state(NAME, url("https://secret.example.com/", permissions=0b1100))))
    assert record.public_json == b"[]"
    assert record.location == ""


def test_a_secret_is_in_no_public_part_whatever_its_permissions_say() -> None:
    note, secret = Value(1, "NOTE", b"for all"), Value(300, "HS_SECKEY", b"secret", permissions=0b1110)
    record = Record(render(identifier_state(NAME, note, secret)))
    assert record.restricted
    assert record.public_json == values_to_json([note])
    assert b"secret" not in record.public_wire
    assert record.values() == (note, secret)


def test_the_entity_tag_changes_with_the_public_values_only() -> None:
    def etag(*values: Value) -> bytes:
        return Record(render(identifier_state(NAME, *values))).etag

    one, other = url("https://example.com/1"), url("https://example.com/2")
    assert etag(one) != etag(other)
    assert etag(one) == etag(one, Value(2, "NOTE", b"x", permissions=0b1100))


def test_a_withdrawn_record_says_so() -> None:
    record = Record(render(identifier_state(NAME, state="withdrawn")))
    assert record.withdrawn
    assert (record.alias, record.instead, record.location) == (None, None, "")


def test_a_tombstone_names_its_successor() -> None:
    state = msgspec.structs.replace(identifier_state(NAME, state="withdrawn"), successor="88.118.8/轴 承?#%")
    record = Record(render(state))
    assert record.instead == "88.118.8/轴 承?#%"
    assert record.location == "/88.118.8/%E8%BD%B4%20%E6%89%BF%3F%23%25"


@pytest.mark.parametrize("kind", ["same", "former"])
def test_an_alias_names_the_record_it_leads_to(kind: AliasKind) -> None:
    state = alias_state("88.118.8/OLD", NAME, kind)
    record = Record(render_alias(state))
    assert (record.alias, record.instead, record.spelling) == (kind, NAME, "88.118.8/OLD")
    assert not record.withdrawn
    assert (record.public_json, record.values(), record.template) == (b"[]", (), None)
    gone = Record(render_alias(msgspec.structs.replace(state, state="withdrawn")))
    assert (gone.withdrawn, gone.alias, gone.instead) == (True, None, NAME)


def test_who_answers_only_from_a_records_own_values_leaves_an_alias_alone() -> None:
    flags, _, _ = LANE_HEAD.unpack_from(render_alias(alias_state("88.118.8/OLD", NAME, "same")))
    assert flags & FLAG_WITHDRAWN


@pytest.mark.parametrize(
    ("values", "now_s", "max_age_s"),
    [
        ((), 0, 0),
        ((Value(1, "NOTE", b"x", permissions=0b1100),), 0, 0),
        ((url("https://a/", ttl=60),), 0, 60),
        ((url("https://a/", ttl=60), Value(2, "NOTE", b"x", ttl=30)), 0, 30),
        ((url("https://a/", ttl=10_000_000),), 0, TTL_MAX_S),
        ((url("https://a/", ttl=1_000, ttl_absolute=True),), 900, 100),
        ((url("https://a/", ttl=1_000, ttl_absolute=True),), 2_000, 0),
    ],
)
def test_answers_may_be_kept_for_the_smallest_ttl(values: tuple[Value, ...], now_s: int, max_age_s: int) -> None:
    assert Record(render(identifier_state(NAME, *values))).max_age_s(now_s) == max_age_s


@given(st.data())
def test_any_changed_octet_is_noticed(data: st.DataObject) -> None:
    octets = bytearray(render(identifier_state(NAME, url("https://example.com/1"))))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RecordDamaged):
        Record(bytes(octets))


@given(st.integers(0, 60))
def test_a_cut_record_is_noticed(kept: int) -> None:
    with pytest.raises(RecordDamaged):
        Record(render(identifier_state(NAME, url("https://example.com/1")))[:kept])
