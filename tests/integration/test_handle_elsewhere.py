"""Users and groups kept on other nodes: keys, secrets, lists, what is never asked (handle wire 10.2, 13.5, 13.6).

The node under test asks a stand-in for the upper node; secrets are kept by a second node, which the upper node names.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, ip_address, ip_network
from time import monotonic
from unittest.mock import ANY

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_requests import Create, Group, HandleRequest
from identifiers.handle_wire.answers import Referral
from identifiers.handle_wire.keys import public_octets
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.requests import CreateHandle, ListHandles, VerifyChallenge
from identifiers.handle_wire.signing import signed
from identifiers.hs_site import QUERY, Interface, Server, Site, encode_site
from identifiers.hs_vlist import encode_references
from identifiers.values import Reference, Value
from registry.handle_admin.execution import HandleAdministration
from resolver.handle.auth.asking import Place, may_be_asked, place_of
from resolver.handle.auth.limits import AuthLimits
from resolver.handle.auth.upstream import Upstream
from resolver.handle.exchange import Refused
from resolver.handle.limits import HandleSettings
from resolver.handle.server import HandleServer
from resolver.handle.site import own_site
from tests.handle_stack import PREFIX, SECRET, SERVICE, Stack, admin_value, running_stack, secret_value
from tests.stand_in_handle_server import StandInHandleServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAR = "88.200.1"
REMOTE = Reference(f"{FAR}/USER", 300)
REMOTE_GROUP = Reference(f"{FAR}/GROUP", 200)
KEPT_KEY = Reference(f"{FAR}/KEY", 300)
MEMBER = Reference(f"{PREFIX}/MEMBER", 300)
RSA_KEY = rsa.generate_private_key(65_537, 2_048)
LOOPBACK = IPv4Address("127.0.0.1")


def site_at(port: int, address: IPv4Address = LOOPBACK, key: bytes = b"") -> bytes:
    server = Server(1, bytes(12) + address.packed, key, (Interface(QUERY, 1, port),))
    return encode_site(Site(1, 0x80, (server,)))


def group(*members: Reference, index: int = 200, ttl: int = 86_400) -> Value:
    return Value(index, "HS_VLIST", encode_references(members), ttl=ttl)


@asynccontextmanager
async def listening(stack: Stack, host: str) -> AsyncIterator[int]:
    """Let a stack's worker listen, and give its port."""
    site = own_site([ip_address(host)], 2641, serial=1)
    server = HandleServer(HandleSettings(host, 0, site), stack.desk, stack.worker.authentication)
    server.listen()
    await server.start()
    try:
        yield server.port
    finally:
        await server.drain(0.0)


@pytest.fixture(scope="module")
def upper() -> Iterator[StandInHandleServer]:
    with StandInHandleServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def far(
    second_registry_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[int, int]]:
    """Run the second node; the ports it listens on at 127.0.0.1 and 127.0.0.2."""
    async with running_stack(second_registry_database, tmp_path_factory.mktemp("far")) as stack:
        await stack.api.prefix(FAR, "Far")
        await stack.record(REMOTE.handle, secret_value(300), secret_value(301, b"another secret"))
        await stack.record(KEPT_KEY.handle, Value(300, "HS_PUBKEY", public_octets(RSA_KEY)))
        await stack.record(REMOTE_GROUP.handle, group(KEPT_KEY))
        async with listening(stack, "127.0.0.1") as port, listening(stack, "127.0.0.2") as other:
            yield port, other


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def near(
    shared_registry_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    upper: StandInHandleServer,
) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("near")
    async with running_stack(shared_registry_database, directory, upstream=("127.0.0.1", upper.port)) as stack:
        await stack.record(MEMBER.handle, secret_value(300))
        grants = (admin_value(100, REMOTE), admin_value(101, REMOTE_GROUP))
        await stack.record(f"0.NA/{PREFIX}", *grants)
        yield stack


@pytest.fixture(autouse=True)
def knowing(upper: StandInHandleServer, far: tuple[int, int], near: Stack) -> None:
    """Let the upper node know the second one, and everyone forget what they knew before."""
    upper.records = {f"0.NA/{FAR}": (Value(1, "HS_SITE", site_at(far[0])),)}
    upper.asked.clear()
    near.clock.now += 7_200


def asked_of(upper: StandInHandleServer) -> list[str]:
    return [f"{request.types[0]} {request.name}" for _, request in upper.asked]


async def test_a_secret_kept_elsewhere_proves_its_holder_to_the_server_that_keeps_it(
    near: Stack, upper: StandInHandleServer
) -> None:
    client = near.client()
    for name in ("S1", "S2"):
        assert (await client.done(CreateHandle(f"{PREFIX}/{name}", ()), REMOTE)).rc == 1
    assert (await client.done(CreateHandle(f"{PREFIX}/S3", ()), REMOTE, secret=b"wrong")).rc == 403
    assert (await client.done(ListHandles(PREFIX), REMOTE)).rc == 1
    assert asked_of(upper).count(f"HS_SITE 0.NA/{FAR}") == 1
    assert not any(isinstance(request, VerifyChallenge) for _, request in upper.asked)


