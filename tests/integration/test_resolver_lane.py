"""The fast lane against aiohttp's own answers: whatever comes, however it is cut, both say the same."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httptools
import pytest
from aiohttp.web import AppRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from identifiers.values import Value
from resolver.connection_limits import ConnectionLimits, Connections
from resolver.counting import Tallies
from resolver.faces.application import make_application
from resolver.faces.client import TrustedProxies
from resolver.faces.desk import Desk
from resolver.faces.health import Health, MetricFiles
from resolver.faces.http_connection import UNREADABLE, HttpConnection
from resolver.header_memo import BLOCKS_MAX, HeaderMemo
from resolver.lane import TURN_OCTETS_MAX, Lane, LaneProtocol
from resolver.metrics import Figures
from resolver.registry_proxy import RegistryProxy
from resolver.replica import ReplicaWriter
from resolver.replica_reader import ReplicaReader
from tests.support import eventually
from tests.unit.replica_states import identifier_change, prefix_change, url

PREFIX = "88.118.8"
LAST = b"GET /api/handles/88.118.8/SN1 HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n"
"""Ends every conversation, so that its answer is complete when the node closes."""

PLAIN = b"GET /api/handles/88.118.8/%b HTTP/1.1\r\nHost: a\r\n%b\r\n"
_TURNS = 12
_PATIENCE_S = 0.5
_COMPARED = {b"content-type", b"content-length", b"etag", b"cache-control", b"vary", b"location", b"connection"}

Protocols = Callable[[], asyncio.Protocol]


@dataclass
class Stand:
    """One application, reached through the lane and directly."""

    writer: ReplicaWriter
    lane: Lane
    lane_tallies: Tallies
    connections: Connections
    through_lane: Protocols
    direct: Protocols


@contextmanager
def _replica(directory: Path, *, hot: bool) -> Iterator[tuple[ReplicaWriter, ReplicaReader]]:
    writer = ReplicaWriter.create_next(directory, "epoch")
    writer.publish()
    names = [f"{PREFIX}/SN{n}" for n in range(1, 4)]
    writer.apply(
        [
            prefix_change(1, PREFIX),
            prefix_change(1, "88.118.9", exact_case=True),
            prefix_change(1, "88.118.10", hosting="routed"),
            *(identifier_change(2, name, url(f"https://example.com/{name}")) for name in names),
            # Their names, as octets of a path, mean other names.
            identifier_change(2, f"{PREFIX}/SN1?index=1", url("https://example.com/asked")),
            identifier_change(2, f"{PREFIX}/SN%31", url("https://example.com/encoded")),
            identifier_change(3, f"{PREFIX}/GONE", state="withdrawn"),
            identifier_change(4, f"{PREFIX}/HIDDEN", Value(1, "NOTE", b"internal", permissions=0b1100)),
            identifier_change(5, f"{PREFIX}/LONG", Value(1, "NOTE", b"x" * 3_000)),
            identifier_change(6, "88.118.9/ab", url("https://example.com/exact"), exact_case=True),
        ]
    )
    if hot:
        writer.keep_hot_table(wanted=True)
        assert writer.hot_table is not None
        while writer.hot_table.tend():  # a busy machine fills it in more than one slice
            pass
        assert writer.hot_table.figures.state == "live"
    reader = ReplicaReader(directory)
    try:
        yield writer, reader
    finally:
        reader.close()
        writer.close()


@asynccontextmanager
async def stand(directory: Path, limits: ConnectionLimits | None = None, *, hot: bool = True) -> AsyncIterator[Stand]:
    with _replica(directory / "replica", hot=hot) as (writer, reader):
        desk = Desk(Tallies())
        desk.serve_from(reader)
        registry = CollectorRegistry()
        async with RegistryProxy(directory / "none.sock", TrustedProxies(), registry) as proxy:
            files = MetricFiles(directory / "metrics")
            health = Health(desk, "worker-0", Figures(registry), files, proxy.writes_possible)
            runner = AppRunner(make_application(desk, health, proxy))
            await runner.setup()
            assert runner.server is not None
            server = partial(HttpConnection, runner.server, idle_s=30.0)
            connections = Connections(limits or ConnectionLimits(), asyncio.get_running_loop().time)
            tallies = Tallies()
            lane = Lane(reader, tallies, connections, server, HeaderMemo())
            prime(lane)
            yield Stand(writer, lane, tallies, connections, lambda: LaneProtocol(lane), server)
            await runner.cleanup()


def prime(lane: Lane) -> None:
    """Let the lane know the headers and prefixes of these tests, as it does after a first request with them."""
    reader = lane.reader
    assert reader is not None
    for octets in KNOWN:
        lane.memo.meaning(octets[octets.index(b" HTTP/1.1") : octets.index(b"\r\n\r\n") + 4])
    transaction = reader.begin()
    for prefix in (b"88.118.8", b"88.118.9", b"88.118.10"):
        reader.find_hosted(transaction, prefix)
    transaction.abort()


async def converse(protocols: Protocols, pieces: Sequence[bytes]) -> tuple[bytes, bool]:
    """Send `pieces` one by one, each read before the next is sent; return what came back, and whether it was closed."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - the socket's own signature
    received = bytearray()
    transport, _ = await loop.connect_accepted_socket(protocols, far)
    try:
        closed = await _exchange(loop, near, pieces, received)
    finally:
        near.close()
        transport.abort()
        await asyncio.sleep(0)
    return bytes(received), closed


