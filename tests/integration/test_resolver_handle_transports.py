"""How the Handle protocol travels: slices, pipelines, half-closed connections, datagrams in pieces and in floods."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from identifiers.handle_wire.answers import Failure, Names, Resolved
from identifiers.handle_wire.codes import (
    CERTIFY,
    CONTINUES,
    ENCRYPT,
    ENCRYPTED,
    KEEP_CONNECTION,
    MINT_SUFFIX,
    REQUEST_FLAGS,
    RETURN_DIGEST,
)
from identifiers.handle_wire.requests import CreateHandle, DeleteHandle, GetSiteInfo, ListHandles, Login, Resolution
from identifiers.handle_wire.udp import packets
from identifiers.handle_wire.versions import Version
from resolver.handle.answering import NoAuthentication
from resolver.handle.exchange import Answer, Peer, Request, error
from resolver.handle.limits import HandleLimits
from resolver.handle.server_key import ensure_server_key
from tests.integration.handle_worker import (
    ENVELOPE,
    GENEROUS,
    Datagrams,
    Stream,
    decoded,
    handle_worker,
    request,
)
from tests.integration.running_worker import PREFIX, Worker, examples, fill
from tests.support import eventually

NO_VERSION = Version(0, 0)
SN1 = request(Resolution(f"{PREFIX}/SN1"))


def numbered(number: int, flags: int = REQUEST_FLAGS) -> bytes:
    return request(Resolution(f"{PREFIX}/SN1"), request_id=number, flags=flags)


def id_of(answer: bytes) -> int:
    return int(struct.unpack_from(">I", answer, 8)[0])


def rc_of(answer: bytes) -> int:
    return int(struct.unpack_from(">I", answer, ENVELOPE + 4)[0])


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    fill(tmp_path / "replica", examples()).close()
    return tmp_path


@pytest.fixture
async def worker(replica: Path) -> AsyncIterator[Worker]:
    async with handle_worker(replica) as running:
        yield running


async def test_a_request_in_slices_of_one_octet_is_answered(worker: Worker) -> None:
    async with await Stream.open(worker.handle_port) as stream:
        for at in range(len(SN1)):
            stream.send(SN1[at : at + 1])
            await stream.writer.drain()
            await asyncio.sleep(0)
        assert rc_of(await stream.message()) == 1


@pytest.mark.parametrize("flags", [REQUEST_FLAGS, REQUEST_FLAGS | RETURN_DIGEST])
async def test_pipelined_requests_are_answered_in_their_order_whatever_their_ids(worker: Worker, flags: int) -> None:
    ids = [3, 2, 2, *range(100, 160), 1]
    async with await Stream.open(worker.handle_port) as stream:
        stream.send(*[numbered(number, flags) for number in ids])
        assert [id_of(await stream.message()) for _ in ids] == ids


async def test_plain_and_unusual_requests_keep_their_order_in_any_slices(worker: Worker) -> None:
    chance = random.Random(7)
    asked = [
        numbered(1),
        numbered(2, REQUEST_FLAGS | RETURN_DIGEST),
        request(GetSiteInfo(), request_id=3),
        numbered(4),
        request(DeleteHandle(f"{PREFIX}/SN1"), request_id=5),
        numbered(6),
    ] * 20
    octets = b"".join(asked)
    async with await Stream.open(worker.handle_port) as stream:
        at = 0
        while at < len(octets):
            size = chance.randint(1, 400)
            stream.send(octets[at : at + size])
            await stream.writer.drain()
            await asyncio.sleep(0)
            at += size
        assert [id_of(await stream.message()) for _ in asked] == [id_of(one) for one in asked]


async def test_a_client_that_suggests_no_version_reads_to_the_end(worker: Worker) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1"), version=Version(2, 1), suggested=NO_VERSION)
    async with await Stream.open(worker.handle_port) as stream:
        stream.send(octets)
        answer = await stream.rest()
    assert rc_of(answer) == 1
    assert (answer[:2], len(answer)) == (b"\x02\x01", ENVELOPE + int.from_bytes(answer[16:20], "big"))


async def test_keep_connection_keeps_it_for_such_a_client_too(worker: Worker) -> None:
    flags = REQUEST_FLAGS | KEEP_CONNECTION
    octets = request(Resolution(f"{PREFIX}/SN1"), version=Version(2, 1), suggested=NO_VERSION, flags=flags)
    async with await Stream.open(worker.handle_port) as stream:
        for _ in range(3):
            message, _ = decoded(await stream.ask(octets))
            assert message.header.flags & KEEP_CONNECTION


async def test_what_came_before_a_closing_answer_is_answered_first(worker: Worker) -> None:
    last = request(Resolution(f"{PREFIX}/SN1"), request_id=3, version=Version(2, 1), suggested=NO_VERSION)
    async with await Stream.open(worker.handle_port) as stream:
        stream.send(numbered(1), numbered(2), last, numbered(4))
        answers = await stream.rest()
    ids = []
    while answers:
        ids.append(id_of(answers))
        answers = answers[ENVELOPE + int.from_bytes(answers[16:20], "big") :]
    assert ids == [1, 2, 3, 4]


async def test_a_peer_that_ends_its_side_still_gets_every_answer(worker: Worker) -> None:
    async with await Stream.open(worker.handle_port) as stream:
        stream.send(numbered(1), numbered(2, REQUEST_FLAGS | RETURN_DIGEST), numbered(3), SN1[:30])
        stream.writer.write_eof()
        assert [id_of(await stream.message()) for _ in range(3)] == [1, 2, 3]
        assert await stream.rest() == b""


@pytest.mark.parametrize(
    ("octets", "rc", "request_id", "closes"),
    [
        ("020b020b000000000000004d000000000000000a00000000000000000000", 4, 77, False),
        ("020b020b000000000000004f000000008000000078", 4, 79, True),
        ("020b020b0000000000000050000000000004000178", 4, 80, True),
        ("000b020b00000000000000510000000000000018" + "00" * 24, 4, 81, False),
        ("020b820b00000000000000520000000000000018" + "00" * 24, 4, 82, False),
        ("020b020b00000000000000530000000000000018" + "00000000" * 6, 4, 83, False),
    ],
)
async def test_what_cannot_be_decoded_is_refused_with_its_own_id(
    worker: Worker, *, octets: str, rc: int, request_id: int, closes: bool
) -> None:
    async with await Stream.open(worker.handle_port) as stream:
        answer = await stream.ask(bytes.fromhex(octets))
        assert (rc_of(answer), id_of(answer)) == (rc, request_id)
        if closes:
            assert await stream.rest() == b""
        else:
            assert rc_of(await stream.ask(SN1)) == 1


@pytest.mark.parametrize("op", [402, 999, 1000, 1004, 2000])
async def test_unknown_operations_are_5_with_their_own_numbers_and_the_connection_stays(
    worker: Worker, op: int
) -> None:
    octets = request(GetSiteInfo(), request_id=9)
    octets = octets[:ENVELOPE] + op.to_bytes(4, "big") + octets[ENVELOPE + 4 :]
    async with await Stream.open(worker.handle_port) as stream:
        message, _ = decoded(await stream.ask(octets))
        assert (message.header.op, message.header.rc, message.envelope.request_id) == (op, 5, 9)
        assert rc_of(await stream.ask(SN1)) == 1


async def test_an_answer_never_repeats_flags_of_the_envelope_nor_a_made_up_session_differently(worker: Worker) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1"), session_id=10_001)
    async with await Stream.open(worker.handle_port) as stream:
        message, answer = decoded(await stream.ask(octets))
        assert (message.header.rc, message.envelope.flags, message.envelope.session_id) == (1, 0, 10_001)
        assert isinstance(answer.body, Resolved)
        assert rc_of(await stream.ask(octets[:2] + b"\x42" + octets[3:])) == 500


async def test_a_peer_that_reads_nothing_is_not_read_and_others_go_on(replica: Path) -> None:
    limits = HandleLimits(stall_s=1.0)
    async with handle_worker(replica, limits) as worker, await Stream.open(worker.handle_port, limit=1_024) as slow:
        huge = request(Resolution(f"{PREFIX}/HUGE"))
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport for reading, too
        slow.send(huge * 200)
        async with await Stream.open(worker.handle_port) as other:
            assert rc_of(await other.ask(SN1)) == 1

        async def cut_off() -> bool:
            body = (await worker.ask("/metrics"))[2].decode()
            return 'idnode_handle_connections_cut_off_total{process="worker-0",phase="stalled"} 1.0' in body

        await eventually(cut_off, 15.0)


async def test_all_answers_reach_a_peer_that_reads_slowly(worker: Worker) -> None:
    async with await Stream.open(worker.handle_port, limit=1_024) as stream:
        huge = request(Resolution(f"{PREFIX}/HUGE"))
        stream.send(huge * 60)
        await asyncio.sleep(0)
        for _ in range(60):
            assert len(await stream.message()) > 100_000


async def test_beyond_its_number_the_longest_idle_connection_of_an_address_goes(replica: Path) -> None:
    async with handle_worker(replica, HandleLimits(per_address=2)) as worker:
        first, second = await Stream.open(worker.handle_port), await Stream.open(worker.handle_port)
        for stream in (first, second):
            await stream.ask(SN1)
        third = await Stream.open(worker.handle_port)
        assert rc_of(await third.ask(SN1)) == 1
        assert await first.rest() == b""
        assert rc_of(await second.ask(SN1)) == 1
        for stream in (first, second, third):
            stream.writer.close()


async def test_a_begun_message_must_come_in_time(replica: Path) -> None:
    async with handle_worker(replica, HandleLimits(first_message_s=0.2)) as worker:
        stream = await Stream.open(worker.handle_port)
        stream.send(SN1[:30])
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await stream.message()
        stream.writer.close()


class _Gated(NoAuthentication):
    """Answers operation 101 when the gate is opened."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.in_hand = 0
        self.handlers = {101: self._answer}

    async def _answer(self, request: Request) -> Answer:
        assert request.op == 101
        self.in_hand += 1
        await self.gate.wait()
        return error(100)