async def test_nobody_elsewhere_is_asked_about_whoever_has_no_right(near: Stack, upper: StandInHandleServer) -> None:
    stranger = Reference(f"{FAR}/STRANGER", 300)
    assert (await near.client().done(CreateHandle(f"{PREFIX}/S4", ()), stranger)).rc == 400
    assert all(name.startswith("HS_VLIST ") for name in asked_of(upper))


async def test_a_password_is_proved_elsewhere_and_never_sent(near: Stack) -> None:
    proofs = near.worker.authentication.proofs
    assert await proofs.check_password(REMOTE, SECRET, address="192.0.2.9") == REMOTE
    with pytest.raises(Refused) as refused:
        await proofs.check_password(REMOTE, b"wrong", address="192.0.2.9")
    assert refused.value.rc == 403


async def test_a_service_handle_names_the_server_that_keeps_a_secret(
    near: Stack, upper: StandInHandleServer, far: tuple[int, int]
) -> None:
    upper.records = {
        f"0.NA/{FAR}": (Value(1, "HS_SERV", b"0.SERV/FAR"),),
        "0.SERV/FAR": (Value(1, "HS_SITE", site_at(far[0])),),
    }
    assert (await near.client().done(CreateHandle(f"{PREFIX}/S5", ()), REMOTE)).rc == 1


@pytest.mark.parametrize("why", ["another host of this network", "not there", "unsigned", "no site", "no record"])
async def test_a_server_that_cannot_be_trusted_or_reached_proves_nothing(
    near: Stack, upper: StandInHandleServer, far: tuple[int, int], why: str
) -> None:
    records = {
        "another host of this network": site_at(far[1], IPv4Address("127.0.0.2")),
        "not there": site_at(9),
        "unsigned": site_at(far[0], key=public_octets(RSA_KEY)),
        "no site": b"?",
    }
    data = records.get(why)
    upper.records = {} if data is None else {f"0.NA/{FAR}": (Value(1, "HS_SITE", data),)}
    assert (await near.client().done(CreateHandle(f"{PREFIX}/S6", ()), REMOTE)).rc == 403


async def test_a_group_elsewhere_gives_its_members_rights_as_long_as_it_lives(
    near: Stack, upper: StandInHandleServer
) -> None:
    client = near.client()
    upper.records[REMOTE_GROUP.handle] = (group(MEMBER, ttl=60),)
    for name in ("G1", "G2"):
        assert (await client.done(CreateHandle(f"{PREFIX}/{name}", ()), MEMBER)).rc == 1
    assert asked_of(upper).count(f"HS_VLIST {REMOTE_GROUP.handle}") == 1
    assert (await client.done(ListHandles(PREFIX), MEMBER)).rc == 1
    upper.records[REMOTE_GROUP.handle] = (group(),)
    near.clock.now += 61
    assert (await client.done(CreateHandle(f"{PREFIX}/G3", ()), MEMBER)).rc == 400


async def test_keys_and_groups_come_from_whoever_the_upper_node_says_serves_them(
    near: Stack, upper: StandInHandleServer, far: tuple[int, int]
) -> None:
    client, referral = near.client(), Referral("", (Value(1, "HS_SITE", site_at(9)),))
    upper.referrals = {FAR: referral}  # the prefix's own record counts, not the sites of a referral
    try:
        assert (await client.done(CreateHandle(f"{PREFIX}/R1", ()), KEPT_KEY, key=RSA_KEY)).rc == 1
        near.clock.now += 7_200
        upper.records[f"0.NA/{FAR}"] = (Value(1, "HS_SITE", site_at(far[1], IPv4Address("127.0.0.2"))),)
        assert (await client.done(CreateHandle(f"{PREFIX}/R2", ()), KEPT_KEY, key=RSA_KEY)).rc == 400
    finally:
        upper.referrals = {}


async def test_groups_elsewhere_and_here_contain_each_other(near: Stack, upper: StandInHandleServer) -> None:
    here, user = Reference(f"{PREFIX}/TEAM", 200), Reference(f"{FAR}/KEY", 300)
    await near.record(here.handle, group(REMOTE_GROUP, user))
    upper.records[REMOTE_GROUP.handle] = (group(here),)
    upper.records[user.handle] = (Value(300, "HS_PUBKEY", public_octets(RSA_KEY)),)
    assert (await near.client().done(CreateHandle(f"{PREFIX}/G4", ()), user, key=RSA_KEY)).rc == 1