async def _exchange(
    loop: asyncio.AbstractEventLoop, near: socket.socket, pieces: Sequence[bytes], received: bytearray
) -> bool:
    try:
        for piece in pieces:
            await loop.sock_sendall(near, piece)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
    except ConnectionError:
        pass  # closed early: what was said before is what counts
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while chunk := await loop.sock_recv(near, 65_536):
                received += chunk
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


def answers_in(octets: bytes) -> list[Answer]:
    """Take a stream of answers apart; a stream that is not one fails the test."""
    found: list[Answer] = []
    while octets:
        head, _, rest = octets.partition(b"\r\n\r\n")
        headers: dict[bytes, bytes] = {}
        parser = httptools.HttpResponseParser(_Headers(headers))
        parser.feed_data(head + b"\r\n\r\n")
        if headers.get(b"transfer-encoding"):
            raise AssertionError("no answer of these faces is chunked")
        length = int(headers.get(b"content-length", b"0"))
        found.append(
            Answer(
                parser.get_status_code(),
                {name: value for name, value in headers.items() if name in _COMPARED},
                rest[:length],
            )
        )
        octets = rest[length:]
    return found


class _Headers:
    def __init__(self, found: dict[bytes, bytes]) -> None:
        self._found = found

    def on_header(self, name: bytes, value: bytes) -> None:
        self._found[name.lower()] = value


async def assert_agreement(both: Stand, stream: bytes, cuts: Sequence[int]) -> list[Answer]:
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if start < end]
    through_lane, lane_closed = await converse(both.through_lane, pieces)
    direct, direct_closed = await converse(both.direct, pieces)
    assert_same(_comparable(answers_in(through_lane)), _comparable(answers_in(direct)), stream)
    assert lane_closed == direct_closed, stream
    return answers_in(through_lane)


def assert_same(through_lane: list[Answer], direct: list[Answer], stream: bytes) -> None:
    """Compare; but aiohttp forgets good requests that were read together with a broken one behind them."""
    if direct and direct[-1] == BROKEN:
        assert through_lane[-1] == BROKEN, stream
        assert through_lane[: len(direct) - 1] == direct[:-1], stream
    else:
        assert through_lane == direct, stream


def _comparable(answers: list[Answer]) -> list[Answer]:
    """Drop what may differ: HTTP/1.1 needs no `Connection: keep-alive`, and closing shows by itself.

    Whether a method that is none is named in the refusal depends on the pieces it came in.
    """
    for answer in answers:
        answer.headers.pop(b"connection", None)
    return [BROKEN if answer.status == 501 else answer for answer in answers]


