"""What the Handle server must never do (handle wire 22), each as a test that fails where its guard is removed.

 1  leave a request unanswered      here; `test_resolver_handle_transports` (SIGTERM, defects, half-closed peers)
 2  close before the answer is out  here; `test_resolver_handle_transports` (slow readers, pipelines before a close)
 3  answer under other numbers      `test_every_operation_is_answered_under_its_own_numbers`
 4  send what clients cannot read   the same, and `test_identifiers_handle_wire_replies` (codes of the table)
 5  costly proofs                   here; `test_handle_authentication` (no proof computed without the right)
 6  reflect and amplify over UDP    here; `test_resolver_handle_transports` (garbage, answers, 4,096 octets, rates)
 7  believe a length or a depth     `test_handle_hostile_octets`; `test_identifiers_handle_rights` (groups)
 8  keep without bound              `test_resolver_handle_connections`, `test_resolver_handle_shared_table`,
                                    `test_identifiers_handle_wire_udp`, `test_resolver_handle_sources`,
                                    `test_handle_authentication` (challenges, sessions, ids of a connection),
                                    `test_handle_elsewhere` (what is known of others), `test_resolver_handle_limits`
 9  do a thing twice                here; `test_handle_authentication` (op 200 sent again, counters)
10  mistake one for another         here; `test_handle_authentication` (logins and their connections)
11  tell who exists                 here
12  show a secret                   here; `test_handle_authentication` (logs, texts, representations)
13  tell why decryption failed      here; `test_handle_authentication` (one answer to every damage)
14  agree on weak keys              here; `test_identifiers_handle_wire_sessions`
15  go where a request points       here
16  show what is not public         here; `test_resolver_handle_resolution`
17  do half of a change             here; `test_handle_administration`
18  let one block the others        here
19  believe another's clock         here
20  change octets                   here
"""

import asyncio
import hashlib
import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, time
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from identifiers.handle_requests import Create
from identifiers.handle_wire import codes
from identifiers.handle_wire.answers import Challenge, Resolved
from identifiers.handle_wire.codes import CERTIFY, PUBLIC_ONLY, REQUEST_FLAGS, RETURN_DIGEST
from identifiers.handle_wire.digests import Digest
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, parse_envelope
from identifiers.handle_wire.groups import PRIMES_BY_BITS
from identifiers.handle_wire.header import encode_header, parse_header
from identifiers.handle_wire.keys import public_octets
from identifiers.handle_wire.message import Message, encode_message
from identifiers.handle_wire.proofs import ITERATIONS_MAX, PBKDF2, is_right_secret
from identifiers.handle_wire.requests import (
    AddValue,
    ChallengeResponse,
    CreateHandle,
    DeleteHandle,
    GetSiteInfo,
    HomePrefix,
    ListHandles,
    ListHomedPrefixes,
    ListPrefixes,
    Login,
    ModifyValue,
    RemoveValue,
    Request,
    Resolution,
    SessionExchangeKey,
    SessionSetup,
    SessionTerminate,
    UnhomePrefix,
    VerifyChallenge,
)
from identifiers.handle_wire.sessions import AESCipher, DHKey, encode_dh_key
from identifiers.handle_wire.signing import authenticated
from identifiers.octets import string
from identifiers.values import Reference, Value
from resolver.handle.auth.asking import Place
from resolver.handle.auth.upstream import Upstream
from resolver.handle.connections import Phase
from resolver.handle.limits import HandleLimits
from resolver.handle.server_key import ensure_server_key
from resolver.handle.site import own_site
from tests.handle_answers import check_answer
from tests.handle_sockets import SITE, Listening, close, listening, next_message
from tests.handle_stack import (
    ADMIN,
    PREFIX,
    SECRET,
    SERVICE,
    Client,
    Stack,
    admin_value,
    proof_of,
    running_stack,
    secret_value,
)
from tests.integration.handle_worker import Datagrams, Stream, request
from tests.support import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_ID = 10_001
HUGE = f"{PREFIX}/HUGE"
SEEN = f"{PREFIX}/SEEN"
PRIVATE, HIDDEN = 0b1100, 0b0101
DH_KEY = encode_dh_key(DHKey(4, PRIMES_BY_BITS[1_024]))
KEY = rsa.generate_private_key(65_537, 2_048)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory = tmp_path_factory.mktemp("handle")
    async with running_stack(shared_registry_database, directory, administrators=(SERVICE, ADMIN)) as made:
        await made.record(
            SEEN,
            Value(1, "NOTE", b"for all"),
            Value(2, "PRICE", b"12", permissions=PRIVATE),
            Value(3, "SECRET", b"hidden", permissions=HIDDEN),
        )
        huge = Create(HUGE, (Value(1, "NOTE", b"x" * 100_000),))
        assert (await made.worker.calls.execute(huge, user=SERVICE, face="handle_tcp")).code == 1
        ensure_server_key(directory / "key.pem")
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(stack: Stack) -> AsyncIterator[Listening]:
    async with listening(stack, key_file=stack.directory / "key.pem") as made:
        yield made


