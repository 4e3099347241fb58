"""The classic Java client (`net.handle.hdllib`) and its programs against a running node."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
import pytest_asyncio

from identifiers.handle_wire.keys import public_octets
from identifiers.values import Reference
from identifiers.values import Value as Stored
from resolver.handle.site import own_site
from tests.handle_stack import PREFIX, admin_value
from tests.integration.handle_http_face import SITE_KEY
from tests.interop.classic_client import SITE_TYPES, Classic
from tests.interop.classic_octets import (
    AUTHORITATIVE,
    CERTIFY,
    MINT,
    OVERWRITE,
    Answer,
    NotAccepted,
    Reader,
    Value,
    admin_data,
    read_site,
    text,
    u4,
    values_octets,
)
from tests.interop.classic_session import SecretUser, User, public_key_octets
from tests.interop.classic_transports import HTTP, HTTPS, TCP, UDP, Request
from tests.interop.reachable_node import BY_SECRET, BY_SERVICE, KEEPER, Node, running_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = Value(1, "URL", b"https://example.com/1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with running_node(shared_registry_database, tmp_path_factory.mktemp("classic")) as made:
        yield made


async def client(node: Node, **how: Any) -> Classic:
    return Classic(await asyncio.to_thread(node.site), **how)


async def calling(call: Any, *arguments: Any, **named: Any) -> Any:
    """Call what blocks beside the node's event loop."""
    return await asyncio.to_thread(call, *arguments, **named)


def change(op: int, name: str, *values: Value, user: User, flags: int = 0) -> Request:
    return Request(op, name, values_octets(name, *values), user, flags)


def named(op: int, name: str, user: User, flags: int = 0) -> Request:
    return Request(op, name, text(name), user, flags)


def removal(name: str, *indexes: int, user: User) -> Request:
    return Request(103, name, text(name) + u4(len(indexes)) + b"".join(map(u4, indexes)), user)


async def succeeding(classic: Classic, request: Request) -> Answer:
    answer: Answer = await calling(classic.process, request)
    assert answer.rc == 1, (answer.rc, answer.message)
    return answer


async def test_the_site_record_tells_a_client_all_it_needs(node: Node) -> None:
    site = await calling(node.site)
    assert (site.version, site.serial, site.is_primary) == ((2, 11), 7, True)
    (server,) = site.servers
    assert [(kind, protocol) for kind, protocol, _ in server.interfaces] == [(3, TCP), (2, UDP), (3, HTTP)]


@pytest.mark.parametrize("transport", [UDP, TCP, HTTP])
async def test_a_name_is_found_through_the_record_of_its_prefix(node: Node, transport: int) -> None:
    await node.face.stack.record(
        f"{PREFIX}/found", Stored(1, "URL", b"https://example.com/1"), Stored(2, "EMAIL", b"a@b.example")
    )
    classic = await client(node, transports=(transport,))
    answer = await calling(classic.resolve, f"{PREFIX.upper()}/FOUND")
    assert [(value.index, value.type) for value in answer.values] == [(1, "URL"), (2, "EMAIL")]
    answer = await calling(classic.resolve, f"{PREFIX}/found", indexes=(7,), types=("EMAIL",), certified=True)
    assert [value.data for value in answer.values] == [b"a@b.example"]
    assert (await calling(classic.resolve, f"{PREFIX}/never", certified=True)).rc == 100
    assert (await calling(classic.resolve, f"{PREFIX}/found", types=("PHONE",), certified=True)).rc == 200
    assert (await calling(classic.resolve, "0.0/0.0", certified=True)).rc == 301
    assert {used for _, used, _ in classic.log} == {transport}


async def test_a_long_answer_comes_in_datagrams_that_fit_the_buffer(node: Node) -> None:
    await node.face.stack.record(f"{PREFIX}/long", Stored(1, "NOTE", b"x" * 3_000))
    classic = await client(node, transports=(UDP,))
    answer = await calling(classic.resolve, f"{PREFIX}/long", certified=True)
    assert answer.values[0].data == b"x" * 3_000


async def test_what_does_not_fit_datagrams_is_fetched_over_tcp(node: Node) -> None:
    await node.face.stack.record(f"{PREFIX}/longer", Stored(1, "NOTE", b"x" * 30_000))
    classic = await client(node)
    answer = await calling(classic.process, classic.asking(f"{PREFIX}/longer"))
    assert len(answer.values[0].data) == 30_000
    assert classic.log == [(1, UDP, 2), (1, TCP, 1)]


