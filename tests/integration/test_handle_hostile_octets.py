"""Recorded messages cut, flipped and lied about, sent to a live server of everything: registry, sessions, logins.

Each gets one exact answer or a clean end, and nobody else notices: the next client is answered, and nothing is logged
as a defect. `test_identifiers_handle_wire_damage` does the same with the codec alone.
"""

import asyncio
import logging
import random
import secrets
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from identifiers.handle_wire.answers import Challenge
from identifiers.handle_wire.codes import CONTINUES, MESSAGE_OCTETS_MAX, PUBLIC_ONLY
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, parse_envelope
from identifiers.handle_wire.header import parse_header
from identifiers.handle_wire.message import encode_message
from identifiers.handle_wire.requests import CreateHandle, DeleteHandle, Login, Resolution
from identifiers.handle_wire.sessions import AESCipher
from identifiers.handle_wire.signing import authenticated
from identifiers.handle_wire.tcp import Framed, StreamFramer
from identifiers.handle_wire.udp import Reassembler
from identifiers.values import Value
from resolver.handle.connections import Phase
from resolver.handle.datagrams import READ_OCTETS
from tests.handle_answers import check_answer
from tests.handle_sockets import Listening, close, listening
from tests.handle_stack import ADMIN, PREFIX, Stack, proof_of, running_stack
from tests.integration.handle_worker import Datagrams, Stream, request
from tests.support import eventually
from tests.unit.test_identifiers_handle_wire_damage import LIES, RECORDED, damaged

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEN = request(Resolution(f"{PREFIX}/SEEN"), request_id=0x5EED)
AT_ONCE = 32
OWN_ID = 10_001


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(shared_registry_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listening]:
    async with running_stack(shared_registry_database, tmp_path_factory.mktemp("handle")) as stack:
        await _fill(stack)
        async with listening(stack) as made:
            yield made


async def _fill(stack: Stack) -> None:
    await stack.record(f"{PREFIX}/SEEN", Value(1, "NOTE", b"for all"), Value(2, "PRICE", b"12", permissions=0b1100))