async def logged_in(node: Listening, user: Reference = ADMIN) -> Client:
    """Return a client of the industrial internet that has logged in."""
    client = node.client()
    challenged = await client.send(Login(user.handle, user.index), session_id=OWN_ID)
    assert [reply.rc for reply in await client.prove(challenged, user)] == [1]
    return client


def octets_of(client: Client, request: Request, **how: Any) -> bytes:
    return encode_message(client.message(request, **how))


def with_header(message: Message, **fields: int) -> Message:
    header = message.header._replace(**fields)
    return msgspec.structs.replace(message, header=header, content=encode_header(header) + message.body)


def numbers(answer: bytes) -> tuple[int, int, int]:
    """Return request id, op code and response code."""
    header = parse_header(answer[ENVELOPE_OCTETS:])
    return parse_envelope(answer).request_id, header.op, header.rc


# 1, 2: every request is answered, and every answer arrives


@asynccontextmanager
async def silent(path: Path) -> AsyncIterator[asyncio.Event]:
    """Stand where the registry is, take calls and answer none; the event says that one came."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        asked.set()
        await gone.wait()
        writer.close()

    server = await asyncio.start_unix_server(take, path)
    try:
        yield asked
    finally:
        gone.set()
        server.close()
        await server.wait_closed()


async def test_a_shutdown_answers_what_is_in_hand_in_its_order_and_then_ends(stack: Stack) -> None:
    path = stack.directory / "silent-1.sock"
    async with silent(path) as asked, listening(stack, calls_socket=path) as node:
        client = await logged_in(node)
        reader, writer = client.worker.streams  # type: ignore[attr-defined] # its connection
        made = CreateHandle(f"{PREFIX}/X", ())
        hand: list[Request] = [made, Resolution(SEEN), ListHandles(PREFIX), DeleteHandle(SEEN)]
        writer.write(b"".join(octets_of(client, one, session_id=OWN_ID, request_id=at) for at, one in enumerate(hand)))
        await asked.wait()
        draining = asyncio.create_task(node.drain(0.1))
        answers = [numbers(await next_message(reader)) for _ in hand]
        assert answers == [(at, one.op, 3) for at, one in enumerate(hand)]
        assert await reader.read() == b""
        await close(client)
        await draining


async def test_an_answer_that_waits_for_its_reader_is_given_once_whatever_ends_meanwhile(stack: Stack) -> None:
    async with listening(stack) as node:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", node.port))
        stream = Stream(*await asyncio.open_connection(sock=slow, limit=1_024))
        stream.writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport for reading, too
        stream.send(*[request(Resolution(HUGE), request_id=at, session_id=OWN_ID) for at in range(60)])
        await eventually(lambda: {watch.phase for watch in node.watches} == {Phase.STALLED})
        draining = asyncio.create_task(node.drain(0.1))
        await eventually(lambda: {watch.phase for watch in node.watches} == {Phase.CLOSING})
        stream.writer.transport.resume_reading()  # type: ignore[attr-defined] # as above
        octets = await stream.rest()
        stream.writer.close()
        await draining
    answers = []
    while octets:
        end = ENVELOPE_OCTETS + parse_envelope(octets).length
        answers.append(numbers(octets[:end]))
        octets = octets[end:]
    found = [rc for _, _, rc in answers]
    assert [number for number, _, _ in answers] == list(range(len(answers)))
    assert found == sorted(found)
    assert set(found) == {1, 3}


# 3, 4: numbers and codes

CHALLENGE = Challenge(Digest(3, bytes(32)), bytes(16))
OPERATIONS: list[Request] = [
    Resolution(SEEN),
    Resolution(f"{PREFIX}/NOT-THERE"),
    Resolution("20.500.1/X"),
    GetSiteInfo(),
    CreateHandle(f"{PREFIX}/ADMIN", ()),
    DeleteHandle(f"{PREFIX}/NOT-THERE"),
    AddValue(f"{PREFIX}/NOT-THERE", (Value(1, "URL", b"x:y"),)),
    RemoveValue(f"{PREFIX}/NOT-THERE", (1,)),
    ModifyValue(f"{PREFIX}/NOT-THERE", (Value(1, "URL", b"x:y"),)),
    ListHandles(PREFIX),
    ListPrefixes(PREFIX),
    ListHomedPrefixes(),
    ChallengeResponse("HS_SECKEY", ADMIN.handle, 300, b"\3" + bytes(32)),
    VerifyChallenge(ADMIN.handle, 300, CHALLENGE.nonce, CHALLENGE.digest, b"\3" + bytes(32)),
    HomePrefix("88.118.8/NOT-A-PREFIX"),
    UnhomePrefix("88.118.8/NOT-A-PREFIX"),
    SessionSetup(4, public_key=DH_KEY),
    SessionSetup(2),
    SessionTerminate(),
    SessionExchangeKey(b"x"),
    Login(ADMIN.handle, 300),
]
UNKNOWN_OPERATIONS = (3, 107, 303, 606, 1_000, 1_004, 2_000, 2_002, 0x7FFFFFFF, 0xFFFFFFFF)


def with_op(octets: bytes, op: int) -> bytes:
    return octets[:ENVELOPE_OCTETS] + op.to_bytes(4, "big") + octets[ENVELOPE_OCTETS + 4 :]


@pytest.mark.parametrize("session_id", [0, OWN_ID, 0xFFFFFFFF])
@pytest.mark.parametrize("flags", [REQUEST_FLAGS, 0, RETURN_DIGEST | CERTIFY | codes.ENCRYPT])
async def test_every_operation_is_answered_under_its_own_numbers(node: Listening, session_id: int, flags: int) -> None:
    asked = [request(one, session_id=session_id, flags=flags, request_id=0xABCD) for one in OPERATIONS]
    asked += [with_op(asked[3], op) for op in UNKNOWN_OPERATIONS]
    async with await Stream.open(node.port) as stream:
        for octets in asked:
            check_answer(await stream.ask(octets), parse_envelope(octets), octets[ENVELOPE_OCTETS:])
    with Datagrams(node.port) as datagrams:
        for octets in asked:
            check_answer(await datagrams.ask(octets), parse_envelope(octets), octets[ENVELOPE_OCTETS:])


async def test_who_has_logged_in_is_answered_under_the_numbers_of_each_request_too(node: Listening) -> None:
    client = await logged_in(node)
    for number, one in enumerate(OPERATIONS):
        octets = octets_of(client, one, session_id=OWN_ID, request_id=number, flags=REQUEST_FLAGS | RETURN_DIGEST)
        for at, answer in enumerate(await client.worker.answers(client.peer, octets)):
            check_answer(answer, parse_envelope(octets), octets[ENVELOPE_OCTETS:], more=at > 0)
    await close(client)


# 5: costly proofs


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> "Held":
    return Held(monkeypatch)


class Held:
    """Holds the checking of secrets until `go` is set; `threads` are those that it was begun in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.threads: list[threading.Thread] = []
        monkeypatch.setattr("resolver.handle.auth.proofs.is_right_secret", self._is_right)

    def _is_right(self, *given: Any) -> bool:
        self.threads.append(threading.current_thread())
        assert self.go.wait(10.0)
        return is_right_secret(*given)