@pytest.fixture
async def gated(monkeypatch: pytest.MonkeyPatch) -> _Gated:
    authentication = _Gated()
    monkeypatch.setattr("resolver.handle.server.NoAuthentication", lambda: authentication)
    return authentication


async def test_answers_wait_for_those_before_them_and_the_33rd_request_is_not_read(
    replica: Path, gated: _Gated
) -> None:
    async with handle_worker(replica) as worker, await Stream.open(worker.handle_port) as stream:
        stream.send(request(DeleteHandle("a/b"), request_id=1))
        await eventually(lambda: gated.in_hand)
        filler = request(Resolution(f"{PREFIX}/SN1", types=("x" * 8_000,)), request_id=2)
        stream.send(filler * 4_000)
        # What is not read stays here: the worker, the kernel, and then our own buffer are full.
        await eventually(lambda: stream.writer.transport.get_write_buffer_size() > 1_000_000)
        assert gated.in_hand == 1
        gated.gate.set()
        assert [id_of(await stream.message()) for _ in range(40)] == [1, *[2] * 39]


async def test_sigterm_lets_requests_in_hand_be_answered(replica: Path, gated: _Gated) -> None:
    async with handle_worker(replica) as worker:
        stream = await Stream.open(worker.handle_port)
        stream.send(request(DeleteHandle("a/b"), request_id=1), numbered(2))
        await eventually(lambda: gated.in_hand)
        worker.stop.set()
        gated.gate.set()
        assert [id_of(await stream.message()) for _ in range(2)] == [1, 2]
        assert await stream.rest() == b""
        stream.writer.close()