@pytest.fixture(autouse=True)
def no_defects(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def bit_flips(octets: bytes) -> Iterator[bytes]:
    """Flip each bit of the envelope and header, and a bit of each octet behind."""
    for at in range(len(octets)):
        for bit in range(8) if at < 44 else (at % 8,):
            yield octets[:at] + bytes((octets[at] ^ 1 << bit,)) + octets[at + 1 :]


def prefixes(octets: bytes) -> Iterator[bytes]:
    """Cut everywhere: as it is, and with a length that fits what is left."""
    for end in range(len(octets)):
        yield octets[:end]
        if end >= ENVELOPE_OCTETS:
            yield octets[:16] + (end - ENVELOPE_OCTETS).to_bytes(4, "big") + octets[ENVELOPE_OCTETS:end]


def lies(octets: bytes) -> Iterator[bytes]:
    """Write hostile lengths and counts over every four octets."""
    for at in range(12, len(octets) - 3):
        for lie in LIES:
            yield octets[:at] + lie + octets[at + 4 :]


def everything(octets: bytes) -> Iterator[bytes]:
    yield from bit_flips(octets)
    yield from prefixes(octets)
    yield from lies(octets)


def expected(octets: bytes) -> list[tuple[Envelope, bytes, bool]]:
    """Return what a stream of octets asks: envelope, message part, and whether the connection ends after it."""
    framer = StreamFramer()
    framer.feed(octets)
    return [
        (event.envelope, event.part, False) if isinstance(event, Framed) else (event.envelope, b"", event.closes)
        for event in framer.events()
    ]


async def send_over_tcp(node: Listening, octets: bytes) -> None:
    """Send octets and the end of the stream; every message in them is answered, and then the connection ends."""
    async with await Stream.open(node.port) as stream:
        stream.send(octets)
        stream.writer.write_eof()
        answers = await stream.rest()
    at = 0
    for envelope, part, _ in expected(octets):
        more = False
        while True:
            assert at < len(answers), f"no answer to {octets.hex()}"
            end = at + ENVELOPE_OCTETS + parse_envelope(answers, at).length
            message = check_answer(answers[at:end], envelope, part, more=more)
            at, more = end, True
            if not message.header.flags & CONTINUES:
                break
    assert at == len(answers), f"too many answers to {octets.hex()}"


async def send_all_over_tcp(node: Listening, hostile: Iterator[bytes]) -> None:
    """Send each over a connection of its own, some at a time; the next client finds nothing changed."""
    waiting, before = asyncio.Semaphore(AT_ONCE), len(node.watches)

    async def send(octets: bytes) -> None:
        async with waiting:
            try:
                await send_over_tcp(node, octets)
            except Exception as error:
                raise AssertionError(f"after {octets.hex()}") from error

    async with asyncio.TaskGroup() as group:
        for octets in hostile:
            group.create_task(send(octets))
    await eventually(lambda: len(node.watches) <= before)
    await is_well(node)


async def is_well(node: Listening) -> None:
    async with await Stream.open(node.port) as stream:
        check_answer(await stream.ask(SEEN), parse_envelope(SEEN), SEEN[ENVELOPE_OCTETS:])
    with Datagrams(node.port) as datagrams:
        check_answer(await datagrams.ask(SEEN), parse_envelope(SEEN), SEEN[ENVELOPE_OCTETS:])


class DatagramsInTurn:
    """Sends datagrams one by one, and knows which of them the server will answer."""

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self._reassembler = Reassembler()

    async def send(self, octets: bytes) -> None:
        """Send one, and wait for its answer; where there must be none, ask something else, and get that answer next."""
        asked = self._reassembler.feed(("127.0.0.1", 1), octets[:READ_OCTETS], asyncio.get_running_loop().time())
        self._datagrams.send(octets)
        if asked is None:
            self._datagrams.send(SEEN)
            check_answer(await self._datagrams.message(), parse_envelope(SEEN), SEEN[ENVELOPE_OCTETS:])
        else:
            part = asked.part if isinstance(asked, Framed) else b""
            check_answer(await self._datagrams.message(), asked.envelope, part)


def chosen(seed: int, each: int) -> Iterator[bytes]:
    """Choose, for every recorded message, so many of its damages, and as many made of several."""
    rng = random.Random(seed)
    for octets in RECORDED:
        yield from rng.sample(list(everything(octets[:600])), each)
        yield from (damaged(octets, rng) for _ in range(each))


@pytest.mark.parametrize("each", [2, pytest.param(40, marks=pytest.mark.slow)])
async def test_damaged_messages_get_one_answer_or_an_end_over_tcp(node: Listening, each: int) -> None:
    await send_all_over_tcp(node, chosen(each, each))


@pytest.mark.parametrize("each", [2, pytest.param(40, marks=pytest.mark.slow)])
async def test_damaged_messages_get_one_answer_or_none_over_udp(node: Listening, each: int) -> None:
    with Datagrams(node.port) as datagrams:
        in_turn = DatagramsInTurn(datagrams)
        for octets in chosen(each, each):
            await in_turn.send(octets)
    await is_well(node)


async def test_every_beginning_of_a_message_ends_cleanly_wherever_the_peer_stops(node: Listening) -> None:
    asked = request(CreateHandle(f"{PREFIX}/CUT", (Value(1, "URL", b"https://example.com"),)))
    await send_all_over_tcp(node, (SEEN + asked[:end] for end in range(len(asked))))


async def test_no_flipped_bit_of_a_session_s_message_is_taken_for_it(node: Listening) -> None:
    client = node.client()
    await client.set_up_session()
    message = client.message(Resolution(f"{PREFIX}/SEEN"), PUBLIC_ONLY)
    sealed = authenticated(message, client.key or b"", 1)
    cipher = AESCipher(client.key or b"", secrets.token_bytes)
    covered = [at for at in range(ENVELOPE_OCTETS + len(message.content)) if at not in (2, *range(12, 20))]
    clear, encrypted = encode_message(message, sealed), encode_message(message, sealed, cipher)
    async with await Stream.open(node.port) as stream:
        for at in covered:
            assert _rc(await stream.ask(flipped(clear, at))) != 1, at
        for at in (*range(4, 12), *range(ENVELOPE_OCTETS, len(encrypted))):
            assert _rc(await stream.ask(flipped(encrypted, at))) in (500, 502), at
        assert _rc(await stream.ask(clear)) == 1


async def test_no_flipped_bit_of_a_login_logs_anyone_in(node: Listening) -> None:
    codes = set()
    for turn in range(200):
        client = node.client()
        challenged = await client.send(Login(ADMIN.handle, ADMIN.index), session_id=OWN_ID)
        assert isinstance(challenged.body, Challenge)
        octets = encode_message(client.message(proof_of(challenged.body, ADMIN), session_id=OWN_ID))
        at = 44 + turn
        if at >= len(octets) - 4:
            break
        (answer,) = await client.worker.answers(client.peer, flipped(octets, at))
        codes.add(_rc(answer))
        assert (await client.send(DeleteHandle(f"{PREFIX}/NOT-THERE"), session_id=OWN_ID)).rc == 500
        await close(client)
    assert codes <= {3, 4, 102, 403, 404, 406}


async def test_an_announced_length_costs_nothing_until_its_octets_come(node: Listening) -> None:
    envelope = SEEN[:16] + MESSAGE_OCTETS_MAX.to_bytes(4, "big")
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(await Stream.open(node.port)) for _ in range(100)]
        await is_well(node)
        tracemalloc.start()
        try:
            for stream in streams:
                stream.send(envelope)
            with Datagrams(node.port) as datagrams:
                for number in range(100):
                    datagrams.send(envelope[:8] + number.to_bytes(4, "big") + envelope[12:] + bytes(24))
            await eventually(lambda: sum(watch.phase is Phase.MESSAGE for watch in node.watches) == 100)
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()


def flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes((octets[at] ^ 1 << at % 8,)) + octets[at + 1 :]


def _rc(answer: bytes) -> int:
    envelope = parse_envelope(answer)
    assert not envelope.is_encrypted
    return parse_header(answer[ENVELOPE_OCTETS:]).rc