async def test_a_costly_proof_is_computed_beside_the_event_loop_and_four_at_a_time(node: Listening, held: Held) -> None:
    clients = [node.client() for _ in range(5)]
    challenged = [await client.send(CreateHandle(f"{PREFIX}/COSTLY", ())) for client in clients]
    *four, fifth = [
        asyncio.create_task(client.prove(reply, ADMIN, algorithm=PBKDF2))
        for client, reply in zip(clients, challenged, strict=True)
    ]
    await eventually(lambda: len(held.threads) == 4)
    assert [reply.rc for reply in await fifth] == [3]
    assert (await node.client().send(Resolution(SEEN), PUBLIC_ONLY)).rc == 1  # the loop goes on
    held.go.set()
    answers = [reply.rc for replies in await asyncio.gather(*four) for reply in replies]
    assert sorted(answers) == [1, 101, 101, 101]
    assert threading.main_thread() not in held.threads


def costly(iterations: int = 1, bits: int = 160, salt: bytes = bytes(16)) -> bytes:
    numbers = iterations.to_bytes(4, "big") + bits.to_bytes(4, "big")
    return bytes((PBKDF2,)) + string(salt) + numbers + string(bytes(20))


@pytest.mark.parametrize(
    "proof",
    [
        costly(ITERATIONS_MAX + 1),
        costly(0),
        costly(0xFFFFFFFF),
        costly(bits=0),
        costly(bits=63),
        costly(bits=520),
        costly(bits=0xFFFFFFF8),
        costly(salt=bytes(65)),
    ],
    ids=lambda proof: proof[21:29].hex(),
)
async def test_a_proof_of_parameters_beyond_the_bounds_is_not_computed(
    node: Listening, held: Held, proof: bytes
) -> None:
    client = node.client()
    challenged = await client.send(CreateHandle(f"{PREFIX}/TOO-COSTLY", ()))
    asked = ChallengeResponse("HS_SECKEY", ADMIN.handle, 300, proof)
    assert (await client.send(asked, session_id=challenged.session_id)).rc == 406
    other = VerifyChallenge(ADMIN.handle, 300, CHALLENGE.nonce, CHALLENGE.digest, proof)
    assert (await client.send(other)).rc == 406
    assert not held.threads


