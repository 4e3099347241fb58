"""The fast lane: plain GETs answered straight from the replica, everything else handed to aiohttp.

What arrives in one turn of the event loop is answered together: requests for records of the hot table in one loop,
other plain requests from LMDB one by one. The lane takes a request only when its whole head is one it knows: `GET` of a
Handle made of plain characters, over HTTP/1.1, under a header block that cannot change the answer. The first request
that is anything else hands the connection over, with the octets already read, to an aiohttp protocol, which answers it
and all that follow. Correctness therefore never depends on the lane; it only has to agree with aiohttp's handlers, and
a property test holds it to that. Benchmark: `make bench`, measure `lookup-cpu`.

Absent here on purpose: any write, any credential, any query parameter, any percent-encoding.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from time import perf_counter, time
from typing import Protocol, cast
from zlib import crc32

import lmdb

from resolver.connection_limits import Connections, Guard
from resolver.counting import Outcome, Source, Tallies
from resolver.faces.handle_answer import GZIP_OCTETS_MIN, LENGTH_LINES, AnswerHeads
from resolver.header_memo import BLOCK_OCTETS_MAX, HeaderMemo
from resolver.hot_table import ETAG_AT, KEY_AT
from resolver.hot_table_reader import Find
from resolver.record import CRC_OCTETS, CRC_RESIDUE, FLAG_WITHDRAWN, JSON_AT, LANE_HEAD
from resolver.replica_reader import Hosted, ReplicaReader

REQUEST = b"GET /api/handles/"
PLAIN_SUFFIX = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:*+()!,;=@$-"
"""Characters of a suffix that need no decoding, no escaping in JSON, and no second look. No slash: a path with more
than one means more than a name to some intermediaries, and is left to aiohttp."""
SUFFIX_OCTETS_MAX = 200
TURN_OCTETS_MAX = 4_096
"""Longer input is not kept for the end of the turn, so that waiting input stays small whatever peers send."""

_REQUEST_OCTETS = len(REQUEST)
ABSENT = (0, 0, b"")
unpack_head = LANE_HEAD.unpack_from


def _find_nothing(_key: bytes) -> None:
    """Stand in for a hot table where there is none."""


_TOO_LARGE_BODY = b'{"responseCode":4,"message":"The head of the request is too large: send fewer or shorter headers"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json; charset=UTF-8\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(_TOO_LARGE_BODY)
) + _TOO_LARGE_BODY

log = logging.getLogger(__name__)


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
        "call_soon",
        "clock_offset",
        "connections",
        "heads",
        "inner",
        "memo",
        "reader",
        "second",
        "tallies",
        "transaction",
        "waiting",
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
        self.waiting: list[tuple[LaneProtocol, bytes]] = []
        self._loop = asyncio.get_running_loop()
        self.call_soon = self._loop.call_soon
        self.set_clock()

    def run(self) -> None:
        """Answer what arrived in this turn of the event loop, in the order of its arrival."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        self.end()  # opened by a request answered earlier: those of now may ask for what was written since
        try:
            find, hosted = self._turn()
        except lmdb.Error:
            find, hosted = _find_nothing, {}  # the handlers say what is wrong
        try:
            self._answer(waiting, find, hosted)
        finally:
            self.end()

    def _turn(self) -> tuple[Find, dict[bytes, Hosted]]:
        if self.reader is None:
            return _find_nothing, {}
        self._begin(self.reader)
        return self.reader.hot_table.turn() or _find_nothing, self.reader.hosted

    def _answer(self, waiting: "list[tuple[LaneProtocol, bytes]]", find: Find, hosted: dict[bytes, Hosted]) -> None:
        """Answer requests for records of the hot table; let each connection take what is anything else.

        A request's time ends where the next one's begins. Against a call for each input, one loop for all of a turn
        saves 1.1 µs of some 12.
        """
        known, hosted_at = self.memo.known.get, hosted.get
        head, lengths, join = self.heads.found_head, LENGTH_LINES, b"".join
        tallies, second = self.tallies, self.second
        started = perf_counter()
        for protocol, data in waiting:
            try:
                write = protocol.write
                name_end = data.find(b" ", _REQUEST_OCTETS)
                plain = known(data[name_end:])
                name = data[_REQUEST_OCTETS:name_end]
                prefix, _, suffix = name.partition(b"/")
                under = hosted_at(prefix)
                if (
                    write is not None
                    and plain is not None
                    and plain.keep_alive
                    and under is not None
                    and data.startswith(REQUEST)
                    # Most suffixes are letters and digits only, which the first question finds out sooner.
                    and (suffix.isalnum() or not suffix.translate(None, PLAIN_SUFFIX))
                    and (entry := find(key := under.key_head + (suffix.upper() if under.fold else suffix))) is not None
                ):
                    json_at = KEY_AT + len(key)
                    length = lengths[len(name) + len(entry) - json_at]
                    write(join((head, entry[ETAG_AT:KEY_AT], length, name, b'","values":', entry[json_at:], b"}")))
                    protocol.guard.touched = True
                    if protocol.counted is not under or protocol.generation != tallies.generation:
                        protocol.count_under(under)
                    ended = perf_counter()
                    tallies.count(protocol.source, second, int((ended - started) * 1e6))
                    started = ended
                else:
                    protocol.take(data)
                    started = perf_counter()
            except Exception:
                # The event loop would do the same for one connection; the others of this turn must not suffer.
                log.exception("a connection of the fast lane was ended by a defect")
                protocol.abort()

    def begin(self, reader: ReplicaReader) -> lmdb.Transaction:
        """Open a transaction for requests outside `run`; it ends with this turn of the event loop."""
        self._loop.call_soon(self.end)
        return self._begin(reader)

    def _begin(self, reader: ReplicaReader) -> lmdb.Transaction:
        """Open the transaction, and settle the wall-clock second and the heads that show it."""
        self.transaction = transaction = reader.begin()
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
    """One connection. Either the lane answers, or `_inner` has taken it over for good.

    `write` is there only while nothing but whole requests has come: then input may wait for the end of the turn.
    """

    __slots__ = (
        "_closed",
        "_inner",
        "_lane",
        "_pending",
        "_transport",
        "counted",
        "generation",
        "guard",
        "source",
        "write",
    )

    _transport: asyncio.Transport
    guard: Guard
    source: Source

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._inner: InnerProtocol | None = None
        self._pending = b""
        self._closed = False
        self.write: Callable[[bytes], None] | None = None
        # A connection usually asks below the same prefix again: `source` is where its last record found was counted.
        self.counted: Hosted | None = None
        self.generation = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or close at once when it has too many connections."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        peer = transport.get_extra_info("peername")
        guard = self._lane.connections.admit(peer[0] if isinstance(peer, tuple) else "local", self._transport)
        if guard is None:
            self.abort()
        else:
            self.guard = guard
            self.write = self._transport.write

    def data_received(self, data: bytes) -> None:
        """Keep input for the end of the turn, or take it at once where the order of this connection asks for it."""
        if self.write is None:
            self.take(data)
            return
        lane = self._lane
        if len(data) > TURN_OCTETS_MAX:
            lane.run()
            self.take(data)
            return
        waiting = lane.waiting
        if not waiting:
            lane.call_soon(lane.run)
        waiting.append((self, data))

    def take(self, data: bytes) -> None:
        """Answer every complete plain request in `data`; hand over at the first that is not."""
        if self._inner is not None:
            self._inner.data_received(data)
        elif self._closed:
            return
        elif self._pending:
            data, self._pending = self._pending + data, b""
            self._answer_more(data, 0)
        else:
            at = self._answer_one(data, 0)
            if at == len(data):
                self.guard.touched = True
            else:
                self._answer_more(data, at)

    def abort(self) -> None:
        """End the connection at once."""
        self._stop()
        self._transport.abort()

    def _stop(self) -> None:
        """Answer nothing more here."""
        self._closed = True
        self.write = None

    def _answer_one(self, data: bytes, at: int) -> int:  # noqa: C901 - the slower way of a hot path, kept in one place
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
        if octets is None:
            self._transport.write(lane.heads.not_found(name))
        else:
            json_end = JSON_AT + json_octets
            if (
                crc32(octets[: json_end + CRC_OCTETS]) != CRC_RESIDUE  # the handlers report it
                or flags & FLAG_WITHDRAWN
                or (json_octets > GZIP_OCTETS_MIN and plain.gzip)
            ):
                return at
            self._transport.write(lane.heads.found(name, etag, octets[JSON_AT:json_end]))
        if not plain.keep_alive:
            self._stop()
            self._transport.close()
            end = len(data)
        outcome: Outcome = "absent" if octets is None else "found"
        source = lane.tallies.source(hosted.prefix, self.guard.address, "handle-json", outcome)
        lane.tallies.count(source, lane.second, int((perf_counter() - started) * 1e6))
        return end

    def count_under(self, hosted: Hosted) -> None:
        """Count records found below another prefix, or after the counts were drained."""
        tallies = self._lane.tallies
        self.source = tallies.source(hosted.prefix, self.guard.address, "handle-json", "found")
        self.counted = hosted
        self.generation = tallies.generation

    def _answer_more(self, data: bytes, at: int) -> None:
        """Go on behind the first request of several, or with what is none."""
        octets = len(data)
        while at < octets and (end := self._answer_one(data, at)) > at:
            at = end
        if at:
            self.guard.head_complete()
        if at < octets:
            self._take_rest(data[at:])
        else:
            self.guard.touched = True
            self.write = None if self._closed else self._transport.write

    def _take_rest(self, rest: bytes) -> None:
        """Deal with what the lane does not answer: wait for the rest of a head, refuse one too large, or hand over."""
        self.write = None
        if b"\r\n\r\n" in rest or b"\n\n" in rest:
            self._hand_over(rest)
        elif len(rest) > self._lane.connections.limits.head_octets:
            self._stop()
            self._transport.write(_TOO_LARGE)
            self._transport.close()
        else:
            self._pending = rest
            self.guard.reading_head()

    def _hand_over(self, data: bytes) -> None:
        inner = self._inner = self._lane.inner()
        self.guard.handed_over()
        inner.connection_made(self._transport)
        inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Answer what came before the end; then let aiohttp decide where it has the connection, else close."""
        self._lane.run()
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """Take nothing more from a peer that does not read until it does, and not for ever."""
        self.guard.stalled()
        if self._inner is not None:
            self._inner.pause_writing()
        else:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on with a peer that reads again."""
        self.guard.flowing()
        if self._inner is not None:
            self._inner.resume_writing()
        else:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        if hasattr(self, "guard"):  # a refused connection has none
            self._lane.connections.gone(self.guard)
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connection_lost(exc)