async def test_what_is_not_done_at_the_end_is_answered_with_an_error(replica: Path, gated: _Gated) -> None:
    async with handle_worker(replica, drain_s=0.2) as worker:
        stream = await Stream.open(worker.handle_port)
        stream.send(request(DeleteHandle("a/b"), request_id=1), numbered(2))
        await eventually(lambda: gated.in_hand)
        worker.stop.set()
        answers = [await stream.message() for _ in range(2)]
        assert [(id_of(answer), rc_of(answer)) for answer in answers] == [(1, 3), (2, 3)]
        stream.writer.close()


async def test_a_long_answer_comes_in_packets_of_512_octets_that_say_so(worker: Worker) -> None:
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(request(Resolution(f"{PREFIX}/LARGE")))
        message, parts = await datagrams.message_and_packets()
    assert len(parts) == 7
    assert all(len(part) == 512 for part in parts[:-1])
    assert all(part[2] & 0x20 for part in parts)
    assert [part[12:16] for part in parts] == [number.to_bytes(4, "big") for number in range(7)]
    _, answer = decoded(message)
    assert isinstance(answer.body, Resolved)
    assert answer.body.values[0].data == b"x" * 3_000


async def test_packets_of_a_request_come_in_any_order_and_more_than_once(worker: Worker) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1", types=("URL", "x" * 2_000)))
    pieces = packets(octets)
    assert len(pieces) == 5
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(*reversed(pieces[1:]), *pieces[1:], pieces[0])
        _, answer = decoded(await datagrams.message())
        assert isinstance(answer.body, Resolved)


async def test_without_one_of_its_packets_a_request_is_not_answered_until_it_is_repeated(worker: Worker) -> None:
    pieces = packets(request(Resolution(f"{PREFIX}/SN1", types=("URL", "x" * 1_000)), request_id=1))
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(pieces[0], pieces[2], numbered(2))
        assert id_of(await datagrams.message()) == 2
        datagrams.send(*pieces)
        assert id_of(await datagrams.message()) == 1