async def test_of_many_keys_only_so_many_are_tried_in_a_second(stack: Stack, node: Listening) -> None:
    several, many = Reference(f"{PREFIX}/SEVERAL-KEYS", 0), Reference(f"{PREFIX}/MANY-KEYS", 0)
    other = Value(1, "HS_PUBKEY", b"no key")
    for user, count in ((several, 3), (many, 40)):
        keys = [msgspec.structs.replace(other, index=index) for index in range(1, count)]
        await stack.record(user.handle, *keys, Value(count, "HS_PUBKEY", public_octets(KEY)))
    stack.clock.now += 61
    for user, code in ((several, 1), (many, 3)):
        client = node.client()
        login = await client.send(Login(user.handle, user.index), session_id=OWN_ID)
        assert [reply.rc for reply in await client.prove(login, user, key=KEY)] == [code]
        await close(client)
    stack.clock.now += 61


# 6: datagrams


async def test_no_more_answers_are_signed_than_allowed_whatever_they_answer(stack: Stack) -> None:
    few = HandleLimits(answers_per_source=1_000_000, octets_per_source=1_000_000_000, signed_per_source=3)
    async with listening(stack, few, key_file=stack.directory / "key.pem") as node:
        began = perf_counter()
        client = node.client()
        with Datagrams(node.port) as datagrams:
            challenged = await datagrams.ask(octets_of(client, Resolution(SEEN), flags=CERTIFY))
            envelope = parse_envelope(challenged)
            response = ChallengeResponse("HS_SECKEY", ADMIN.handle, 300, b"\3" + bytes(32))
            proof = octets_of(client, response, session_id=envelope.session_id)
            answers = [check_answer(await datagrams.ask(proof), parse_envelope(proof), proof[20:]) for _ in range(30)]
        allowed = 3 + 3 * (perf_counter() - began)
    assert {answer.header.rc for answer in answers} == {403, 2}
    assert 1 <= sum(answer.credential is not None for answer in answers) <= allowed


# 9, 10: once, and for whom it is


async def test_an_answer_to_a_challenge_that_comes_again_by_any_way_is_carried_out_once(
    stack: Stack, node: Listening
) -> None:
    client = node.client(one=False)
    challenged = await client.send(CreateHandle(f"{PREFIX}/MINT-", ()), codes.MINT_SUFFIX)
    assert isinstance(challenged.body, Challenge)
    octets = octets_of(client, proof_of(challenged.body, ADMIN), session_id=challenged.session_id, request_id=77)
    first, again = [(await client.worker.answers(client.peer, octets))[0] for _ in range(2)]
    with Datagrams(node.port) as datagrams:
        by_datagram = await datagrams.ask(octets)
    assert len({answer[ENVELOPE_OCTETS + 24 :] for answer in (first, again, by_datagram)}) == 1
    connection = await asyncpg.connect(stack.api.dsn)
    try:
        made = await connection.fetchval("SELECT count(*) FROM journal WHERE key LIKE $1", f"hdl:{PREFIX}/MINT-%")
    finally:
        await connection.close()
    assert made == 1


async def test_a_login_s_proof_that_comes_again_is_answered_alike_and_any_other_refused(node: Listening) -> None:
    client = node.client()
    challenged = await client.send(Login(ADMIN.handle, 300), session_id=OWN_ID)
    assert isinstance(challenged.body, Challenge)
    response = proof_of(challenged.body, ADMIN)
    answers = [await client.send(response, session_id=OWN_ID, request_id=9) for _ in range(2)]
    assert [(reply.rc, reply.op) for reply in answers] == [(1, 2001), (1, 2001)]
    other = await client.send(response, session_id=OWN_ID, request_id=10)
    assert (other.rc, other.op) == (405, 200)
    await close(client)


async def test_a_counter_is_taken_once_over_tcp_and_udp_alike(node: Listening) -> None:
    client = node.client()
    await client.set_up_session()
    message = client.message(Resolution(SEEN, indexes=(1,)), PUBLIC_ONLY)
    octets = encode_message(message, authenticated(message, client.key or b"", 5))
    (first,) = await client.worker.answers(client.peer, octets)
    with Datagrams(node.port) as datagrams:
        second = await datagrams.ask(octets)
    assert (numbers(first)[2], numbers(second)[2]) == (1, 505)
    await close(client)