@pytest.mark.parametrize("how", ["by itself", "certified", "encrypted", "without sessions", "over HTTP"])
@pytest.mark.parametrize("kind", ["secret", "key"])
async def test_a_record_lives_its_life(node: Node, kind: str, how: str) -> None:
    user: User = BY_SECRET if kind == "secret" else node.by_key
    options: dict[str, dict[str, Any]] = {
        "certified": {"certifies": True},
        "encrypted": {"encrypts": True, "certifies": True},
        "without sessions": {"sessions": False},
        "over HTTP": {"transports": (HTTP,)},
    }
    classic = await client(node, **options.get(how, {}))
    name = f"{PREFIX}/life-{kind}-{how.replace(' ', '-')}"
    admin = Value(100, "HS_ADMIN", admin_data(user.handle, user.index))
    answer = await succeeding(classic, change(100, name, URL, admin, user=user))
    assert Reader(answer.body).text().decode() == name
    assert answer.flags & AUTHORITATIVE
    again = await calling(classic.process, change(100, name, URL, admin, user=user))
    assert again.rc == 101
    await succeeding(classic, change(102, name, Value(2, "NOTE", b"a"), Value(3, "NOTE", b"b"), user=user))
    found = await calling(classic.resolve, name, authoritative=True)
    aged = [Value(one.index, one.type, one.data, one.permissions, 3_600) for one in found.values]
    await succeeding(classic, change(104, name, *aged, user=user))
    await succeeding(classic, removal(name, 2, user=user))
    assert (await calling(classic.process, removal(name, 2, user=user))).rc == 200
    found = await calling(classic.resolve, name)
    assert [(value.index, value.ttl) for value in found.values] == [(1, 3_600), (3, 3_600), (100, 3_600)]
    await succeeding(classic, named(101, name, user))
    assert (await calling(classic.resolve, name)).rc == 100
    challenges = [op for op, _, rc in classic.log if rc == 402]
    assert len(challenges) == (6 if how == "without sessions" else 1)
    assert not [used for op, used, _ in classic.log if 100 <= op < 300 and used == UDP]


async def test_the_certificate_may_have_the_key_of_the_site_record(node: Node) -> None:
    site = await calling(node.site)
    (server,) = site.servers
    reached = replace(server, interfaces=((3, HTTPS, node.https_port),))
    classic = Classic(replace(site, servers=(reached,)))
    name = f"{PREFIX}/by-https"
    await succeeding(classic, change(100, name, URL, user=BY_SERVICE))
    await succeeding(classic, named(101, name, BY_SERVICE))
    assert {used for _, used, _ in classic.log} == {HTTPS}


async def test_values_that_are_not_public_are_read_after_a_challenge_and_then_in_the_session(node: Node) -> None:
    name = f"{PREFIX}/private"
    hidden = Stored(2, "PRICE", b"17", permissions=0b1100)
    await node.face.stack.record(name, Stored(1, "URL", b"https://example.com/1"), hidden, admin_value(100, KEEPER))
    for options in ({}, {"encrypts": True}, {"sessions": False}, {"transports": (TCP,)}):
        classic = await client(node, **options)
        asking = classic.asking(name, node.by_key, indexes=(2,), restricted=True)
        assert [value.data for value in (await calling(classic.process, asking)).values] == [b"17"]
        again = classic.asking(name, node.by_key, indexes=(1, 2), restricted=True)
        assert len((await calling(classic.process, again)).values) == 2
        with pytest.raises(NotAccepted, match="no acceptable interface"):
            await calling(classic.process, classic.asking(name, indexes=(2,), restricted=True))
        assert (await calling(classic.process, classic.asking(name, indexes=(2,)))).rc == 200


async def test_a_list_comes_in_parts_over_one_connection(node: Node) -> None:
    names = [f"{PREFIX}/LISTED-{number:03}" for number in range(60)]
    url = Stored(1, "URL", b"https://example.com/1")
    await asyncio.gather(*[node.face.stack.record(name, url) for name in names])
    for options in ({}, {"certifies": True}, {"encrypts": True}, {"sessions": False}, {"transports": (HTTP,)}):
        classic = await client(node, **options)
        parts = await calling(classic.all, named(105, f"0.NA/{PREFIX}", node.by_key, CERTIFY))
        assert [part.rc for part in parts] == [1] * len(parts)
        assert len(parts) > 1
        listed = [name for part in parts for name in part.names]
        assert [name for name in listed if "LISTED" in name] == names


async def test_prefixes_are_homed_and_unhomed_as_the_batch_program_does(node: Node) -> None:
    classic = await client(node)
    for prefix in ("0.NA/88.118.81", "0.NA/88.118.82"):
        await succeeding(classic, named(300, prefix, BY_SERVICE, CERTIFY))
        await succeeding(classic, named(300, prefix, BY_SERVICE, CERTIFY))
    homed = await calling(classic.all, named(302, "/", BY_SERVICE))
    assert {"0.NA/88.118.81", "0.NA/88.118.82", f"0.NA/{PREFIX}"} <= {name for part in homed for name in part.names}
    await succeeding(classic, change(100, "88.118.81/ONE", URL, user=BY_SERVICE))
    await succeeding(classic, named(301, "0.NA/88.118.81", BY_SERVICE, CERTIFY))
    refused = await calling(classic.process, change(100, "88.118.81/TWO", URL, user=BY_SERVICE))
    assert refused.rc == 301
    assert (await calling(classic.process, named(300, "0.NA/88.118.83", node.by_key, CERTIFY))).rc == 400