BROKEN = Answer(
    400,
    {
        b"content-type": b"application/json; charset=UTF-8",
        b"cache-control": b"no-cache",
        b"content-length": b"%d" % len(UNREADABLE),
    },
    UNREADABLE,
)
"""What is said of octets that are no request."""

KNOWN = [
    PLAIN % (b"SN1", b""),
    PLAIN % (b"sn2", b"User-Agent: scanner\r\nAccept: */*\r\n"),
    PLAIN % (b"NOTHING", b""),
    PLAIN % (b"GONE", b""),
    PLAIN % (b"HIDDEN", b""),
    PLAIN % (b"LONG", b"Accept-Encoding: gzip, deflate\r\n"),
    PLAIN % (b"LONG", b""),
    PLAIN % (b"SN1", b"Authorization: Bearer nonsense\r\n"),
    PLAIN % (b"SN1", b'If-None-Match: "x"\r\n'),
    PLAIN % (b"SN1", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    PLAIN % (b"SN1", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    PLAIN % (b"SN1?index=1", b""),
    PLAIN % (b"SN%31", b""),
    PLAIN % (b"SN1/x", b""),
    PLAIN % (b"", b""),
    PLAIN % (b"SN1", b"Content-Length: 5\r\n") + b"hello",
    b"GET /api/handles/88.118.9/ab HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/handles/88.118.9/AB HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/handles/88.118.10/X HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/handles/88.999.1/X HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /api/handles/88.118.8/SN1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS /api/handles/88.118.8/SN1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /88.118.8/SN1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/lookup HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\n"
    + b'{"identifiers":["88.118.8/SN1","x y z"]}'[:39],
]


@pytest.mark.parametrize("hot", [True, False], ids=["hot table", "LMDB only"])
@pytest.mark.parametrize("request_octets", KNOWN, ids=lambda octets: octets.partition(b" HTTP")[0].decode())
async def test_every_kind_of_request_agrees(tmp_path: Path, request_octets: bytes, hot: bool) -> None:  # noqa: FBT001 - a table
    if request_octets.startswith(b"HEAD"):
        request_octets = request_octets.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
        async with stand(tmp_path, hot=hot) as both:
            lane, _ = await converse(both.through_lane, [request_octets])
            direct, _ = await converse(both.direct, [request_octets])
            assert lane.startswith(b"HTTP/1.1 200 OK\r\n")
            assert _comparable_head(lane) == _comparable_head(direct)
        return
    async with stand(tmp_path, hot=hot) as both:
        answers = await assert_agreement(both, request_octets + LAST, [])
        assert answers
        # Alone in its turn, as nearly every request comes, too.
        await assert_agreement(both, request_octets + LAST, [len(request_octets)])


def _comparable_head(octets: bytes) -> list[bytes]:
    return sorted(
        line for line in octets.split(b"\r\n") if line.partition(b":")[0].lower() in _COMPARED | {b"http/1.1"}
    )


@pytest.mark.parametrize("hot", [True, False], ids=["hot table", "LMDB only"])
async def test_a_request_cut_at_every_octet_agrees(tmp_path: Path, hot: bool) -> None:  # noqa: FBT001 - a table
    stream = KNOWN[1] + LAST
    async with stand(tmp_path, hot=hot) as both:
        for cut in range(1, len(stream)):
            answers = await assert_agreement(both, stream, [cut])
            assert [answer.status for answer in answers] == [200, 200], cut


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        answers = await assert_agreement(both, b"".join(PLAIN % (b"SN%d" % n, b"") for n in (1, 2, 3)) + LAST, [])
        assert [answer.body.split(b'"')[5] for answer in answers] == [
            b"88.118.8/SN1",
            b"88.118.8/SN2",
            b"88.118.8/SN3",
            b"88.118.8/SN1",
        ]
        assert both.lane_tallies.outcomes.total() == 4


# The answer to HEAD cannot be told from its head alone, so it is compared in a test of its own.
STREAMED = [octets for octets in KNOWN if not octets.startswith(b"HEAD")]
HOSTILE = st.one_of(
    st.sampled_from(STREAMED),
    st.sampled_from(STREAMED).flatmap(
        lambda octets: st.tuples(st.integers(0, len(octets) - 1), st.binary(max_size=3)).map(
            lambda change: octets[: change[0]] + change[1] + octets[change[0] + 1 :]
        )
    ),
    st.tuples(
        st.sampled_from([b"GET", b"GE", b"get", b"PUT", b"TRACE", b"X"]),
        st.binary(max_size=12).map(lambda name: b"/api/handles/88.118.8/" + name),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9", b""]),
        st.sampled_from([b"", b"Host: a\r\n", b"Host: a\r\nHost: b\r\n", b"Connection: close\r\n", b": x\r\n"]),
    ).map(lambda parts: b" ".join(parts[:3]) + b"\r\n" + parts[3] + b"\r\n"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_and_hostile_streams_agree(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(HOSTILE, min_size=1, max_size=3))) + LAST
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=3)))
    hot = data.draw(st.booleans())

    async def check() -> None:
        async with stand(tmp_path_factory.mktemp("lane"), hot=hot) as both:
            await assert_agreement(both, stream, cuts)
            assert len(both.lane.memo) <= BLOCKS_MAX

    asyncio.run(check())


