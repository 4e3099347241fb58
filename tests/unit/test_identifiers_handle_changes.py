"""What operations take and do, and the order of their checks (handle wire 17.2, 17.3)."""

import pytest

from identifiers.handle_changes import Refused, check_openly, named_prefix, needs_without_record, plan
from identifiers.handle_requests import (
    Add,
    Create,
    Delete,
    Home,
    ListDerived,
    ListHandles,
    ListHomed,
    Modify,
    Remove,
    Writing,
)
from identifiers.handle_rights import EVERY_USER, SERVICE_ONLY, Need
from identifiers.hs_admin import Admin, encode_admin
from identifiers.values import Value

NAME, PREFIX_RECORD = "88.118.8/X", "0.NA/88.118.8"
URL = Value(1, "URL", b"https://example.com")
ADMIN = Value(100, "HS_ADMIN", encode_admin(Admin("88.118.8/A", 300, 0x0FFF)))
FROZEN = Value(3, "NOTE", b"", permissions=0b1010)


def other(value: Value, data: bytes = b"other", **more: object) -> Value:
    made: Value = Value(value.index, value.type, data)
    return made if not more else Value(value.index, **{"type": value.type, "data": data, **more})  # type: ignore[arg-type] # as the test says


def bits(operation: Writing, *stored: Value) -> int:
    """Return the rights on the record that an operation takes."""
    (need,) = plan(operation, stored).needs[0]
    assert need.name == NAME
    return need.bits


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        (Delete(NAME), 0x0002),
        (Add(NAME, (Value(2, "URL", b""),)), 0x0040),
        (Add(NAME, (Value(2, "HS_ADMIN", ADMIN.data),)), 0x0200),
        (Add(NAME, (Value(2, "URL", b""), Value(4, "hs_admin", ADMIN.data))), 0x0240),
        (Add(NAME, (other(URL),), overwrite=True), 0x0010),
        (Modify(NAME, (other(URL),)), 0x0010),
        (Modify(NAME, (other(ADMIN),)), 0x0080),
        (Modify(NAME, (Value(1, "HS_ADMIN", ADMIN.data),)), 0x0210),
        (Modify(NAME, (Value(100, "URL", b""),)), 0x0110),
        (Modify(NAME, (Value(9, "URL", b""),), overwrite=True), 0x0040),
        (Remove(NAME, (1,)), 0x0020),
        (Remove(NAME, (100,)), 0x0100),
        (Remove(NAME, (1, 100, 1)), 0x0120),
        (Create(NAME, (other(URL), Value(7, "URL", b"")), overwrite=True), 0x0150),
    ],
)
def test_each_change_takes_its_rights_on_the_record(operation: Writing, right: int) -> None:
    assert bits(operation, URL, ADMIN) == right


def test_overwriting_also_goes_with_the_right_to_add_administrators_or_to_delete_and_create() -> None:
    needs = plan(Create(NAME, (other(URL),), overwrite=True), (URL, ADMIN)).needs
    assert needs[1:] == ((Need(NAME, 0x0200),), (Need(NAME, 0x0002), Need(PREFIX_RECORD, 0x0001)))


def test_creating_takes_a_right_on_the_record_of_the_prefix() -> None:
    assert plan(Create(NAME, (URL,)), None).needs == ((Need(PREFIX_RECORD, 0x0001),),)
    assert plan(Create("0.NA/88.118.8", ()), None).needs == ((Need("0.NA/88.118", 0x0004),),)
    assert plan(Create("0.NA/88", ()), None).needs == SERVICE_ONLY


def test_a_prefix_record_is_deleted_by_its_own_keepers_or_those_above() -> None:
    needs = plan(Delete("0.NA/88.118.8"), ()).needs
    assert needs == ((Need("0.NA/88.118.8", 0x0002),), (Need("0.NA/88.118", 0x0008),))


def test_what_changes_nothing_takes_no_right() -> None:
    assert plan(Add(NAME, (URL,), overwrite=True), (URL,)).needs == EVERY_USER
    assert plan(Remove(NAME, ()), (URL,)).needs == EVERY_USER
    assert plan(Create(NAME, (URL,), overwrite=True), (URL,)).needs == EVERY_USER


def test_lists_and_homing_take_their_rights() -> None:
    assert needs_without_record(ListHandles("88.118.8")) == ((Need(PREFIX_RECORD, 0x0800),),)
    assert needs_without_record(ListDerived("0.na/88.118.8")) == (
        (Need(PREFIX_RECORD, 0x1000),),
        (Need(PREFIX_RECORD, 0x0800),),
    )
    assert needs_without_record(ListHomed()) == needs_without_record(Home("88.1")) == SERVICE_ONLY