async def test_a_session_that_the_server_forgot_is_begun_anew(node: Node) -> None:
    classic = await client(node)
    name = f"{PREFIX}/forgotten"
    await succeeding(classic, change(100, name, URL, user=BY_SERVICE))
    (forgotten,) = classic.held.values()
    await calling(classic.end, forgotten)
    await succeeding(classic, named(101, name, BY_SERVICE))
    assert (101, TCP, 500) in classic.log
    assert forgotten not in classic.held.values()


async def test_who_proves_nothing_or_may_nothing_is_told_so_whatever_the_session(node: Node) -> None:
    for options in ({}, {"sessions": False}, {"encrypts": True}):
        classic = await client(node, **options)
        name = f"{PREFIX}/refused"
        wrong = SecretUser(BY_SECRET.handle, BY_SECRET.index, b"wrong")
        assert (await calling(classic.process, change(100, name, URL, user=wrong))).rc == 403
        nobody = SecretUser(f"{PREFIX}/NOBODY", 300, b"wrong")
        assert (await calling(classic.process, change(100, name, URL, user=nobody))).rc == 400
        assert (await calling(classic.resolve, name)).rc == 100


async def test_a_secret_beyond_ascii_proves_its_user_as_java_derives_from_it(node: Node) -> None:
    user = SecretUser(f"{PREFIX}/BEYOND", 300, "密码é".encode())
    secret = Stored(300, "HS_SECKEY", user.secret, permissions=0b1100)
    await node.face.stack.record(user.handle, secret, admin_value(100, Reference(user.handle, 300)))
    classic = await client(node)
    await succeeding(classic, change(102, user.handle, Value(1, "NOTE", b"mine"), user=user))


async def test_a_name_is_minted_and_records_are_replaced(node: Node) -> None:
    classic = await client(node)
    minted = await succeeding(classic, change(100, f"{PREFIX}/", URL, user=node.by_key, flags=MINT))
    name = Reader(minted.body).text().decode()
    assert name.startswith(f"{PREFIX}/")
    assert minted.flags & MINT
    assert len(name) == len(PREFIX) + 37
    other = Value(2, "URL", b"https://example.com/2")
    admin = Value(100, "HS_ADMIN", admin_data(KEEPER.handle, KEEPER.index))
    replaced = await succeeding(classic, change(100, name, other, admin, user=BY_SERVICE, flags=OVERWRITE))
    assert replaced.flags & OVERWRITE
    found = await calling(classic.resolve, name)
    assert [value.index for value in found.values] == [2, 100]


async def test_another_server_has_a_proof_verified_here(node: Node) -> None:
    classic = await client(node)
    nonce, digest = bytes(range(16)), bytes(32)
    for user, right in ((BY_SECRET, 1), (SecretUser(BY_SECRET.handle, BY_SECRET.index, b"wrong"), 0)):
        body = text(user.handle) + u4(user.index) + text(nonce) + text(digest) + text(user.proof(nonce + digest))
        answer = await succeeding(classic, Request(201, user.handle, body, flags=CERTIFY))
        assert answer.body == bytes((right,))


async def test_a_record_of_a_prefix_tells_its_service_unless_it_says_another(node: Node) -> None:
    classic = await client(node)
    asked = classic.asking(f"0.NA/{PREFIX}", types=SITE_TYPES)
    (told,) = (await calling(classic.process, asked)).values
    assert (told.index, told.type, read_site(told.data)) == (1, "HS_SITE", classic.known)
    whole = await calling(classic.process, classic.asking(f"0.NA/{PREFIX}"))
    assert [value.type for value in whole.values] == ["HS_ADMIN", "HS_ADMIN"]
    service = Value(2, "HS_SERV", f"0.NA/{PREFIX}.SERVICE".encode())
    await succeeding(classic, change(102, f"0.NA/{PREFIX}", service, user=BY_SERVICE))
    assert [value.type for value in (await calling(classic.process, asked)).values] == ["HS_SERV"]
    await succeeding(classic, removal(f"0.NA/{PREFIX}", 2, user=BY_SERVICE))


async def test_every_further_address_belongs_to_the_one_server() -> None:
    places = [ip_address(place) for place in ("192.0.2.1", "192.0.2.2", "2001:db8::3")]
    site = read_site(own_site(places, 2641, serial=1))
    assert site.alternatives() == ["192.0.2.2", "2001:db8::3"]


async def test_the_key_of_the_site_record_has_the_octets_that_clients_compare() -> None:
    assert public_octets(SITE_KEY) == public_key_octets(SITE_KEY.public_key())