@pytest.mark.parametrize("asked", [CreateHandle("a/b", ()), DeleteHandle("a/b"), Login("a/b", 300)])
async def test_over_udp_administration_is_sent_to_tcp(
    worker: Worker, asked: CreateHandle | DeleteHandle | Login
) -> None:
    with Datagrams(worker.handle_port) as datagrams:
        answer = await datagrams.ask(request(asked, request_id=5, flags=REQUEST_FLAGS | MINT_SUFFIX))
    message, _ = decoded(answer)
    assert (message.header.op, message.header.rc, message.envelope.request_id) == (asked.op, 2, 5)
    assert len(answer) == 52


async def test_over_udp_answers_above_4096_octets_are_sent_to_tcp(worker: Worker) -> None:
    with Datagrams(worker.handle_port) as datagrams:
        for flags in (REQUEST_FLAGS, REQUEST_FLAGS | RETURN_DIGEST):
            answer = await datagrams.ask(request(Resolution(f"{PREFIX}/HUGE"), flags=flags))
            assert rc_of(answer) == 2
            assert len(answer) < 100


async def test_over_udp_garbage_and_answers_are_not_answered(worker: Worker) -> None:
    answer = bytearray(numbered(1))
    answer[ENVELOPE + 7] = 1
    with Datagrams(worker.handle_port) as datagrams:
        datagrams.send(b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", SN1[:43], bytes(answer), numbered(2))
        assert id_of(await datagrams.message()) == 2


async def test_over_udp_ports_of_other_services_are_not_answered(worker: Worker) -> None:
    with _low_port(worker.handle_port) as low, Datagrams(worker.handle_port) as datagrams:
        low.send(SN1)
        await datagrams.ask(SN1)
        with pytest.raises(BlockingIOError):
            low.socket.recv(1_000)


def _low_port(port: int) -> Datagrams:
    for source in range(900, 1_000):
        try:
            return Datagrams(port, source)
        except PermissionError:
            pytest.skip("this user may not use ports below 1024")
        except OSError:
            continue
    pytest.skip("no port below 1024 is free")


async def test_above_its_rate_a_source_is_sent_to_tcp_and_above_that_not_answered(replica: Path) -> None:
    limits = HandleLimits(answers_per_source=10, octets_per_source=GENEROUS.octets_per_source)
    async with handle_worker(replica, limits) as worker:
        with Datagrams(worker.handle_port) as datagrams:
            datagrams.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            datagrams.send(*[numbered(number) for number in range(100)])
            codes = [rc_of(await datagrams.message()) for _ in range(40)]
            assert sorted(codes) == [1] * 20 + [2] * 20
            body = (await worker.ask("/metrics"))[2].decode()
            assert 'idnode_handle_datagrams_total{process="worker-0",end="to_tcp"}' in body


async def test_every_answer_expires_in_twelve_hours_by_our_clock(worker: Worker) -> None:
    async with await Stream.open(worker.handle_port) as stream:
        for octets in (SN1, numbered(1, REQUEST_FLAGS | RETURN_DIGEST)):
            message, _ = decoded(await stream.ask(octets))
            assert abs(message.header.expiration - 43_200 - time.time()) < 60


class _Parts(NoAuthentication):
    """Answers operation 105 in three parts, the last of which may be missing, and 101 with a defect."""

    def __init__(self) -> None:
        self.breaks = False
        self.handlers = {105: self._list, 101: self._fail}

    async def _list(self, request: Request) -> AsyncIterator[Answer]:  # noqa: ARG002 - a handler of the server
        async def parts() -> AsyncIterator[Answer]:
            for number in range(3):
                if self.breaks and number == 2:
                    raise ValueError("the rest is missing")
                yield Answer(1, Names((f"a/{number}",)), more=number < 2)

        return parts()

    async def _fail(self, request: Request) -> Answer:  # noqa: ARG002 - as above
        raise ValueError("a defect")


@pytest.fixture
async def listing(monkeypatch: pytest.MonkeyPatch) -> _Parts:
    authentication = _Parts()
    monkeypatch.setattr("resolver.handle.server.NoAuthentication", lambda: authentication)
    return authentication


async def test_the_parts_of_a_list_come_one_after_the_other_with_nothing_between(
    replica: Path, listing: _Parts
) -> None:
    async with handle_worker(replica) as worker, await Stream.open(worker.handle_port) as stream:
        stream.send(request(ListHandles("a"), request_id=5, flags=REQUEST_FLAGS | RETURN_DIGEST), numbered(6))
        parts = [decoded(await stream.message()) for _ in range(3)]
        assert [message.envelope.request_id for message, _ in parts] == [5, 5, 5]
        assert [bool(message.header.flags & CONTINUES) for message, _ in parts] == [True, True, False]
        assert [message.envelope.sequence for message, _ in parts] == [0, 0, 0]
        assert len({answer.digest for _, answer in parts}) == 1
        assert id_of(await stream.message()) == 6


async def test_a_list_that_breaks_off_ends_with_its_error_and_the_connection(
    replica: Path, listing: _Parts, caplog: pytest.LogCaptureFixture
) -> None:
    listing.breaks = True
    async with handle_worker(replica) as worker, await Stream.open(worker.handle_port) as stream:
        stream.send(request(ListHandles("a")))
        messages = [decoded(await stream.message())[0] for _ in range(3)]
        assert [message.header.rc for message in messages] == [1, 1, 2]
        assert not messages[-1].header.flags & CONTINUES
        assert await stream.rest() == b""
    assert "by a defect" in caplog.text


async def test_a_defect_is_answered_with_an_error_under_the_numbers_of_the_request(
    replica: Path, listing: _Parts, caplog: pytest.LogCaptureFixture
) -> None:
    async with handle_worker(replica) as worker, await Stream.open(worker.handle_port) as stream:
        message, answer = decoded(await stream.ask(request(DeleteHandle("a/b"), request_id=8, session_id=9)))
        assert (message.header.op, message.header.rc) == (101, 2)
        assert (message.envelope.request_id, message.envelope.session_id) == (8, 9)
        assert answer.body == Failure("Internal error")
        assert rc_of(await stream.ask(SN1)) == 1
    assert "a defect" in caplog.text


async def test_without_a_key_what_must_be_signed_is_refused_and_not_sent_unsigned(worker: Worker) -> None:
    octets = request(Resolution(f"{PREFIX}/SN1"), flags=REQUEST_FLAGS | CERTIFY)
    async with await Stream.open(worker.handle_port) as stream:
        message, _ = decoded(await stream.ask(octets))
    assert (message.header.rc, message.header.flags & CERTIFY, message.credential) == (5, 0, None)


async def test_signed_answers_over_udp_are_few_and_the_others_sent_to_tcp(replica: Path) -> None:
    ensure_server_key(replica / "key.pem")
    limits = replace(GENEROUS, signed_per_source=2)
    octets = request(Resolution(f"{PREFIX}/SN1"), flags=REQUEST_FLAGS | CERTIFY)
    async with handle_worker(replica, limits, key_file=replica / "key.pem") as worker:
        with Datagrams(worker.handle_port) as datagrams:
            codes = [rc_of(await datagrams.ask(octets)) for _ in range(3)]
        async with await Stream.open(worker.handle_port) as stream:
            assert [rc_of(await stream.ask(octets)) for _ in range(3)] == [1, 1, 1]
    assert codes == [1, 1, 2]


async def test_over_udp_what_is_refused_gets_no_text(worker: Worker) -> None:
    octets = bytearray(numbered(6))
    octets[0] = 9
    with Datagrams(worker.handle_port) as datagrams:
        answer = await datagrams.ask(bytes(octets))
    assert (rc_of(answer), id_of(answer), len(answer)) == (4, 6, 52)


class _Failing(NoAuthentication):
    """Cannot find the key of a session."""

    async def cipher(self, peer: Peer, session_id: int) -> None:  # noqa: ARG002 - as the server asks
        raise ValueError("a defect")


async def test_a_defect_in_front_of_a_request_is_answered_too_and_the_connection_goes_on(
    replica: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("resolver.handle.server.NoAuthentication", _Failing)
    encrypted = SN1[:2] + bytes((SN1[2] | ENCRYPTED,)) + SN1[3:]
    async with handle_worker(replica) as worker:
        async with await Stream.open(worker.handle_port) as stream:
            answer = await stream.ask(encrypted)
            message, _ = decoded(answer)
            assert (message.header.op, message.header.rc, message.envelope.request_id) == (0, 2, 7)
            assert rc_of(await stream.ask(SN1)) == 1
        with Datagrams(worker.handle_port) as datagrams:
            assert rc_of(await datagrams.ask(encrypted)) == 2
    assert "by a defect" in caplog.text


async def test_over_udp_a_session_s_request_is_sent_to_tcp_like_any_other(worker: Worker) -> None:
    with Datagrams(worker.handle_port) as datagrams:
        for flags in (REQUEST_FLAGS, REQUEST_FLAGS | ENCRYPT | CERTIFY):
            answer = await datagrams.ask(request(DeleteHandle("a/b"), session_id=77, flags=flags))
            message, _ = decoded(answer)
            assert (message.header.rc, message.envelope.session_id, len(answer)) == (2, 77, 52)
