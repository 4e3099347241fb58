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
from typing import ClassVar, Protocol, cast
from zlib import crc32

import lmdb

from resolver.connection_limits import Connections, Guard
from resolver.counting import Outcome, Source, Tallies
from resolver.faces.handle_answer import GZIP_OCTETS_MIN, AnswerHeads
from resolver.header_memo import BLOCK_OCTETS_MAX, HeaderMemo
from resolver.hot_table_reader import FindParts, find_nothing
from resolver.record import CRC_OCTETS, CRC_RESIDUE, FLAG_WITHDRAWN, JSON_AT, LANE_HEAD
from resolver.replica_reader import Hosted, ReplicaReader

REQUEST = b"GET /api/handles/"
PLAIN_SUFFIX = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:*+()!,;=@$-"
"""Characters of a suffix that need no decoding, no escaping in JSON, and no second look. No slash: a path with more
than one means more than a name to some intermediaries, and is left to aiohttp."""
SUFFIX_OCTETS_MAX = 200
TURN_OCTETS_MAX = 4_096
"""Longer input is not kept for the end of the turn, so that waiting input stays small whatever peers send."""

HABITS_MAX = 4_096
_REQUEST_OCTETS = len(REQUEST)
_NEVER = bytes(TURN_OCTETS_MAX + 1)
"""What no input that waits for the end of a turn begins with: all of it is shorter."""
ABSENT = (0, 0, b"")
unpack_head = LANE_HEAD.unpack_from


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


class PassesOn(Protocol):
    """Takes what the lane passes on to the registry."""

    def take(self, data: bytes, address: str, *, secure: bool, answered: Callable[[bytes | None], None]) -> bool:
        """Take a whole request, or say that it is none of these.

        `answered` is called in a later turn, with the octets of the answer or, for the handlers to answer, with None.
        """


class Habit:
    """What requests of a client below one prefix have in common, octet for octet, and what it means.

    Such a request is `lead`, the name's suffix, `block`. Until the prefix table changes; then `lead` fits nothing.
    """

    __slots__ = ("block", "fold", "key_head", "lead", "name_head", "prefix", "suffix_at")

    def __init__(self, lead: bytes, block: bytes, hosted: Hosted) -> None:
        self.lead = lead
        self.block = block
        self.suffix_at = slice(len(lead), -len(block))
        self.name_head = lead[_REQUEST_OCTETS:]
        self.key_head = hosted.key_head
        self.fold = hosted.fold
        self.prefix = hosted.prefix


NO_HABIT = Habit(_NEVER, b" ", Hosted("", b"", fold=False))


