"""The industrial-internet clients against a running node: id-pointer-sdk, and the older ID-SDK.

Both log in on the connection (operation 2001) under a session id of their own making, and ask one after the other.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import pytest_asyncio

from identifiers import sm2
from identifiers.handle_wire.keys import load_user_key, public_octets, sign
from identifiers.values import Reference
from identifiers.values import Value as Stored
from tests.handle_stack import PREFIX, admin_value
from tests.integration.handle_http_face import SITE_KEY
from tests.interop.classic_octets import (
    CERTIFY,
    DIGEST,
    OVERWRITE,
    USUAL,
    Value,
    admin_data,
    read_site,
    resolution,
    text,
    u4,
    values_octets,
)
from tests.interop.classic_session import KeyUser, User
from tests.interop.classic_transports import TCP
from tests.interop.industrial_channel import LOGIN, LOGIN_FLAGS, Channel
from tests.interop.reachable_node import BY_SECRET, BY_SERVICE, KEEPER, Node, running_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITH_TOKEN = 0x00000004
URL = Value(1, "URL", b"https://example.com/1")
ID_SDK_CODES = frozenset((1, 2, 3, 4, 100, 101, 102, 200, 201, 202, 302, 303, 400, 401, 402, 403, 404, 405, 407, 408))
"""What the ID-SDK can read; at any other it throws, and goes on."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    async with running_node(shared_registry_database, tmp_path_factory.mktemp("industrial")) as made:
        yield made


async def calling(call: Any, *arguments: Any, **named: Any) -> Any:
    """Call what blocks beside the node's event loop."""
    return await asyncio.to_thread(call, *arguments, **named)


@contextmanager
def opened(node: Node, user: User | None = None, **how: Any) -> Iterator[Channel]:
    with Channel(node.handle_port, **how) as channel:
        if user is not None:
            channel.find_site()
            assert channel.log_in(user).rc == 1
        yield channel


async def test_a_login_by_secret_or_key_and_then_a_record_lives_its_life(node: Node) -> None:
    def life(user: User, name: str) -> list[int]:
        with opened(node, user) as channel:
            admin = Value(100, "HS_ADMIN", admin_data(user.handle, user.index))
            steps = [
                (100, values_octets(name, URL, admin), USUAL),
                (100, values_octets(name, URL, admin), USUAL),
                (100, values_octets(name, URL, admin, Value(2, "NOTE", b"a")), USUAL | OVERWRITE),
                (102, values_octets(name, Value(3, "NOTE", b"b")), USUAL),
                (102, values_octets(name, Value(3, "NOTE", b"c")), USUAL | OVERWRITE),
                (104, values_octets(name, Value(3, "NOTE", b"d")), USUAL),
                (103, text(name) + u4(1) + u4(2), USUAL),
                (1, resolution(name) + text(""), USUAL),
                (101, text(name), USUAL),
                (1, resolution(name) + text(""), USUAL),
            ]
            return [channel.ask(*step).rc for step in steps]

    for user, name in ((BY_SERVICE, f"{PREFIX}/life-1"), (node.by_key, f"{PREFIX}/life-2")):
        assert await calling(life, user, name) == [1, 101, 1, 1, 1, 1, 1, 1, 1, 100]


async def test_an_sm2_key_logs_in_with_its_own_user_id(node: Node) -> None:
    key = sm2.generate()
    user = Reference(f"{PREFIX}/SM2", 300)
    lines = b"-----BEGIN PUBLIC KEY-----", base64.b64encode(key.public.to_der()), b"-----END PUBLIC KEY-----"
    pem = b"\r\n".join(lines)
    await node.face.stack.record(user.handle, Stored(300, "HS_PUBKEY", pem), admin_value(100, user))

    def logged_in() -> tuple[int, int]:
        with opened(node) as channel:
            channel.find_site()
            channel.send(LOGIN, text(user.handle) + u4(user.index), LOGIN_FLAGS, credential=False)
            challenge = channel.receive()
            assert challenge.digest is not None
            digest = sm2.sm3(challenge.nonce + challenge.digest[1])
            proof = text("SM3") + text(sign(digest, load_user_key(key.to_der()), "SM3", user.handle))
            answer = channel.respond(user, "HS_PUBKEY", proof)
            return answer.rc, channel.ask(102, values_octets(user.handle, Value(1, "NOTE", b"mine"))).rc

    assert await calling(logged_in) == (1, 1)