@pytest.mark.parametrize(
    ("operation", "stored", "code"),
    [
        (Create(NAME, (Value(0, "URL", b""), Value(0, "URL", b""))), None, 202),
        (Create(NAME, (Value(2**31, "URL", b""),)), None, 202),
        (Create(NAME, (URL, URL)), None, 201),
        (Create(NAME, (Value(1, "URL.", b""),)), None, 202),
        (Create(NAME, (Value(1, "", b""),)), None, 202),
        (Create(NAME, (Value(1, "HS_SITE", b"?"),)), None, 202),
        (Create(NAME, (Value(1, "NOTE", bytes(262_001)),)), None, 202),
        (Create(NAME, (Value(0, "URL", b""),)), (URL,), 202),
        (Create(NAME, ()), (URL,), 101),
        (Add(NAME, ()), (), 202),
        (Add(NAME, (URL, URL)), None, 201),
        (Modify(NAME, (Value(0, "", b""),)), None, 100),
        (Modify(NAME, (Value(9, "", b""),)), (URL,), 200),
        (Modify(NAME, (other(FROZEN), Value(0, "", b""))), (URL, FROZEN), 200),
        (Modify(NAME, (Value(3, "", b""),)), (URL, FROZEN), 401),
        (Modify(NAME, (Value(1, "", b""),)), (URL,), 202),
    ],
)
def test_what_anyone_is_told(operation: Writing, stored: tuple[Value, ...] | None, code: int) -> None:
    with pytest.raises(Refused) as refused:
        check_openly(operation, stored)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("operation", "stored", "code"),
    [
        (Delete(NAME), None, 100),
        (Add(NAME, (URL,)), None, 100),
        (Remove(NAME, (1,)), None, 100),
        (Add(NAME, (URL,)), (URL,), 201),
        (Remove(NAME, (9,)), (URL,), 200),
    ],
)
def test_what_only_a_user_is_told(operation: Writing, stored: tuple[Value, ...] | None, code: int) -> None:
    check_openly(operation, stored)
    with pytest.raises(Refused) as refused:
        plan(operation, stored)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "operation",
    [
        Delete(NAME),
        Remove(NAME, (1, 3)),
        Add(NAME, (other(FROZEN),), overwrite=True),
        Create(NAME, (URL,), overwrite=True),
        Create(NAME, (URL, other(FROZEN)), overwrite=True),
    ],
)
def test_values_without_a_write_bit_stop_what_would_touch_them(operation: Writing) -> None:
    forbidden = plan(operation, (URL, FROZEN)).forbidden
    assert forbidden is not None
    assert forbidden.code == 401


def test_values_without_a_write_bit_may_be_sent_along_unchanged() -> None:
    assert plan(Create(NAME, (FROZEN,), overwrite=True), (URL, FROZEN)).forbidden is None


OPEN = Value(1, "NOTE", b"old", permissions=0b1111, ttl=5)


@pytest.mark.parametrize(
    ("value", "anonymous"),
    [
        (Value(1, "NOTE", b"new", permissions=0b1111, ttl=5), True),
        (Value(1, "NOTE", b"new", permissions=0b1110, ttl=5), False),
        (Value(1, "NOTE", b"new", permissions=0b1111, ttl=6), False),
        (Value(1, "NOTE", b"new", permissions=0b1111, ttl=5, ttl_absolute=True), False),
        (Value(1, "URL", b"new", permissions=0b1111, ttl=5), False),
        (Value(2, "NOTE", b"new", permissions=0b1111, ttl=5), False),
    ],
)
def test_anyone_may_change_only_the_data_of_public_write(value: Value, *, anonymous: bool) -> None:
    assert plan(Modify(NAME, (value,), overwrite=True), (OPEN,)).anonymous is anonymous


def test_administrators_are_never_changed_by_just_anyone() -> None:
    open_admin = Value(1, "HS_ADMIN", ADMIN.data, permissions=0b1111)
    assert not plan(Modify(NAME, (open_admin,)), (open_admin,)).anonymous


@pytest.mark.parametrize("name", ["88.118.8/X", "0.NA/88.118.8/X", "0.NA/", "/", "88..1", "0.NA/88\x01"])
def test_names_that_are_not_of_prefixes_are_none(name: str) -> None:
    with pytest.raises(Refused) as refused:
        named_prefix(name)
    assert refused.value.code == 102