async def test_ids_of_ours_cannot_be_guessed(node: Listening) -> None:
    client = node.client()
    ids = [(await client.send(DeleteHandle(f"{PREFIX}/NOT-THERE"))).session_id for _ in range(60)]
    assert len(set(ids)) == 60
    assert all(0 < number <= 0x7FFFFFFF for number in ids)
    assert len({number >> 24 for number in ids}) > 20
    steps = [later - earlier for earlier, later in pairwise(ids)]
    assert len(set(steps)) == len(steps)
    await close(client)


# 11: who exists

UNKNOWN = Reference(f"{PREFIX}/NOBODY-AT-ALL", 300)


async def test_an_unknown_user_a_missing_right_and_a_missing_secret_look_and_take_the_same(
    stack: Stack, node: Listening
) -> None:
    without_right, without_secret = Reference(f"{PREFIX}/POWERLESS", 300), Reference(f"{PREFIX}/KEYLESS", 300)
    await stack.record(without_right.handle, secret_value(300))
    await stack.record(without_secret.handle, Value(1, "NOTE", b"no key"))
    users = [UNKNOWN, without_right, without_secret]
    secret_proof = costly(ITERATIONS_MAX, salt=bytes(16))
    began = perf_counter()
    hashlib.pbkdf2_hmac("sha1", SECRET, bytes(16), ITERATIONS_MAX, 20)
    cost_s = perf_counter() - began
    answers: dict[Reference, set[Any]] = {user: set() for user in users}
    times: dict[Reference, list[float]] = {user: [] for user in users}
    client = node.client()
    for _ in range(7):
        for user in users:
            challenged = await client.send(DeleteHandle(SEEN))
            response = ChallengeResponse("HS_SECKEY", user.handle, user.index, secret_proof)
            began = perf_counter()
            reply = await client.send(response, session_id=challenged.session_id)
            times[user].append(perf_counter() - began)
            answers[user].add((reply.rc, reply.text, len(reply.message.content)))
    assert answers[UNKNOWN] == answers[without_right] == answers[without_secret]
    assert {rc for rc, *_ in answers[UNKNOWN]} == {400}
    assert max(median(taken) for taken in times.values()) < cost_s / 2
    await close(client)


async def test_who_has_a_secret_is_not_told_by_what_its_proof_costs_nor_by_how_often_it_may_be_wrong(
    stack: Stack, node: Listening, held: Held
) -> None:
    held.go.set()
    stack.clock.now += 61  # what others got wrong is forgotten
    client = node.client()
    seen: dict[Reference, list[int]] = {}
    for user in (ADMIN, Reference(f"{PREFIX}/NOBODY-ELSE", 300)):
        before = len(held.threads)
        challenged = await client.send(Login(user.handle, user.index), session_id=OWN_ID)
        wrong = await client.prove(challenged, user, secret=b"wrong", algorithm=PBKDF2)
        verify = VerifyChallenge(user.handle, user.index, CHALLENGE.nonce, CHALLENGE.digest, costly(10))
        assert (await client.send(verify)).rc == 1
        assert (wrong[0].rc, len(held.threads) - before) == (403, 2), user
        codes_seen = []
        for _ in range(32):
            challenged = await client.send(Login(user.handle, user.index), session_id=OWN_ID)
            codes_seen += [reply.rc for reply in await client.prove(challenged, user, secret=b"wrong")]
        seen[user] = codes_seen
        stack.clock.now += 61
    first, second = seen.values()
    assert first == second
    assert set(first) == {403, 3}
    await close(client)


# 12, 16: what is shown to whom


async def test_a_secret_is_never_public_whatever_its_permissions_say(stack: Stack, node: Listening) -> None:
    name = f"{PREFIX}/CARELESS"
    await stack.record(name, Value(1, "NOTE", b"x"), Value(300, "HS_SECKEY", b"careless secret", permissions=0b1110))
    await stack.record(f"{PREFIX}/ONLY", Value(300, "HS_SECKEY", b"careless secret", permissions=0b1111))
    client = node.client()
    for asked in (Resolution(name), Resolution(name, types=("HS_SECKEY",)), Resolution(name, indexes=(300,))):
        for flags in (PUBLIC_ONLY, PUBLIC_ONLY | RETURN_DIGEST, 0):
            (answer,) = await client.worker.answers(client.peer, octets_of(client, asked, flags=flags))
            assert b"careless secret" not in answer
    assert (await client.send(Resolution(f"{PREFIX}/ONLY"), PUBLIC_ONLY)).rc == 200
    reply = await client.done(Resolution(name), SERVICE)
    assert isinstance(reply.body, Resolved)
    assert [value.permissions for value in reply.body.values] == [0b1110, 0b1110]
    await close(client)


