"""The fast lane: plain GETs answered straight from the replica, everything else handed to aiohttp.

The lane takes a request only when its whole head is one it knows: `GET` of a Handle made of plain characters, over
HTTP/1.1, under a header block that cannot change the answer. The first request that is anything else hands the
connection over, with the octets already read, to an aiohttp protocol, which answers it and all that follow.
Correctness therefore never depends on the lane; it only has to agree with aiohttp's handlers, and a property test
holds it to that. Benchmark: `make bench`, measure `lookup-cpu`.

Absent here on purpose: any write, any credential, any query parameter, any percent-encoding.
"""

import asyncio
import struct
from collections.abc import Callable
from time import perf_counter, time
from typing import Protocol, cast
from zlib import crc32

import lmdb

from resolver.connection_limits import Connections, Guard
from resolver.counting import Outcome, Source, Tallies
from resolver.faces.handle_answer import GZIP_OCTETS_MIN, AnswerHeads
from resolver.header_memo import BLOCK_OCTETS_MAX, HeaderMemo
from resolver.record import CRC_OCTETS, CRC_RESIDUE, FLAG_WITHDRAWN, JSON_AT, LANE_HEAD
from resolver.replica_reader import ReplicaReader

REQUEST = b"GET /api/handles/"
PLAIN_SUFFIX = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:*+()!,;=@$-"
"""Characters of a suffix that need no decoding, no escaping in JSON, and no second look. No slash: a path with more
than one means more than a name to some intermediaries, and is left to aiohttp."""
SUFFIX_OCTETS_MAX = 200

_REQUEST_OCTETS = len(REQUEST)
ABSENT = (0, 0, b"")
unpack_head = LANE_HEAD.unpack_from
_TOO_LARGE_BODY = b'{"responseCode":4,"message":"The head of the request is too large: send fewer or shorter headers"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json; charset=UTF-8\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(_TOO_LARGE_BODY)
) + _TOO_LARGE_BODY


class InnerProtocol(Protocol):
    """What the lane needs of aiohttp's request handler: an `asyncio.Protocol`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio.Protocol."""

    def data_received(self, data: bytes) -> None:
        """As asyncio.Protocol."""

    def eof_received(self) -> bool | None:
        """As asyncio.Protocol."""

    def pause_writing(self) -> None:
        """As asyncio.Protocol."""

    def resume_writing(self) -> None:
        """As asyncio.Protocol."""

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio.Protocol."""


class Lane:
    """What all connections of one worker share."""

    __slots__ = (
        "_loop",
        "clock_offset",
        "connections",
        "heads",
        "inner",
        "memo",
        "reader",
        "second",
        "tallies",
        "transaction",
    )

    transaction: lmdb.Transaction | None

    def __init__(
        self,
        reader: ReplicaReader | None,
        tallies: Tallies,
        connections: Connections,
        inner: Callable[[], InnerProtocol],
        memo: HeaderMemo,
    ) -> None:
        self.reader = reader
        self.tallies = tallies
        self.connections = connections
        self.inner = inner
        self.memo = memo
        self.heads = AnswerHeads()
        self.transaction = None
        self.second = 0
        self._loop = asyncio.get_running_loop()
        self.set_clock()

    def begin(self, reader: ReplicaReader) -> lmdb.Transaction:
        """Open the transaction that all requests of this turn of the event loop read in; it ends with the turn.

        The turn's wall-clock second, and the heads that show it, are settled here too.
        """
        self.transaction = transaction = reader.begin()
        self._loop.call_soon(self.end)
        self.second = second = int(perf_counter() + self.clock_offset)
        self.heads.turn(second)
        return transaction

    def end(self) -> None:
        """End the turn's transaction now; needed before the reader moves to another generation."""
        if self.transaction is not None:
            self.transaction.abort()
            self.transaction = None

    def set_clock(self) -> None:
        """Take over by how much the wall clock is ahead of the performance counter: a request then reads one clock.

        Call about once a second: that is how late a clock set by the operator is noticed.
        """
        self.clock_offset = time() - perf_counter()


