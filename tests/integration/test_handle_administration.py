"""Administration over the Handle protocol, through to the journal and every other face (handle wire 17, 18)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from identifiers.handle_requests import Create
from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Created, Names, Resolved
from identifiers.handle_wire.requests import (
    AddValue,
    CreateHandle,
    DeleteHandle,
    HomePrefix,
    ListHandles,
    ListHomedPrefixes,
    ListPrefixes,
    Login,
    ModifyValue,
    RemoveValue,
    Resolution,
    UnhomePrefix,
)
from identifiers.hs_vlist import encode_references
from identifiers.values import Reference, Value
from registry.database import connected
from registry.tables import read_only
from tests.handle_stack import ADMIN, PREFIX, SERVICE, Stack, admin_value, running_stack, secret_value

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERWRITE = codes.OVERWRITE
PRIVATE, IMMUTABLE, PUBLIC_WRITE = 0b1100, 0b1010, 0b1111


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(shared_registry_database, tmp_path_factory.mktemp("handle")) as made:
        yield made


def url(index: int = 1, text: bytes = b"https://example.com/1", **more: Any) -> Value:
    return Value(index, "URL", text, **more)


async def user(stack: Stack, suffix: str) -> Reference:
    """Make a user with the usual secret and no rights anywhere."""
    made = Reference(f"{PREFIX}/{suffix}", 300)
    await stack.record(made.handle, secret_value(300))
    return made


async def stored(stack: Stack, name: str) -> dict[str, Any]:
    reply = await stack.api.admin("GET", f"/api/v1/identifiers/{name}")
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


async def test_what_is_created_is_found_in_every_way_and_on_record(stack: Stack) -> None:
    name = f"{PREFIX}/Made-Here"
    secret = Value(7, "PRICE", b"12", permissions=PRIVATE)
    reply = await stack.client(address="192.0.2.7").done(CreateHandle(name, (url(), secret)))
    assert (reply.rc, reply.op, reply.body) == (1, 100, Created(name))
    shown = await stored(stack, name)
    assert [value["index"] for value in shown["values"]] == [1, 7]
    anonymous = await stack.client().send(Resolution(name), codes.PUBLIC_ONLY)
    assert isinstance(anonymous.body, Resolved)
    assert [value.index for value in anonymous.body.values] == [1]
    seen = stack.desk.find(name)
    assert b"PRICE" not in seen.record.public_json  # type: ignore[union-attr] # it was just created
    connection = await asyncpg.connect(stack.api.dsn)
    try:
        row = await connection.fetchrow("SELECT actor, op FROM journal WHERE key = $1", f"hdl:{name.upper()}")
        log = await connection.fetchrow("SELECT actor, address, action FROM audit_log WHERE object LIKE '%MADE-HERE'")
    finally:
        await connection.close()
    assert row is not None
    assert tuple(row) == (f"300:{ADMIN.handle}", "create")
    assert log is not None
    assert tuple(log) == (f"300:{ADMIN.handle}", "192.0.2.7", "handle create")


async def test_the_checks_of_a_create_come_in_their_order(stack: Stack) -> None:
    client, stranger = stack.client(), await user(stack, "STRANGER1")
    taken, free = f"{PREFIX}/ADMIN", f"{PREFIX}/FREE"
    for request, code in [
        (CreateHandle("20.500.1/X", ()), 301),
        (CreateHandle(free, (url(0),)), 202),
        (CreateHandle(free, (url(1), url(1))), 201),
        (CreateHandle(free, (Value(1, "HS_ADMIN", b"?"),)), 202),
        (CreateHandle(free, (Value(1, "URL.", b""),)), 202),
        (CreateHandle(taken, ()), 101),
        (CreateHandle(free, ()), 402),
    ]:
        assert (await client.send(request)).rc == code, request
    assert (await client.done(CreateHandle(free, ()), stranger)).rc == 400
    assert (await client.done(CreateHandle(free, ()), Reference(f"{PREFIX}/NOBODY", 300))).rc == 400
    assert (await client.done(CreateHandle(free, ()))).rc == 1


async def test_a_suffix_is_minted(stack: Stack) -> None:
    reply = await stack.client().done(CreateHandle(f"{PREFIX}/M-", (url(),)), flags=codes.MINT_SUFFIX)
    assert isinstance(reply.body, Created)
    assert reply.body.name.startswith(f"{PREFIX}/M-")
    assert len(reply.body.name) == len(f"{PREFIX}/M-") + 36
    assert reply.message.header.flags & codes.MINT_SUFFIX
    await stored(stack, reply.body.name)


async def test_overwriting_replaces_the_record_and_keeps_the_timestamps_of_what_stays(stack: Stack) -> None:
    name, client = f"{PREFIX}/OVER", stack.client()
    await client.done(CreateHandle(name, (url(1), url(2), admin_value(100, ADMIN))))
    before = await stored(stack, name)
    assert (await client.send(CreateHandle(name, (url(1),)))).rc == 101
    reply = await client.done(CreateHandle(name, (url(1), url(3))), flags=OVERWRITE)
    assert reply.rc == 1
    assert reply.message.header.flags & OVERWRITE
    after = await stored(stack, name)
    assert [value["index"] for value in after["values"]] == [1, 3]
    assert after["values"][0] == before["values"][0]
    new = await client.done(CreateHandle(f"{PREFIX}/OVER2", (url(),)), flags=OVERWRITE)
    assert new.rc == 1
    assert not new.message.header.flags & OVERWRITE


async def test_values_are_added_modified_and_removed(stack: Stack) -> None:
    name, client = f"{PREFIX}/VALUES", stack.client()
    await client.done(CreateHandle(name, (url(1), admin_value(100, ADMIN))))
    for request, flags, code in [
        (AddValue(name, ()), 0, 202),
        (AddValue(name, (url(2),)), 0, 1),
        (AddValue(name, (url(2),)), 0, 201),
        (AddValue(name, (url(2, b"https://example.com/2"),)), OVERWRITE, 1),
        (ModifyValue(name, (url(9),)), 0, 200),
        (ModifyValue(name, (url(9),)), OVERWRITE, 1),
        (ModifyValue(name, (url(1, b"https://example.com/new"),)), 0, 1),
        (RemoveValue(name, (55,)), 0, 200),
        (RemoveValue(name, (9,)), 0, 1),
        (RemoveValue(name, ()), 0, 1),
        (AddValue(f"{PREFIX}/MISSING", (url(),)), 0, 400),
        (DeleteHandle(f"{PREFIX}/MISSING"), 0, 400),
    ]:
        assert (await client.done(request, flags=flags)).rc == code, request
    assert (await client.done(DeleteHandle(f"{PREFIX}/MISSING"), SERVICE)).rc == 100
    values = {value["index"]: value["data"] for value in (await stored(stack, name))["values"]}
    assert values[1]["value"] == "https://example.com/new"
    assert values[2]["value"] == "https://example.com/2"
    assert set(values) == {1, 2, 100}


async def test_rights_are_those_of_one_value_on_the_record(stack: Stack) -> None:
    name, client = f"{PREFIX}/RIGHTS", stack.client()
    adds, removes = await user(stack, "ADDS"), await user(stack, "REMOVES")
    both = await user(stack, "BOTH")
    await client.done(
        CreateHandle(
            name,
            (
                url(1),
                admin_value(100, adds, 0x0040),
                admin_value(101, removes, 0x0020),
                admin_value(102, both, 0x0040),
                admin_value(103, both, 0x0020),
            ),
        )
    )
    assert (await client.done(AddValue(name, (url(2),)), adds)).rc == 1
    assert (await client.done(AddValue(name, (admin_value(200, adds),)), adds)).rc == 400
    assert (await client.done(RemoveValue(name, (2,)), adds)).rc == 400
    assert (await client.done(RemoveValue(name, (2,)), removes)).rc == 1
    assert (await client.done(RemoveValue(name, (100,)), removes)).rc == 400
    assert (await client.done(ModifyValue(name, (url(1, b"x:y"),)), removes)).rc == 400
    replaced = CreateHandle(name, (url(5), *(admin_value(100 + at, one) for at, one in enumerate([adds, removes]))))
    assert (await client.done(replaced, both, flags=OVERWRITE)).rc == 400
    assert (await client.done(DeleteHandle(name), adds)).rc == 400
    assert (await client.done(DeleteHandle(name), SERVICE)).rc == 1


async def test_a_value_becomes_an_administrator_or_ceases_to_be_one_by_two_rights_at_once(stack: Stack) -> None:
    name, client, new = f"{PREFIX}/BECOMES", stack.client(), admin_value(1, SERVICE)
    users = {bits: await user(stack, f"HOLDS-{bits:04X}") for bits in (0x0010, 0x0200, 0x0210, 0x0100, 0x0110)}
    grants = [admin_value(100 + at, one, bits) for at, (bits, one) in enumerate(users.items())]
    assert (await client.done(CreateHandle(name, (url(1), *grants)))).rc == 1
    for bits, code in [(0x0010, 400), (0x0200, 400), (0x0110, 400), (0x0210, 1)]:
        assert (await client.done(ModifyValue(name, (new,)), users[bits])).rc == code, hex(bits)
    for bits, code in [(0x0010, 400), (0x0100, 400), (0x0210, 400), (0x0110, 1)]:
        assert (await client.done(ModifyValue(name, (url(1),)), users[bits])).rc == code, hex(bits)


async def test_a_mirror_sends_changes_elsewhere_before_it_asks_who_wants_them(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    authentication = stack.worker.authentication
    monkeypatch.setattr(authentication, "settings", replace(authentication.settings, read_only=True))
    for request in (
        CreateHandle(f"{PREFIX}/MIRRORED", ()),
        DeleteHandle(f"{PREFIX}/ADMIN"),
        ModifyValue(f"{PREFIX}/ADMIN", ()),
        ListHandles(PREFIX),
        HomePrefix("88.118.61"),
    ):
        for session_id in (0, 10_001):
            assert (await stack.client().send(request, session_id=session_id)).rc == 7, request
    assert (await stack.client().send(Resolution(f"{PREFIX}/ADMIN"))).rc == 402


async def test_while_another_body_serves_for_this_node_changes_are_refused_as_by_a_backup(stack: Stack) -> None:
    name, client = f"{PREFIX}/TAKEN-OVER", stack.client()
    assert (await client.done(CreateHandle(name, (url(1), admin_value(100, ADMIN))))).rc == 1
    async with connected(stack.api.context.pool) as connection:
        await read_only.begin(connection, datetime(2031, 5, 6, tzinfo=UTC), reason="take-over", ordered_by="above")
    try:
        for request in (
            CreateHandle(f"{PREFIX}/NOT-NOW", ()),
            CreateHandle(f"{PREFIX}/NOT-NOW", (url(1),)),
            AddValue(name, (url(2),)),
            ModifyValue(name, (url(1, b"x:y"),)),
            RemoveValue(name, (1,)),
            DeleteHandle(name),
        ):
            assert (await client.done(request)).rc == 7, request
        assert (await client.done(HomePrefix("88.118.62"), SERVICE)).rc == 7
        assert (await client.send(Resolution(name), codes.PUBLIC_ONLY)).rc == 1
    finally:
        async with connected(stack.api.context.pool) as connection:
            await read_only.end(connection)
    assert (await client.done(DeleteHandle(name))).rc == 1


async def test_groups_give_their_members_rights_and_may_contain_each_other(stack: Stack) -> None:
    name, client = f"{PREFIX}/GROUPED", stack.client()
    member, stranger = await user(stack, "MEMBER"), await user(stack, "STRANGER2")
    one, other = Reference(f"{PREFIX}/GROUP1", 200), Reference(f"{PREFIX}/GROUP2", 200)
    await stack.record(one.handle, Value(200, "HS_VLIST", encode_references((other, one))))
    await stack.record(other.handle, Value(200, "HS_VLIST", encode_references((one, member))))
    await client.done(CreateHandle(name, (admin_value(100, one),)))
    assert (await client.done(AddValue(name, (url(),)), stranger)).rc == 400
    assert (await client.done(AddValue(name, (url(),)), member)).rc == 1


async def test_values_without_a_write_bit_stay(stack: Stack) -> None:
    name, client = f"{PREFIX}/FROZEN", stack.client()
    frozen = url(3, permissions=IMMUTABLE)
    await client.done(CreateHandle(name, (url(1), frozen, admin_value(100, ADMIN))))
    assert (await client.send(ModifyValue(name, (url(3, b"x:y", permissions=IMMUTABLE),)))).rc == 401
    assert (await client.done(RemoveValue(name, (1, 3)))).rc == 401
    assert (await client.done(DeleteHandle(name))).rc == 401
    assert (await client.done(CreateHandle(name, (url(1),)), flags=OVERWRITE)).rc == 401
    assert [value["index"] for value in (await stored(stack, name))["values"]] == [1, 3, 100]


async def test_anyone_changes_the_data_of_values_with_public_write_and_nothing_else(stack: Stack) -> None:
    name, client = f"{PREFIX}/OPEN", stack.client()
    await client.done(CreateHandle(name, (url(1, permissions=PUBLIC_WRITE), url(2))))
    assert (await client.send(ModifyValue(name, (url(1, b"x:open", permissions=PUBLIC_WRITE),)))).rc == 1
    assert (await client.send(ModifyValue(name, ()))).rc == 1
    for change in [
        url(1, b"x:y"),
        url(1, b"x:y", permissions=PUBLIC_WRITE, ttl=5),
        Value(1, "EMAIL", b"x", permissions=PUBLIC_WRITE),
        url(2, b"x:y"),
    ]:
        assert (await client.send(ModifyValue(name, (change,)))).rc == 402, change
    values = (await stored(stack, name))["values"]
    assert values[0]["data"]["value"] == "x:open"


async def test_a_deleted_record_is_gone_and_can_be_created_again(stack: Stack) -> None:
    name, client = f"{PREFIX}/AGAIN", stack.client()
    await client.done(CreateHandle(name, (url(), admin_value(100, ADMIN))))
    assert (await client.done(DeleteHandle(name))).rc == 1
    assert (await client.send(Resolution(name), codes.PUBLIC_ONLY)).rc == 100
    assert (await client.done(CreateHandle(name, (url(),)))).rc == 1


@pytest.mark.parametrize(("suffix", "successor"), [("FORMER", f"?successor={PREFIX}/PRESENT"), ("ENDED", "")])
async def test_a_name_withdrawn_for_good_is_not_created_again(stack: Stack, suffix: str, successor: str) -> None:
    name, client = f"{PREFIX}/{suffix}", stack.client()
    await client.done(CreateHandle(name, (url(), admin_value(100, ADMIN))))
    withdrawn = await stack.api.admin("DELETE", f"/api/v1/identifiers/{name}{successor}")
    assert withdrawn.json["version"] == 2
    assert (await client.done(CreateHandle(name, (url(),)))).rc == 101


async def test_a_list_comes_in_parts_of_fifty(stack: Stack) -> None:
    await stack.api.prefix("88.118.50", "Lists")
    names = [f"88.118.50/N{at:03}" for at in range(101)]
    for name in names:
        answer = await stack.worker.calls.execute(Create(name, ()), user=SERVICE, face="handle_tcp")
        assert answer.code == 1, answer
    client = stack.client()
    assert (await client.done(ListHandles("0.NA/88.118.50"))).rc == 400
    challenged = await client.send(ListHandles("0.NA/88.118.50"))
    parts = await client.prove(challenged, SERVICE)
    assert [bool(part.message.header.flags & codes.CONTINUES) for part in parts] == [True, True, False]
    assert {part.message.envelope.request_id for part in parts} == {parts[0].message.envelope.request_id}
    listed = [name for part in parts if isinstance(part.body, Names) for name in part.body.names]
    assert listed == names
    assert (await client.send(ListHandles("88.118.999"))).rc == 301


async def test_prefixes_are_homed_unhomed_and_listed_by_service_administrators(stack: Stack) -> None:
    client = stack.client()
    assert (await client.done(HomePrefix("88.118.60"))).rc == 400
    assert (await client.send(HomePrefix("88.118.60/X"))).rc == 102
    assert (await client.done(HomePrefix("0.NA/88.118.60"), SERVICE)).rc == 1
    assert (await client.done(HomePrefix("88.118.60"), SERVICE)).rc == 1
    assert (await client.done(CreateHandle("88.118.60/A", (url(),)), SERVICE)).rc == 1
    homed = await client.done(ListHomedPrefixes(), SERVICE)
    assert isinstance(homed.body, Names)
    assert "0.NA/88.118.60" in homed.body.names
    below = await client.done(ListPrefixes("88.118.60"), SERVICE)
    assert (below.rc, below.op, below.body) == (1, 106, Names(()))
    assert (await client.done(UnhomePrefix("88.118.60"), SERVICE)).rc == 1
    assert (await client.done(UnhomePrefix("88.118.60"), SERVICE)).rc == 1
    assert (await client.send(CreateHandle("88.118.60/B", ()))).rc == 301
    assert (await client.send(Resolution("88.118.60/A"), codes.PUBLIC_ONLY)).rc == 301
    assert (await client.done(HomePrefix("88.118.60"), SERVICE)).rc == 1
    assert (await client.send(Resolution("88.118.60/A"), codes.PUBLIC_ONLY)).rc == 1


async def test_a_prefix_record_is_made_by_whoever_keeps_the_prefix_above(stack: Stack) -> None:
    await stack.api.prefix("88.119", "Above")
    await stack.api.prefix("88.119.1", "Below")
    await stack.record("0.NA/88.119", admin_value(100, ADMIN, 0x0004))
    client, stranger = stack.client(), await user(stack, "STRANGER3")
    made = CreateHandle("0.NA/88.119.1", (admin_value(100, ADMIN, 0x0001),))
    assert (await client.done(made, stranger)).rc == 400
    assert (await client.done(CreateHandle("88.119.1/X", ()))).rc == 400
    assert (await client.done(made)).rc == 1
    assert (await client.done(CreateHandle("88.119.1/X", ()))).rc == 1
    assert (await client.done(CreateHandle("0.NA/88.119.77", ()))).rc == 301


async def test_enterprise_users_do_not_write_the_record_of_their_prefix(stack: Stack) -> None:
    enterprise = await stack.api.prefix("88.118.70", "Keepers")
    body = {"values": [{"index": 1, "type": "NOTE", "data": "x"}]}
    refused = await (await stack.api.holder("enterprise_user", enterprise))(
        "PUT", "/api/v1/identifiers/0.NA/88.118.70", body
    )
    assert (refused.status, refused.json["code"]) == (403, "role_not_allowed")
    keeper = await stack.api.holder("enterprise_administrator", enterprise)
    assert (await keeper("PUT", "/api/v1/identifiers/0.NA/88.118.70", body)).status == 201


async def test_template_and_grades_of_a_record_hold_for_handle_administrators(stack: Stack) -> None:
    name, client = f"{PREFIX}/PUMP", stack.client()
    items = [
        {"index": 2000, "name": "serial", "type": "serial", "required": True},
        {"index": 2001, "name": "price", "type": "price", "grade": 2},
    ]
    body = {"code": "pump", "name": "Pumps", "items": items, "publish": True}
    made = await stack.api.admin("POST", "/api/v1/templates", body)
    assert made.status == 201, made.body
    serial = Value(2000, "serial", b"S1")
    await stack.record(name, serial, template="pump")
    price = AddValue(name, (Value(2001, "price", b"12"),))
    assert (await client.done(price, SERVICE)).rc == 1
    refused = await client.done(RemoveValue(name, (2000,)), SERVICE)
    assert (refused.rc, "pump" in refused.text) == (202, True)
    seen = await client.send(Resolution(name), codes.PUBLIC_ONLY)
    assert isinstance(seen.body, Resolved)
    assert [value.index for value in seen.body.values] == [2000]
    assert (await stored(stack, name))["template"] == "pump"


async def test_a_right_that_was_taken_away_ends_within_a_second(stack: Stack) -> None:
    await stack.api.prefix("88.118.80", "Taken")
    helper = await user(stack, "HELPER")
    await stack.record("0.NA/88.118.80", admin_value(100, helper, 0x0001))
    client = stack.client()
    assert (await client.done(CreateHandle("88.118.80/A", ()), helper)).rc == 1
    assert (await client.done(RemoveValue("0.NA/88.118.80", (100,)), SERVICE)).rc == 1
    assert (await client.done(CreateHandle("88.118.80/B", ()), helper)).rc == 400


async def test_creates_that_come_together_are_stored_together(stack: Stack) -> None:
    async def create(at: int) -> int:
        made = Create(f"{PREFIX}/MANY-{at}", (url(),))
        return (await stack.worker.calls.execute(made, user=ADMIN, face="handle_tcp")).code

    assert set(await asyncio.gather(*(create(at) for at in range(200)))) == {1}
    assert set(await asyncio.gather(*(create(at) for at in range(10)))) == {101}


async def test_the_entity_tag_guards_a_change(stack: Stack) -> None:
    name = f"{PREFIX}/TAGGED"
    await stack.client().done(CreateHandle(name, (url(),)))
    tag = stack.desk.find(name).record.etag.decode()  # type: ignore[union-attr] # it was just created
    change = Create(name, (url(2),), overwrite=True, entity_tag="0" * 16)
    stale = await stack.worker.calls.execute(change, user=SERVICE, face="handle_http")
    assert (stale.code, stale.stale) == (201, True)
    good = Create(name, (url(2),), overwrite=True, entity_tag=tag)
    answer = await stack.worker.calls.execute(good, user=SERVICE, face="handle_http")
    assert (answer.code, answer.replaced) == (1, True)


async def test_a_change_is_whole_or_not_at_all(stack: Stack) -> None:
    name, client = f"{PREFIX}/WHOLE", stack.client()
    await client.done(CreateHandle(name, (url(1), url(2), admin_value(100, ADMIN))))
    before = await stored(stack, name)
    for request in [
        AddValue(name, (url(7), url(2))),
        RemoveValue(name, (1, 9)),
        ModifyValue(name, (url(1, b"x:y"), url(9))),
        AddValue(name, (url(7), Value(8, "HS_VLIST", b"?"))),
    ]:
        assert (await client.done(request)).rc in (200, 201, 202)
    assert await stored(stack, name) == before


async def test_octets_come_back_as_they_were_sent(stack: Stack) -> None:
    name, client = f"{PREFIX}/OCTETS", stack.client()
    sent = (
        Value(3, "BINARY", bytes(range(256)), permissions=0b1111, ttl=2**32 - 1),
        Value(7, "EXPIRES", b"", ttl=1_900_000_000, ttl_absolute=True, references=(Reference("88.118.8/x", 4),)),
    )
    await client.done(CreateHandle(name, (sent[1], sent[0])))
    reply = await client.send(Resolution(name), codes.PUBLIC_ONLY)
    assert isinstance(reply.body, Resolved)
    assert [msgspec.structs.replace(value, timestamp=0) for value in reply.body.values] == list(sent)
    assert all(value.timestamp for value in reply.body.values)


async def test_an_exhausted_quota_is_named_to_logins_alone(stack: Stack) -> None:
    enterprise = await stack.api.prefix("88.118.90", "Quota")
    limits = {"identifiers_max": 1, "identifiers_per_day_max": None, "octets_max": None, "job_rows_max": None}
    assert (await stack.api.admin("PUT", f"/api/v1/quotas/{enterprise}", limits)).status == 200
    client = stack.client()
    assert (await client.done(CreateHandle("88.118.90/A", ()), SERVICE)).rc == 1
    assert (await client.done(CreateHandle("88.118.90/B", ()), SERVICE)).rc == 3
    login = await client.send(Login(SERVICE.handle, SERVICE.index), session_id=10_001)
    await client.prove(login, SERVICE)
    assert (await client.send(CreateHandle("88.118.90/B", ()), session_id=10_001)).rc == 604


async def test_the_request_rate_of_the_enterprise_holds(stack: Stack) -> None:
    enterprise = await stack.api.prefix("88.118.91", "Rate")
    limits = {"requests_per_s_max": 1, "requests_burst_max": 1}
    reply = await stack.api.admin("PUT", f"/api/v1/quotas/{enterprise}", limits)
    assert reply.status == 200, reply.body

    async def code(at: int) -> int:
        made = Create(f"88.118.91/{at}", ())
        return (await stack.worker.calls.execute(made, user=SERVICE, face="handle_tcp")).code

    assert set(await asyncio.gather(*(code(at) for at in range(20)))) == {1, 3}