class Lane:
    """What all connections of one worker share."""

    __slots__ = (
        "_generation",
        "_hosted",
        "_loop",
        "call_soon",
        "clock_offset",
        "connections",
        "habits",
        "heads",
        "inner",
        "memo",
        "passing",
        "reader",
        "second",
        "started",
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
        passing: PassesOn | None = None,
    ) -> None:
        """Without `passing` everything for the registry goes through the handlers."""
        self.passing = passing
        self.reader = reader
        self.tallies = tallies
        self.connections = connections
        self.inner = inner
        self.memo = memo
        self.heads = AnswerHeads()
        self.transaction = None
        self.second = 0
        self.started = 0.0
        self.waiting: list[tuple[LaneProtocol, bytes]] = []
        self.habits: dict[tuple[bytes, bytes], Habit] = {}
        self._hosted: dict[bytes, Hosted] = {}
        self._generation = -1
        self._loop = asyncio.get_running_loop()
        self.call_soon = self._loop.call_soon
        self.set_clock()

    def run(self) -> None:
        """Answer what arrived in this turn of the event loop, in the order of its arrival."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        self.end()  # opened by a request answered earlier: those of now may ask for what was written since
        self.started = perf_counter()
        try:
            find = self._turn()
        except lmdb.Error:
            find = find_nothing  # the handlers say what is wrong
        try:
            self._answer(waiting, find)
        finally:
            self.end()

    def _turn(self) -> FindParts:
        if self.reader is None:
            return find_nothing
        self._begin(self.reader)
        hosted = self.reader.hosted
        if hosted is not self._hosted or self._generation != self.tallies.generation:
            self._break_habits()
            self._hosted, self._generation = hosted, self.tallies.generation
        return self.reader.hot_table.turn() or find_nothing

    def _break_habits(self) -> None:
        """Forget what was learnt of clients: prefixes may have changed, or counts begin anew."""
        for habit in self.habits.values():
            habit.lead = _NEVER
        self.habits = {}

    def _answer(self, waiting: "list[tuple[LaneProtocol, bytes]]", find: FindParts) -> None:
        """Answer requests for records of the hot table; let each connection take what is anything else.

        Answers leave at the end of the turn, so the lookups of one are counted with the time all of it took. Against
        a call for each input, one loop saves 1.1 µs of some 12; counting at its end another 0.4.
        """
        head, join = self.heads.found_head, b"".join
        counted: list[Source] = []
        for protocol, data in waiting:
            try:
                habit = protocol.habit
                if not (data.startswith(habit.lead) and data.endswith(habit.block)):
                    habit = protocol.adopt(self.habit_of(data))
                suffix = data[habit.suffix_at]
                if (
                    # Most suffixes are letters and digits only, which the first question finds out sooner.
                    (suffix.isalnum() or (suffix and not suffix.translate(None, PLAIN_SUFFIX)))
                    and (parts := find(habit.key_head + (suffix.upper() if habit.fold else suffix))) is not None
                ):
                    front, behind = parts
                    protocol.write(join((head, front, habit.name_head, suffix, behind)))
                    protocol.guard.touched = True
                    source = protocol.source
                    if not source.in_turn:
                        counted.append(source)
                    source.in_turn += 1
                else:
                    protocol.take(data)
            except Exception:
                # The event loop would do the same for one connection; the others of this turn must not suffer.
                log.exception("a connection of the fast lane was ended by a defect")
                protocol.abort()
        self.tallies.count_turn(counted, self.second, int((perf_counter() - self.started) * 1e6))

    def habit_of(self, data: bytes) -> Habit:
        """Return what a plain request below a prefix known to be hosted here has in common with others, or NO_HABIT."""
        name_end = data.find(b" ", _REQUEST_OCTETS)
        lead, block = data[: data.find(b"/", _REQUEST_OCTETS, name_end) + 1], data[name_end:]
        habit = self.habits.get((lead, block))
        if habit is not None:
            return habit
        plain = self.memo.known.get(block)
        hosted = self._hosted.get(lead[_REQUEST_OCTETS:-1])
        if plain is None or not plain.keep_alive or hosted is None or not lead.startswith(REQUEST):
            return NO_HABIT
        if len(self.habits) >= HABITS_MAX:
            self._break_habits()
        habit = self.habits[lead, block] = Habit(lead, block, hosted)
        return habit

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

    It is `at_rest` while nothing but whole requests has come: then input may wait for the end of the turn.
    """

    __slots__ = (
        "_closed",
        "_inner",
        "_lane",
        "_passing",
        "_pending",
        "_transport",
        "at_rest",
        "guard",
        "habit",
        "source",
        "write",
    )

    secure: ClassVar = False
    _transport: asyncio.Transport
    guard: Guard
    source: Source
    write: Callable[[bytes], None]

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._inner: InnerProtocol | None = None
        self._pending = b""
        self._closed = False
        self._passing = False
        self.at_rest = False
        # A connection usually asks below the same prefix again: `source` is where its records found are counted.
        self.habit = NO_HABIT

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
            self.at_rest = True

    def data_received(self, data: bytes) -> None:
        """Keep input for the end of the turn, or take it at once where the order of this connection asks for it."""
        lane = self._lane
        if not self.at_rest:
            lane.started = perf_counter()
            self.take(data)
            return
        if len(data) > TURN_OCTETS_MAX:
            lane.run()
            lane.started = perf_counter()
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
        elif self._passing:
            self._pending += data
            self._transport.pause_reading()
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
        self._leave_rest()

    def _leave_rest(self) -> None:
        """Take everything at once from now on."""
        self.at_rest = False
        self.habit = NO_HABIT

    def _answer_one(self, data: bytes, at: int) -> int:  # noqa: C901 - the slower way of a hot path, kept in one place
        """Answer the plain request at `at`; return where it ends, or `at` if it is none. A closing one ends all."""
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
        lane.tallies.count(source, lane.second, int((perf_counter() - lane.started) * 1e6))
        return end

    def adopt(self, habit: Habit) -> Habit:
        """Expect requests of this habit from now on, while nothing but whole ones has come; return it then."""
        if not self.at_rest or habit is NO_HABIT:
            return NO_HABIT
        self.habit = habit
        self.source = self._lane.tallies.source(habit.prefix, self.guard.address, "handle-json", "found")
        return habit

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
            self.at_rest = not self._closed

    def _take_rest(self, rest: bytes) -> None:
        """Deal with what the lane does not answer: wait for the rest of a head, refuse one too large, or hand over."""
        self._leave_rest()
        if b"\r\n\r\n" in rest or b"\n\n" in rest:
            passing = self._lane.passing
            if passing is None or not self._pass_on(rest, passing):
                self._hand_over(rest)
        elif len(rest) > self._lane.connections.limits.head_octets:
            self._stop()
            lane = self._lane
            lane.heads.turn(int(perf_counter() + lane.clock_offset))
            self._transport.write(lane.heads.too_large())
            self._transport.close()
        else:
            self._pending = rest
            self.guard.reading_head()

    def _pass_on(self, request: bytes, passing: PassesOn) -> bool:
        """Pass a whole request on to the registry, if it is one for it; what comes until the answer waits."""
        taken = passing.take(
            request, self.guard.address, secure=self.secure, answered=lambda answer: self._answered(request, answer)
        )
        if taken:
            self._passing = True
            self._leave_rest()
            self.guard.passed_on()
        return taken

    def _answered(self, request: bytes, answer: bytes | None) -> None:
        """Send the registry's answer and go on; without one the handlers answer from here."""
        self._passing = False
        pending, self._pending = self._pending, b""
        if self._closed or self._transport.is_closing():
            return
        if pending:
            self._transport.resume_reading()
        if answer is None:
            self._hand_over(request + pending)
            return
        self._transport.write(answer)
        self.guard.answered()
        if pending:
            self._lane.started = perf_counter()
            self._answer_more(pending, 0)
        else:
            self.at_rest = not self._closed

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