class LaneProtocol(asyncio.Protocol):
    """One connection. Either the lane answers, or `_inner` has taken it over for good."""

    __slots__ = (
        "_generation",
        "_guard",
        "_inner",
        "_lane",
        "_outcome",
        "_pending",
        "_prefix",
        "_source",
        "_transport",
        "_write",
    )

    _guard: Guard
    _transport: asyncio.Transport
    _source: Source
    _write: Callable[[bytes], None]

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._inner: InnerProtocol | None = None
        self._pending = b""
        # A connection usually asks the same kind of thing again: `_source` is where its last lookup was counted.
        self._prefix = ""
        self._outcome = ""
        self._generation = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or close at once when it has too many connections."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._write = self._transport.write
        peer = transport.get_extra_info("peername")
        guard = self._lane.connections.admit(peer[0] if isinstance(peer, tuple) else "local", self._transport)
        if guard is None:
            self._transport.abort()
        else:
            self._guard = guard

    def data_received(self, data: bytes) -> None:
        """Answer every complete plain request in `data`; hand over at the first that is not."""
        if self._inner is not None:
            self._inner.data_received(data)
            return
        if self._pending:
            data, self._pending = self._pending + data, b""
            self._answer_more(data, 0)
            return
        at = self._answer_one(data, 0)
        if at == len(data):
            self._guard.touched = True
        else:
            self._answer_more(data, at)

    def _answer_one(self, data: bytes, at: int) -> int:  # noqa: C901 - the one hot path, kept in one place: a call costs 1 % of it
        """Answer the plain request at `at`; return where it ends, or `at` if it is none. A closing one ends all."""
        started = perf_counter()
        lane = self._lane
        if not data.startswith(REQUEST, at):
            return at
        name_at = at + _REQUEST_OCTETS
        name_end = data.find(b" ", name_at)
        if name_end < 0:
            return at
        end = len(data)
        # Nearly always the rest of `data` is one known header block, so the end of it need not be looked for.
        plain = lane.memo.known.get(data[name_end:]) if end - name_end <= BLOCK_OCTETS_MAX else None
        if plain is None:
            end = data.find(b"\r\n\r\n", name_end) + 4
            if end < name_end or (plain := lane.memo.meaning(data[name_end:end])) is None:
                return at
        name = data[name_at:name_end]
        prefix, _, suffix = name.partition(b"/")
        if suffix.translate(None, PLAIN_SUFFIX) or not 0 < len(suffix) <= SUFFIX_OCTETS_MAX:
            return at
        reader = lane.reader
        if reader is None:
            return at
        try:
            transaction = lane.transaction or lane.begin(reader)
            hosted = reader.hosted.get(prefix) or reader.find_hosted(transaction, prefix)
            if hosted is None:
                return at
            key = hosted.key_head + (suffix.upper() if hosted.fold else suffix)
            octets: bytes | None = transaction.get(key, None, reader.records)  # type: ignore[assignment] # buffers are off
            flags, json_octets, etag = unpack_head(octets) if octets is not None else ABSENT
        except (lmdb.Error, struct.error):
            return at  # the handlers say what is wrong
        outcome: Outcome = "found"
        if octets is None:
            outcome = "absent"
            self._write(lane.heads.not_found(name))
        else:
            json_end = JSON_AT + json_octets
            if (
                crc32(octets[: json_end + CRC_OCTETS]) != CRC_RESIDUE  # the handlers report it
                or flags & FLAG_WITHDRAWN
                or (json_octets > GZIP_OCTETS_MIN and plain.gzip)
            ):
                return at
            self._write(lane.heads.found(name, etag, octets[JSON_AT:json_end]))
        if not plain.keep_alive:
            self._transport.close()
            end = len(data)
        tallies = lane.tallies
        if hosted.prefix is not self._prefix or outcome is not self._outcome or self._generation != tallies.generation:
            self._count_elsewhere(hosted.prefix, outcome)
        tallies.count(self._source, lane.second, int((perf_counter() - started) * 1e6))
        return end

    def _count_elsewhere(self, prefix: str, outcome: Outcome) -> None:
        tallies = self._lane.tallies
        self._source = tallies.source(prefix, self._guard.address, "handle-json", outcome)
        self._prefix = prefix
        self._outcome = outcome
        self._generation = tallies.generation

    def _answer_more(self, data: bytes, at: int) -> None:
        """Go on behind the first request of several, or with what is none."""
        octets = len(data)
        while at < octets and (end := self._answer_one(data, at)) > at:
            at = end
        if at:
            self._guard.head_complete()
        if at < octets:
            self._take_rest(data[at:])
        else:
            self._guard.touched = True

    def _take_rest(self, rest: bytes) -> None:
        """Deal with what the lane does not answer: wait for the rest of a head, refuse one too large, or hand over."""
        if b"\r\n\r\n" in rest or b"\n\n" in rest:
            self._hand_over(rest)
        elif len(rest) > self._lane.connections.limits.head_octets:
            self._transport.write(_TOO_LARGE)
            self._transport.close()
        else:
            self._pending = rest
            self._guard.reading_head()

    def _hand_over(self, data: bytes) -> None:
        inner = self._inner = self._lane.inner()
        self._guard.handed_over()
        inner.connection_made(self._transport)
        inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Let aiohttp decide where it has the connection; else close."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """Take nothing more from a peer that does not read until it does, and not for ever."""
        self._guard.stalled()
        if self._inner is not None:
            self._inner.pause_writing()
        else:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on with a peer that reads again."""
        self._guard.flowing()
        if self._inner is not None:
            self._inner.resume_writing()
        else:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if hasattr(self, "_guard"):  # a refused connection has none
            self._lane.connections.gone(self._guard)
        if self._inner is not None:
            self._inner.connection_lost(exc)