async def test_a_head_that_never_ends_is_refused(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        endless = b"X: " + b"y" * ConnectionLimits().head_octets
        octets, closed = await converse(both.through_lane, [KNOWN[0].partition(b"Host")[0], endless])
        assert closed
        assert answers_in(octets)[0].status == 431
        assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in octets
        assert b"\r\nDate: " in octets


async def _is_cut_off(both: Stand, sent: bytes, clock: "Clock", after_s: float) -> bool:
    """Send, let `after_s` pass on the clock of the limits, sweep, and tell whether the connection was ended."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - the socket's own signature
    await loop.connect_accepted_socket(both.through_lane, far)
    await loop.sock_sendall(near, sent)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    clock.now += after_s
    cut = both.connections.sweep()
    near.close()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    return cut == 1


class Clock:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def timed_stand(directory: Path) -> AsyncIterator[tuple[Stand, Clock]]:
    async with stand(directory) as both:
        clock = Clock()
        both.connections = both.lane.connections = Connections(ConnectionLimits(), clock)
        yield both, clock


@pytest.mark.parametrize(
    ("sent", "after_s", "ended"),
    [
        (b"", 29.0, False),
        (b"", 31.0, True),
        (b"GET /api/han", 9.0, False),
        (b"GET /api/han", 11.0, True),
        (KNOWN[0], 29.0, False),
        (KNOWN[0] + b"GET /api/han", 11.0, True),
    ],
)
async def test_idle_and_slow_peers_are_cut_off(tmp_path: Path, sent: bytes, after_s: float, ended: bool) -> None:  # noqa: FBT001 - a table
    async with timed_stand(tmp_path) as (both, clock):
        assert await _is_cut_off(both, sent, clock, after_s) is ended


async def test_dribbling_does_not_extend_the_time_for_a_head(tmp_path: Path) -> None:
    async with timed_stand(tmp_path) as (both, clock):
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)  # noqa: FBT003 - the socket's own signature
        await loop.connect_accepted_socket(both.through_lane, far)
        cut = 0
        for octet in b"GET /api/handles":
            await loop.sock_sendall(near, bytes([octet]))
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            clock.now += 1.0
            cut += both.connections.sweep()
            if cut:
                break
        near.close()
        assert cut == 1
        assert clock.now <= 1_000.0 + ConnectionLimits().head_s + 2


async def test_a_peer_that_never_reads_is_cut_off_and_costs_little(tmp_path: Path) -> None:
    async with timed_stand(tmp_path) as (both, clock):
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)  # noqa: FBT003 - the socket's own signature
        transport, _ = await loop.connect_accepted_socket(both.through_lane, far)
        burst = KNOWN[0] * 200
        for _ in range(2_000):
            try:
                near.send(burst)
            except BlockingIOError:
                if not transport.is_reading():
                    break
            await asyncio.sleep(0)
        assert not transport.is_reading()
        assert transport.get_write_buffer_size() < 1 << 20
        clock.now += ConnectionLimits().stall_s + 1
        assert both.connections.sweep() == 1
        near.close()


async def test_an_address_may_not_take_every_connection(tmp_path: Path) -> None:
    async with stand(tmp_path, ConnectionLimits(per_address=3)) as both:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(both.through_lane, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        peers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await peers[3][0].read() == b""
        assert both.connections.refused == 1
        peers[0][1].write(KNOWN[0])
        assert await peers[0][0].readline() == b"HTTP/1.1 200 OK\r\n"
        for _, writer in peers:
            writer.close()
        server.close()


async def test_every_answer_of_the_lane_is_counted_once(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        await converse(both.through_lane, [KNOWN[0], KNOWN[2], KNOWN[1], KNOWN[0] + KNOWN[2] + LAST])
        (entry,) = both.lane_tallies.drain()
        assert entry["prefix"] == PREFIX
        assert sorted((outcome, n) for _, outcome, n in entry["sources"]) == [("absent", 2), ("found", 4)]
        assert entry["faces"] == {"handle-json": 6}
        assert entry["latency"]["count"] == sum(n for _, n in entry["seconds"]) == 6
        assert 0 <= entry["latency"]["min_us"] <= entry["latency"]["max_us"] <= entry["latency"]["sum_us"]


async def test_records_counted_before_and_after_a_drain_are_told_apart(tmp_path: Path) -> None:
    async with stand(tmp_path) as both, connected(both) as peer:
        other = b"GET /api/handles/88.118.9/ab HTTP/1.1\r\nHost: a\r\n\r\n"
        for _ in range(2):
            for request in (KNOWN[0], other, KNOWN[0]):
                assert (await peer.ask(request)).status == 200
            counts = {entry["prefix"]: entry["sources"] for entry in both.lane_tallies.drain()}
            assert counts == {PREFIX: [["local", "found", 2]], "88.118.9": [["local", "found", 1]]}
        assert both.lane_tallies.outcomes.total() == 6


class Peer:
    """A client on a connection of its own."""

    def __init__(self, near: socket.socket, transport: asyncio.Transport) -> None:
        self.near = near
        self.transport = transport

    def send(self, octets: bytes) -> None:
        self.near.sendall(octets)

    async def receive(self) -> bytes:
        """Return what comes next; nothing when the other side has closed."""
        async with asyncio.timeout(5.0):
            return await asyncio.get_running_loop().sock_recv(self.near, 65_536)

    async def ask(self, request: bytes) -> Answer:
        self.send(request)
        (answer,) = answers_in(await self.receive())
        return answer


@asynccontextmanager
async def connected(both: Stand) -> AsyncIterator[Peer]:
    near, far = socket.socketpair()
    near.setblocking(False)  # noqa: FBT003 - the socket's own signature
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(both.through_lane, far)
    try:
        yield Peer(near, transport)
    finally:
        near.close()
        transport.abort()
        await asyncio.sleep(0)


async def test_requests_of_many_connections_in_one_turn_are_each_answered_with_their_own_record(tmp_path: Path) -> None:
    async with stand(tmp_path) as both, AsyncExitStack() as opened:
        peers = [await opened.enter_async_context(connected(both)) for _ in range(12)]
        kinds = [KNOWN[0], KNOWN[1], KNOWN[2], KNOWN[4], KNOWN[6], KNOWN[16]]
        for turn in range(3):
            for number, peer in enumerate(peers):
                peer.send(kinds[(number + turn) % len(kinds)])
            for number, peer in enumerate(peers):
                (answer,) = answers_in(await peer.receive())
                name = kinds[(number + turn) % len(kinds)].split()[1].removeprefix(b"/api/handles/")
                assert b'"handle":"%b"' % name in answer.body
    assert both.lane.waiting == []


async def test_a_half_closing_client_gets_its_answers(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        for requests in (KNOWN[0], KNOWN[0] + KNOWN[1], KNOWN[2]):
            async with connected(both) as peer:
                peer.send(requests)
                peer.near.shutdown(socket.SHUT_WR)
                received = bytearray()
                while chunk := await peer.receive():
                    received += chunk
                assert len(answers_in(bytes(received))) == requests.count(b"GET")


async def test_every_answer_begins_the_time_to_rest_anew(tmp_path: Path) -> None:
    async with timed_stand(tmp_path) as (both, clock), connected(both) as peer:
        for _ in range(3):
            assert (await peer.ask(KNOWN[0])).status == 200
            assert both.connections.sweep() == 0
            clock.now += 20.0
        assert both.connections.sweep() == 0
        clock.now += 20.0
        assert both.connections.sweep() == 1


def protocol_of(both: Stand) -> tuple[LaneProtocol, "Recorder"]:
    """Return a protocol driven by hand, and what it writes to."""
    recorder = Recorder()
    protocol = LaneProtocol(both.lane)
    protocol.connection_made(recorder)
    return protocol, recorder


class Recorder(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ended = False

    def write(self, data: bytes) -> None:  # type: ignore[override] # the lane writes octets
        assert not self.ended, "written to behind its end"
        self.written.append(data)

    def close(self) -> None:
        self.ended = True

    abort = close


async def test_input_waits_for_the_end_of_the_turn_and_is_answered_in_its_order(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        first, first_written = protocol_of(both)
        second, second_written = protocol_of(both)
        first.data_received(KNOWN[0])
        second.data_received(KNOWN[0])
        first.data_received(KNOWN[1][:30])
        first.data_received(KNOWN[1][30:])
        first.data_received(PLAIN % (b"SN3", b""))
        assert not first_written.written
        assert not second_written.written
        await asyncio.sleep(0)
        bodies = [answer.body.split(b'"')[5] for answer in answers_in(b"".join(first_written.written))]
        assert bodies == [b"88.118.8/SN1", b"88.118.8/sn2", b"88.118.8/SN3"]
        assert len(second_written.written) == 1


async def test_the_end_of_input_is_not_heard_before_the_input(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        protocol, recorder = protocol_of(both)
        protocol.data_received(KNOWN[0])
        assert not protocol.eof_received()
        assert len(recorder.written) == 1


async def test_what_was_applied_during_a_turn_is_seen_at_its_end(tmp_path: Path) -> None:
    """A request in two pieces is answered at once; that must not settle what others of the turn read."""
    async with stand(tmp_path) as both:
        pieces, _ = protocol_of(both)
        pieces.data_received(KNOWN[0][:30])
        await asyncio.sleep(0)
        pieces.data_received(KNOWN[0][30:])
        both.writer.apply([identifier_change(50, f"{PREFIX}/LATER", Value(1, "NOTE", b"x" * 2_000))])
        whole, recorder = protocol_of(both)
        whole.data_received(PLAIN % (b"LATER", b""))
        await asyncio.sleep(0)
        assert recorder.written[0].startswith(b"HTTP/1.1 200 OK")


async def test_long_input_is_answered_at_once_behind_what_came_before_it(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        protocol, recorder = protocol_of(both)
        protocol.data_received(KNOWN[0])
        protocol.data_received(KNOWN[1] * (TURN_OCTETS_MAX // len(KNOWN[1]) + 1))
        answers = answers_in(b"".join(recorder.written))
        assert [answer.body.split(b'"')[5] for answer in answers[:2]] == [b"88.118.8/SN1", b"88.118.8/sn2"]
        assert both.lane.waiting == []


async def test_nothing_is_written_to_a_connection_that_was_lost_or_closed_before_the_turns_end(tmp_path: Path) -> None:
    async with stand(tmp_path) as both:
        for ending in (b"", LAST):
            protocol, recorder = protocol_of(both)
            if ending:
                protocol.data_received(ending)
            protocol.data_received(KNOWN[0])
            protocol.data_received(b"POST / HTTP/1.1\r\n\r\n")
            if not ending:
                protocol.connection_lost(None)
            await asyncio.sleep(0)
            assert len(recorder.written) == bool(ending)
            if ending:
                protocol.connection_lost(None)
        assert both.lane_tallies.outcomes.total() == 1
        assert len(both.connections) == 0


async def test_a_defect_met_on_one_connection_ends_that_one_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stand(tmp_path) as both:
        (broken, ended), (sound, written) = protocol_of(both), protocol_of(both)

        def fail(_: bytes) -> None:
            raise RuntimeError("a defect")

        broken.write = fail
        broken.data_received(KNOWN[0])
        sound.data_received(KNOWN[0])
        await asyncio.sleep(0)
        assert ended.ended
        assert len(written.written) == 1
        assert "a defect" in caplog.text


async def test_a_record_of_the_hot_table_is_answered_without_lmdb(tmp_path: Path) -> None:
    async with stand(tmp_path) as both, connected(both) as peer:
        damage_in_lmdb(both, "SN1")
        assert (await peer.ask(KNOWN[0])).status == 200
        assert (await peer.ask(PLAIN % (b"SN1?", b""))).status == 503


def damage_in_lmdb(both: Stand, suffix: str) -> None:
    records = both.writer._databases[b"records"]
    with both.writer._environment.begin(write=True) as transaction:
        key = f"hdl:{PREFIX}/{suffix}".encode()
        octets = transaction.get(key, db=records)
        assert isinstance(octets, bytes)
        transaction.put(key, octets.replace(b"https", b"httqs", 1), db=records)


async def test_a_damaged_entry_is_answered_from_lmdb_and_the_table_filled_anew(tmp_path: Path) -> None:
    async with stand(tmp_path) as both, connected(both) as peer:
        before = await peer.ask(KNOWN[0])
        generation = (tmp_path / "replica" / "current").resolve()
        (data,) = generation.glob("hot-*.data")
        octets = data.read_bytes()
        with data.open("r+b") as file:
            file.seek(octets.index(b"https://example.com/88.118.8/SN1"))
            file.write(b"httqs")
        for _ in range(2):
            answer = await peer.ask(KNOWN[0])
            assert (answer.status, answer.body) == (200, before.body)
        assert [path.stem for path in generation.glob("*.damaged")] == [data.stem]
        table = both.writer.hot_table
        assert table is not None
        await eventually(lambda: not table.tend() and not data.exists())
        damage_in_lmdb(both, "SN1")
        await eventually_answers(peer, KNOWN[0], 200)


async def eventually_answers(peer: Peer, request: bytes, status: int) -> None:
    async def answers() -> bool:
        return (await peer.ask(request)).status == status

    await eventually(answers)


async def test_no_answer_is_older_than_what_was_applied_before_the_request(tmp_path: Path) -> None:
    """Through replacements, withdrawals, and tables that are retired and made anew meanwhile."""
    async with stand(tmp_path) as both:
        for number in range(300):
            kind = number % 4
            values = [
                (url(f"https://e.com/{number}"),),
                (),
                (Value(1, "NOTE", b"x" * 3_000),),
                (url("https://e.com/gone"),),
            ][kind]
            state = "withdrawn" if kind == 3 else "active"
            both.writer.apply([identifier_change(100 + number, f"{PREFIX}/SN1", *values, state=state)])
            if number % 10 == 9:
                both.writer.keep_hot_table(wanted=False)
                both.writer.keep_hot_table(wanted=True)
            if number % 10 == 4:
                assert both.writer.hot_table is not None
                both.writer.hot_table.tend()
            expected = [b"https://e.com/%d" % number, b'"values":[]', b"xxx", b"withdrawn"][kind]
            async with connected(both) as peer:
                assert expected in (await peer.ask(KNOWN[0])).body, number