async def test_private_values_are_seen_by_whoever_logged_in_although_all_asks_are_for_public_ones(node: Node) -> None:
    name = f"{PREFIX}/seen"
    hidden = Stored(2, "PRICE", b"17", permissions=0b1100)
    await node.face.stack.record(name, Stored(1, "URL", b"https://example.com/1"), hidden, admin_value(100, KEEPER))

    def seen(user: User | None, flags: int = USUAL, token: str = "") -> list[int]:
        with opened(node, user) as channel:
            return [value.index for value in channel.ask(1, resolution(name) + text(token), flags).values]

    assert await calling(seen, node.by_key) == [1, 2, 100]
    assert await calling(seen, BY_SECRET) == [1, 100]
    assert await calling(seen, None) == [1, 100]
    assert await calling(seen, None, USUAL | WITH_TOKEN, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln") == [1, 100]


async def test_the_prefix_of_a_name_tells_a_tcp_port_even_where_its_record_does_not(node: Node) -> None:
    def found(name: str) -> tuple[int, list[str]]:
        with opened(node, session_id=0) as channel:
            answer = channel.ask(1, resolution(name, types=("HS_SITE",)) + text(""))
            (site,) = [read_site(value.data) for value in answer.values]
            (port,) = [port for _, protocol, port in site.servers[0].interfaces if protocol == TCP]
            return port, [value.type for value in answer.values]

    for name in (PREFIX, f"0.NA/{PREFIX}"):
        assert await calling(found, name) == (node.handle_port, ["HS_SITE"])


async def test_prefixes_are_homed_by_their_bare_names_and_the_heartbeat_is_answered(node: Node) -> None:
    def homed() -> list[int]:
        with opened(node, BY_SERVICE) as channel:
            steps = [(300, text("88.118.84")), (100, values_octets("88.118.84/1", URL)), (301, text("88.118.84"))]
            codes = [channel.ask(*step).rc for step in steps]
            return [*codes, channel.ask(1, resolution("0") + text(""), session_id=0).rc]

    assert (await calling(homed))[:3] == [1, 1, 1]


async def test_nobody_is_challenged_under_an_id_of_the_client_and_the_connection_stays(node: Node) -> None:
    def refused() -> list[int]:
        with opened(node) as channel:
            codes = [channel.ask(100, values_octets(f"{PREFIX}/stranger", URL)).rc]
            wrong = KeyUser(KEEPER.handle, KEEPER.index, SITE_KEY)
            codes.append(channel.log_in(wrong).rc)
            codes.append(channel.ask(1, resolution(f"{PREFIX}/stranger") + text("")).rc)
            codes.append(channel.log_in(BY_SERVICE).rc)
            codes.append(channel.ask(100, values_octets(f"{PREFIX}/stranger", URL)).rc)
            codes.append(channel.ask(101, text(f"{PREFIX}/stranger")).rc)
            return codes

    assert await calling(refused) == [500, 403, 100, 1, 1, 1]


async def test_two_logins_with_the_same_made_up_id_do_not_know_each_other(node: Node) -> None:
    def both() -> list[int]:
        with opened(node, BY_SERVICE) as one, opened(node, node.by_key) as other:
            name = f"{PREFIX}/shared-id"
            codes = [one.ask(100, values_octets(name, URL)).rc, other.ask(101, text(name)).rc]
            return [*codes, one.ask(101, text(name)).rc]

    assert await calling(both) == [1, 400, 1]


async def test_a_client_that_checks_signatures_finds_one_on_every_answer_it_asks_to_be_signed(node: Node) -> None:
    name = f"{PREFIX}/signed"

    def life() -> list[int]:
        with Channel(node.handle_port, secrets.randbelow(10**9) + 10_000, (2, 11)) as channel:
            channel.find_site(CERTIFY)
            assert channel.log_in(node.by_key, CERTIFY | DIGEST, credential=True).rc == 1
            admin = Value(100, "HS_ADMIN", admin_data(KEEPER.handle, KEEPER.index))
            steps = [
                (2, text("/")),
                (100, values_octets(name, URL, admin)),
                (100, values_octets(name, URL, admin)),
                (104, values_octets(name, Value(9, "NOTE", b"a"))),
                (1, resolution(name)),
                (1, resolution(name, types=("PHONE",))),
                (103, text(name) + u4(1) + u4(1)),
                (101, text(name)),
                (1, resolution(name)),
            ]
            answers = [channel.ask(*step, CERTIFY | DIGEST) for step in steps]
            assert {answer.rc for answer in answers} <= ID_SDK_CODES
            return [answer.rc for answer in answers]

    assert await calling(life) == [1, 1, 101, 200, 1, 200, 1, 1, 100]


async def test_sixteen_connections_of_a_pool_log_in_at_once(node: Node) -> None:
    """From an address of its own: the logins of other tests count against no allowance of the pool's."""

    def answered() -> set[int]:
        with ExitStack() as stack:
            pool = [stack.enter_context(Channel(node.handle_port, host="127.0.0.2")) for _ in range(16)]
            proofs = [text(channel.challenged(BY_SERVICE)) for channel in pool]
            response = text(BY_SERVICE.type) + text(BY_SERVICE.handle) + u4(BY_SERVICE.index)
            for channel, proof in zip(pool, proofs, strict=True):
                channel.send(200, response + proof, LOGIN_FLAGS)
            codes = {channel.receive().rc for channel in pool}
            made = {channel.ask(100, values_octets(f"{PREFIX}/pool", URL)).rc for channel in pool[:1]}
            return codes | made

    assert await calling(answered) == {1}


@pytest.mark.parametrize("kind", ["rsa", "sm2"])
async def test_a_channel_is_encrypted_from_before_it_logs_in(node: Node, kind: str) -> None:
    private_key = sm2.generate() if kind == "sm2" else node.key
    user = Reference(f"{PREFIX}/HIDDEN-{kind}", 300)
    await node.face.stack.record(user.handle, Stored(300, "HS_PUBKEY", public_octets(private_key)))

    def life() -> list[int]:
        with Channel(node.handle_port) as channel:
            channel.encrypt(user, private_key)
            channel.find_site()
            assert channel.log_in(BY_SERVICE).rc == 1
            name = f"{PREFIX}/hidden-{kind}-1"
            steps = [(100, values_octets(name, URL)), (1, resolution(name)), (101, text(name)), (1, resolution(name))]
            return [channel.ask(*step).rc for step in steps]

    assert await calling(life) == [1, 1, 1, 100]