async def test_lists_that_are_not_public_or_too_long_count_as_empty(near: Stack, upper: StandInHandleServer) -> None:
    client, octets = near.client(), encode_references((MEMBER,))
    upper.records[REMOTE_GROUP.handle] = (Value(200, "HS_VLIST", octets, permissions=0b1100),)
    assert (await client.done(CreateHandle(f"{PREFIX}/G5", ()), MEMBER)).rc == 400
    near.clock.now += 7_200
    upper.records[REMOTE_GROUP.handle] = (group(MEMBER), Value(201, "HS_VLIST", bytes(70_000)))
    assert (await client.done(CreateHandle(f"{PREFIX}/G5", ()), MEMBER)).rc == 400


async def test_so_many_groups_elsewhere_are_read_for_one_question_and_no_more(
    near: Stack, upper: StandInHandleServer
) -> None:
    names = [Reference(f"{FAR}/GROUP{number}", 200) for number in range(40)]
    upper.records[REMOTE_GROUP.handle] = (group(*names),)
    assert (await near.client().done(CreateHandle(f"{PREFIX}/G6", ()), MEMBER)).rc == 400
    assert len(upper.asked) == 16


async def test_the_registry_takes_no_group_for_what_is_kept_here(near: Stack) -> None:
    await near.record(f"{PREFIX}/CLUB", group())
    await near.record(f"{PREFIX}/OURS", admin_value(100, Reference(f"{PREFIX}/CLUB", 200)))
    administration = HandleAdministration(near.api.context, (SERVICE, Reference(f"{PREFIX}/CLUB", 200)))
    forged = Group(f"{PREFIX}/CLUB", (group(MEMBER),))
    asked = HandleRequest(1, Create(f"{PREFIX}/FORGED", ()), "handle_tcp", MEMBER, groups=(forged,))
    assert (await administration.execute(asked)).code == 400


async def test_one_address_has_so_many_new_users_looked_up_in_a_second(near: Stack) -> None:
    keys = near.worker.authentication.keys
    for number in range(20):
        assert await keys.of(Reference(f"{FAR}/NEW{number}", 300), "HS_PUBKEY", "192.0.2.77") == []
    for _ in range(2):
        assert await keys.of(Reference(f"{FAR}/NEW0", 300), "HS_PUBKEY", "192.0.2.77") == []  # known not to be there
    with pytest.raises(Refused) as refused:
        await keys.of(Reference(f"{FAR}/NEW20", 300), "HS_PUBKEY", "192.0.2.77")
    assert refused.value.rc == 3
    assert await keys.of(Reference(f"{FAR}/NEW20", 300), "HS_PUBKEY", "192.0.2.78") == []


async def test_an_upstream_that_is_silent_is_waited_for_so_long_and_no_longer() -> None:
    waiting, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.set()
        while await reader.read(1_000):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        place = Place("127.0.0.1", server.sockets[0].getsockname()[1])
        upstream = Upstream(place, monotonic, AuthLimits(remote_timeout_s=0.2))
        async with asyncio.timeout(10):
            assert await upstream.values(REMOTE.handle, "HS_PUBKEY") == ()
            await gone.wait()
    assert waiting.is_set()


async def test_with_its_key_the_upstream_is_believed_only_when_it_has_signed(upper: StandInHandleServer) -> None:
    user = Reference(f"{FAR}/SIGNED", 300)
    upper.records[user.handle] = (Value(300, "HS_PUBKEY", public_octets(RSA_KEY)),)
    place = Place("127.0.0.1", upper.port, RSA_KEY.public_key())
    assert await Upstream(place, monotonic).values(user.handle, "HS_PUBKEY") == ()
    upper.mangle = lambda message: Message(message.envelope, message.header, message.content, signed(message, RSA_KEY))
    try:
        assert len(await Upstream(place, monotonic).values(user.handle, "HS_PUBKEY")) == 1
    finally:
        upper.mangle = lambda message: message


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("203.0.114.1", True),
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("2400:3200::1", True),
        ("::1", False),
        ("fd00::1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
async def test_only_public_addresses_and_named_networks_are_asked(host: str, *, asked: bool) -> None:
    assert may_be_asked(host, [ip_network("10.1.0.0/16")]) == asked


async def test_a_server_is_asked_by_tcp_alone() -> None:
    address = bytes(12) + LOOPBACK.packed
    datagrams = Server(1, address, b"", (Interface(QUERY, 0, 2641), Interface(QUERY, 1, 70_000)))
    assert place_of(datagrams, [ip_network("127.0.0.0/8")]) is None
    streams = Server(1, address, b"", (Interface(QUERY, 1, 2641),))
    assert place_of(streams, [ip_network("127.0.0.0/8")]) == ("127.0.0.1", 2641, ANY)