async def test_no_secret_proof_key_or_token_is_logged(node: Listening, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client, token = node.client(), "eyJhbGciOiJSUzI1NiJ9.a-token-of-somebody.c2ln"
    await client.set_up_session()
    challenged = await client.send(DeleteHandle(f"{PREFIX}/NOT-THERE"))
    assert isinstance(challenged.body, Challenge)
    right = proof_of(challenged.body, ADMIN, algorithm=PBKDF2)
    answers = await client.all(right)
    login = await client.send(Login(ADMIN.handle, 300), session_id=OWN_ID)
    answers += await client.prove(login, ADMIN, secret=b"wr0ng")
    answers += await client.all(Resolution(SEEN, token=token), session_id=OWN_ID)
    await client.worker.answers(client.peer, octets_of(client, right)[:-30] + bytes(30))
    shown = caplog.text + "".join(answer.text for answer in answers)
    for hidden in (SECRET, b"wr0ng", right.proof[-20:], client.key or b"", token.encode()):
        assert repr(hidden)[2:-1] not in shown
        assert hidden.hex() not in shown
    await close(client)


async def test_nobody_is_shown_a_hidden_value_and_the_public_no_private_one(stack: Stack, node: Listening) -> None:
    reader = Reference(f"{PREFIX}/READER", 300)
    await stack.record(reader.handle, secret_value(300))
    anonymous, session, login, stranger = node.client(), node.client(), await logged_in(node), node.client()
    challenged = await stranger.send(Login(reader.handle, 300), session_id=OWN_ID)
    await stranger.prove(challenged, reader)
    await session.set_up_session()
    await session.done(Resolution(SEEN))
    for client, session_id, flags, expected in [
        (anonymous, 0, PUBLIC_ONLY, [1]),
        (anonymous, OWN_ID, PUBLIC_ONLY, [1]),
        (session, None, PUBLIC_ONLY, [1]),
        (session, None, 0, [1, 2]),
        (stranger, OWN_ID, PUBLIC_ONLY, [1]),
        (login, OWN_ID, PUBLIC_ONLY, [1, 2]),
        (login, OWN_ID, 0, [1, 2]),
    ]:
        reply = await client.send(Resolution(SEEN), flags, session_id=session_id)
        assert isinstance(reply.body, Resolved), (reply, flags)
        assert [value.index for value in reply.body.values] == expected
        hidden = await client.send(Resolution(SEEN, indexes=(3,)), flags, session_id=session_id)
        assert hidden.rc == (200 if flags else 401)
    assert (await stranger.send(Resolution(SEEN), session_id=OWN_ID)).rc == 400
    for client in (anonymous, session, login, stranger):
        await close(client)


# 13, 14: cryptography


async def test_a_message_without_a_mac_is_refused_like_one_that_does_not_decrypt(node: Listening) -> None:
    client = node.client()
    await client.set_up_session()
    cipher = AESCipher(client.key or b"", bytes)
    message = client.message(Resolution(SEEN, indexes=(1,)), PUBLIC_ONLY)
    whole = encode_message(message, authenticated(message, client.key or b"", 1), cipher)
    other_key = encode_message(message, authenticated(message, bytes(32), 2), cipher)
    hostile = {
        "no MAC": encode_message(message, None, cipher),
        "no MAC, not public only": encode_message(client.message(Resolution(SEEN)), None, cipher),
        "no MAC, a change": encode_message(client.message(DeleteHandle(SEEN)), None, cipher),
        "another's MAC": other_key,
        "padding": whole[:-1] + bytes((whole[-1] ^ 1,)),
        "a block is missing": whole[:16] + (len(whole) - 36).to_bytes(4, "big") + whole[20:-16],
        "not a message": whole[:16] + (32).to_bytes(4, "big") + cipher.encrypt(b"x"),
    }
    answers = {}
    for what, octets in hostile.items():
        (answer,) = await client.worker.answers(client.peer, octets)
        answers[what] = (answer[:8], answer[12:40], answer[44:])
    assert len(set(answers.values())) == 1, answers
    assert {numbers(b"".join((head, bytes(4), *rest)))[2] for head, *rest in answers.values()} == {502}
    (right,) = await client.worker.answers(client.peer, whole)
    assert numbers(right)[2] == 1
    await close(client)


async def test_nothing_is_decrypted_for_strangers(node: Listening) -> None:
    client = node.client()
    for asked in (SessionSetup(2), SessionSetup(1, public_key=public_octets(KEY)), SessionExchangeKey(bytes(256))):
        assert (await client.send(asked)).rc == 501
    await close(client)


@pytest.mark.parametrize("bits", PRIMES_BY_BITS)
async def test_no_session_comes_of_a_weak_number_or_an_unknown_group(node: Listening, bits: int) -> None:
    client, prime = node.client(), PRIMES_BY_BITS[bits]
    keys = [encode_dh_key(DHKey(y, prime)) for y in (0, 1, prime - 1, prime, prime + 1, 2 * prime)]
    keys += [encode_dh_key(DHKey(4, prime - 2)), encode_dh_key(DHKey(4, 23))]
    good = encode_dh_key(DHKey(4, prime))
    keys += [good[:-1] + b"\3", good[:-1] + b"\0", good[:-1], b""]
    for key in keys:
        assert (await client.send(SessionSetup(4, public_key=key))).rc in (4, 501)
    assert (await client.send(SessionSetup(4, public_key=good))).rc == 1
    await close(client)


# 15: where it goes


async def test_no_address_of_a_request_or_a_record_is_called(stack: Stack, node: Listening) -> None:
    called = asyncio.Event()

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writer.close()

    trap = await asyncio.start_server(note, "127.0.0.1", 0)
    port = trap.sockets[0].getsockname()[1]
    site = own_site([ip_address("127.0.0.1")], port, serial=1)
    away = "20.500.777"
    await stack.record(
        f"{PREFIX}/LURE",
        Value(1, "HS_SITE", site),
        Value(2, "HS_ALIAS", f"{away}/X".encode()),
        Value(3, "HS_SERV", f"{PREFIX}/LURE".encode()),
        admin_value(100, Reference(f"{away}/GROUP", 200)),
    )
    user = Reference(f"{away}/USER", 300)
    client = node.client()
    for asked in (
        Resolution(f"{PREFIX}/LURE", token=f"http://127.0.0.1:{port}/"),
        Resolution(f"{away}/X"),
        VerifyChallenge(user.handle, 300, CHALLENGE.nonce, CHALLENGE.digest, b"\3" + bytes(32)),
        SessionSetup(3, key_handle=user.handle, key_index=300),
        SessionSetup(4, identity=user.handle, identity_index=300, public_key=DH_KEY),
        CreateHandle(f"{PREFIX}/LURED", (Value(1, "HS_SITE", site), Value(2, "HS_ALIAS", f"{away}/X".encode()))),
    ):
        for recursion in (0, 9, 10, 255):
            message = client.message(asked, REQUEST_FLAGS & ~PUBLIC_ONLY, session_id=OWN_ID)
            octets = encode_message(with_header(message, recursion=recursion))
            (answer,) = await client.worker.answers(client.peer, octets)
            assert parse_header(answer[ENVELOPE_OCTETS:]).recursion == recursion
    assert (await client.done(DeleteHandle(f"{PREFIX}/LURE"), user)).rc == 400
    login = await client.send(Login(user.handle, 300), session_id=OWN_ID)
    assert [reply.rc for reply in await client.prove(login, user, key=KEY)] == [403]
    assert not called.is_set()
    trap.close()
    await trap.wait_closed()
    await close(client)


# 17, 20: changes are whole, and keep every octet


async def journal_length(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.api.dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM journal"))
    finally:
        await connection.close()


async def test_a_change_with_one_part_that_cannot_be_leaves_nothing_behind(stack: Stack, node: Listening) -> None:
    name, client = f"{PREFIX}/HALVES", await logged_in(node, SERVICE)
    url, frozen = Value(1, "URL", b"x:1"), Value(2, "URL", b"x:2", permissions=0b1010)
    assert (await client.send(CreateHandle(name, (url, frozen)), session_id=OWN_ID)).rc == 1
    before, stored = await journal_length(stack), (await client.send(Resolution(name), session_id=OWN_ID)).body
    good = Value(7, "URL", b"x:7")
    changes: list[tuple[Request, int, int]] = [
        (AddValue(name, (good, Value(2, "URL", b"x:y"))), 0, 201),
        (AddValue(name, (good, Value(8, "HS_ADMIN", b"?"))), 0, 202),
        (AddValue(name, (good, good)), 0, 201),
        (RemoveValue(name, (1, 2)), 0, 401),
        (RemoveValue(name, (1, 9)), 0, 200),
        (ModifyValue(name, (Value(1, "URL", b"x:y"), Value(9, "URL", b"x:y"))), 0, 200),
        (ModifyValue(name, (Value(1, "URL", b"x:y"), Value(2, "URL", b"x:y"))), codes.OVERWRITE, 401),
        (CreateHandle(name, (good,)), codes.OVERWRITE, 401),
        (DeleteHandle(name), 0, 401),
    ]
    for asked, flags, code in changes:
        assert (await client.send(asked, flags, session_id=OWN_ID)).rc == code, asked
    assert (await client.send(Resolution(name), session_id=OWN_ID)).body == stored
    assert await journal_length(stack) == before
    await close(client)


async def test_what_is_stored_comes_back_octet_for_octet(node: Listening) -> None:
    name, client = f"{PREFIX}/EXACT", await logged_in(node, SERVICE)
    admin = admin_value(4, ADMIN).data
    sent = (
        Value(1, "x.Mixed-Case.轴承", bytes(range(256)), permissions=0b0010, ttl=0),
        Value(2, "URL", b"", permissions=0b1111, ttl=2**32 - 1, ttl_absolute=True),
        Value(3, "EMAIL", b"\r\n a \0", references=(Reference("a/b", 0), Reference("轴/承", 2**31 - 1))),
        Value(4, "HS_ADMIN", admin + b"\0\0"),
        Value(5, "HS_SITE", SITE),
        Value(6, "HS_PUBKEY", b"-----BEGIN PUBLIC KEY-----\r\nnot a key\n"),
        Value(2**31 - 1, "HS_SIGNATURE", b"a.b.c"),
        Value(1_000, "ODD", b"x", ttl_type=77),
    )
    assert (await client.send(CreateHandle(name, sent), session_id=OWN_ID)).rc == 1
    reply = await client.send(Resolution(name), PUBLIC_ONLY, session_id=OWN_ID)
    assert isinstance(reply.body, Resolved)
    kept = {value.index: msgspec.structs.replace(value, timestamp=0) for value in reply.body.values}
    assert kept == {value.index: value for value in sent}
    await close(client)


# 18: one and the others


async def test_a_silent_registry_a_silent_upstream_and_a_silent_peer_stop_nobody_else(stack: Stack) -> None:
    path, asked = stack.directory / "silent-18.sock", asyncio.Event()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await over.wait()
        writer.close()

    over = asyncio.Event()
    upstream = await asyncio.start_server(listen, "127.0.0.1", 0)
    address = upstream.sockets[0].getsockname()[:2]
    async with (
        silent(path) as called,
        listening(stack, calls_socket=path, elsewhere=Upstream(Place(*address), stack.clock)) as node,
    ):
        writes, reads, idle = await logged_in(node), node.client(), await Stream.open(node.port)
        writing = asyncio.create_task(writes.send(DeleteHandle(SEEN), session_id=OWN_ID))
        user = Reference("20.500.888/USER", 300)
        login = await reads.send(Login(user.handle, 300), session_id=OWN_ID)
        proving = asyncio.create_task(reads.prove(login, user, key=KEY))
        idle.send(request(Resolution(SEEN))[:30])
        await called.wait()
        await asked.wait()
        other = node.client()
        for flags in (PUBLIC_ONLY, PUBLIC_ONLY | RETURN_DIGEST):
            assert (await other.send(Resolution(SEEN), flags)).rc == 1
        assert not any(task.done() for task in (writing, proving))
        over.set()
        async with idle:
            assert [reply.rc for reply in await proving] == [403]
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    upstream.close()
    await upstream.wait_closed()


# 19: clocks


@pytest.mark.parametrize("expiration", [0, 1, 1_000_000_000, 0x7FFFFFFF, 0xFFFFFFFF])
async def test_the_expiration_of_a_request_means_nothing(node: Listening, expiration: int) -> None:
    client = node.client()
    cases: list[tuple[Request, int]] = [(Resolution(SEEN), 1), (GetSiteInfo(), 1), (DeleteHandle(SEEN), 402)]
    for asked, code in cases:
        message = client.message(asked, PUBLIC_ONLY)
        octets = encode_message(with_header(message, expiration=expiration))
        (answer,) = await client.worker.answers(client.peer, octets)
        assert check_answer(answer, parse_envelope(octets), octets[ENVELOPE_OCTETS:]).header.rc == code
    await close(client)


async def test_timestamps_of_values_are_ours(node: Listening) -> None:
    name, client = f"{PREFIX}/STAMPED", await logged_in(node, SERVICE)
    sent = tuple(Value(at, "URL", b"x:y", timestamp=stamp) for at, stamp in enumerate((0, 1, 0xFFFFFFFF), 1))
    assert (await client.send(CreateHandle(name, sent), session_id=OWN_ID)).rc == 1
    assert (await client.send(ModifyValue(name, (Value(1, "URL", b"x:z", timestamp=5),)), session_id=OWN_ID)).rc == 1
    reply = await client.send(Resolution(name), PUBLIC_ONLY, session_id=OWN_ID)
    assert isinstance(reply.body, Resolved)
    assert all(abs(value.timestamp - time()) < 60 for value in reply.body.values)
    await close(client)
