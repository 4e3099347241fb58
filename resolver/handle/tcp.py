"""The Handle protocol over TCP: messages one behind the other, answered in the order of their arrival (19.2).

What arrives in one turn of the event loop is answered together, plain resolutions on the fast path. The first message
that is anything else takes the connection to a queue of at most `pipeline` messages, worked on one after the other.
A connection is closed by ending our side first, so that no answer is lost with what the peer has sent since.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple, cast

from identifiers.handle_wire.codes import KEEP_CONNECTION, Op, ResponseCode
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import HEADER_OCTETS, parse_header
from identifiers.handle_wire.quick import quick_resolution
from identifiers.handle_wire.tcp import Framed, StreamFramer, keeps_connection
from identifiers.octets import WireError
from resolver.handle.connections import Phase, Watch
from resolver.handle.dispatch import Reply
from resolver.handle.exchange import Peer
from resolver.handle.lane import Counted
from resolver.handle.limits import CLOSING_S
from resolver.handle.tcp_face import TcpFace

SUCCESS: Final = 1
TURN_OCTETS_MAX: Final = 8_192
"""Longer input is not kept for the end of the turn, so that waiting input stays small whatever peers send."""
LOGIN_ANSWER_S: Final = 9.0
"""Clients wait ten seconds for the answers of their login, and take a later one for that of the next request (20.4)."""

log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    """A message in hand. `started` is for its time, `came` for how long its answer is of use; see TcpFace.ticks."""

    envelope: Envelope
    part: bytes
    started: float
    came: float


class TcpConnection(asyncio.Protocol):
    """One connection. `write` is there only while nothing but plain resolutions has come, and all are answered."""

    def __init__(self, face: TcpFace) -> None:
        self._face = face
        self._framer = StreamFramer()
        self.write: Callable[[bytes], None] | None = None
        self._queue: deque[_Waiting | Reply] = deque()
        self._task: asyncio.Task[None] | None = None
        self._blocked = self._ends = self._finished = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self.watch: Watch
        self._admitted = False
        self._peer: Peer
        self.counted: Counted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or close at once when there is no room for it."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        peername = transport.get_extra_info("peername")
        address = peername[0] if isinstance(peername, tuple) else "local"
        self._peer = Peer("tcp", address)
        self.counted = Counted(address, "handle_tcp")
        self._face.run()  # or a request that waits for the end of the turn could be closed as a resting connection
        watch = self._face.connections.admit(address, self._transport)
        if watch is None:
            self.abort()
        else:
            self.watch, self._admitted = watch, True
            self._face.open.add(self)
            self.write = self._transport.write

    def data_received(self, data: bytes) -> None:
        """Keep input for the end of the turn, or take it at once where it may be much."""
        if self._finished:
            return
        face = self._face
        if len(data) > TURN_OCTETS_MAX:
            face.run()
            self.take(data, int(face.clock()))
            return
        waiting = face.waiting
        if not waiting:
            face.call_soon(face.run)
        waiting.append((self, data))

    def take(self, data: bytes, now_s: int) -> None:
        """Answer what is plain, and hand the rest to the queue."""
        at = 0 if self.write is None else self._answer_plain(data, now_s, self.write)
        if at < len(data) and not self._finished:
            self.write = None
            self._framer.feed(data[at:] if at else data)
            self._pump()

    def _answer_plain(self, data: bytes, now_s: int, write: Callable[[bytes], None]) -> int:
        """Answer plain resolutions; return where the first octet is that is none of theirs."""
        face, lane = self._face, self._face.lane
        at, octets = 0, len(data)
        started = perf_counter()
        while at < octets and not self._blocked:
            quick = quick_resolution(data, at)
            if quick is None or not quick[7] or (seen := lane.see(quick)) is None:
                break
            if not at:
                lane.learn(data, quick)
            if seen.rc == SUCCESS:
                write(lane.writer.found(quick, seen.values, now_s))
            else:
                write(lane.writer.failed(quick, seen.rc, now_s))
            ended = perf_counter()
            face.tallies.count(self.counted.seen(face.tallies, seen), now_s, int((ended - started) * 1e6))
            started, at = ended, quick[8]
        if at:
            self.watch.touched = True
        return at

    def _pump(self) -> None:
        """Take messages out of the stream while there is room for them in hand."""
        if not self._blocked:
            self._take_events()
        if self._finished:
            return
        if self._queue:
            self._face.connections.enter(self.watch, Phase.BUSY)
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._work())
        elif self._blocked:
            pass
        elif self._ends:
            self._finish()
        elif self._framer.is_within_message:
            self._face.connections.enter(self.watch, Phase.MESSAGE)
            self.watch.octets = max(self.watch.octets, self._framer.pending)
        else:
            self.write = self._transport.write
            if self.watch.phase is not Phase.FIRST or self.watch.touched:
                self._face.connections.enter(self.watch, Phase.IDLE)
        self._read_or_not()

    def _take_events(self) -> None:
        limit = self._face.connections.limits.pipeline
        if self._finished or len(self._queue) >= limit:
            return
        for event in self._framer.events():
            self.watch.touched = True
            if isinstance(event, Framed):
                self._accept(event)
            else:
                self._ends = self._ends or event.closes
                self._answer_or_queue(self._face.dispatch.refuse(event.envelope, event.error))
            if self._blocked or self._finished or len(self._queue) >= limit:
                return

    def _accept(self, framed: Framed) -> None:
        """Answer a message now if it can be and is the first in line, else put it in the queue."""
        envelope, part = framed
        started = perf_counter()
        if not keeps_connection(envelope, _flags(envelope, part)):
            self._ends = True
        reply = None
        if not self._queue:
            reply = self._face.dispatch.at_once(self._peer, envelope, part, started)
        self._answer_or_queue(reply or _Waiting(envelope, part, started, self._face.ticks()))

    def _answer_or_queue(self, item: "_Waiting | Reply") -> None:
        if self._queue or isinstance(item, _Waiting):
            self._queue.append(item)
        else:
            self._write(item)

    async def _work(self) -> None:
        """Answer the queue to its end, one message at a time."""
        try:
            while self._queue:
                item = self._queue[0]
                if isinstance(item, Reply):
                    self._write(item)
                else:
                    await self._answer_in_turn(item)
                self._queue.popleft()  # it is answered: whatever happens while the peer does not read, not again
                await self._until_writable()
                if not self._blocked:
                    self._take_events()
        finally:
            self._task = None
        self._pump()

    async def _answer_in_turn(self, item: _Waiting) -> None:
        try:
            await self._answer(item)
        except Exception:
            log.exception("a Handle request was answered with an error by a defect")
            fault = WireError("Internal error", 0, ResponseCode.ERROR)
            self._write(self._face.dispatch.refuse(item.envelope, fault, item.part))

    async def _answer(self, item: _Waiting) -> None:
        async for reply in self._face.dispatch.later(self._peer, item.envelope, item.part, item.started):
            await self._until_writable()
            if reply.op == Op.LOGIN and self._face.ticks() - item.came > LOGIN_ANSWER_S:
                self._end_unanswered()
                return
            self._write(reply)

    def _end_unanswered(self) -> None:
        """Close with what is in hand unanswered: its answers would be taken for others. Those before are sent."""
        while len(self._queue) > 1:  # the first is the one being worked on
            self._queue.pop()
        self._finish()

    async def _until_writable(self) -> None:
        while self._blocked and not self.closed.done():
            self._unblocked = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._unblocked, self.closed], return_when=asyncio.FIRST_COMPLETED)

    def _write(self, reply: Reply) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply.octets)
        self._ends = self._ends or reply.close

    def _read_or_not(self) -> None:
        """Read only what there is room for."""
        if self._transport.is_closing():
            return
        full = len(self._queue) >= self._face.connections.limits.pipeline
        if self._blocked or (full and self._framer.pending):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def finish_soon(self) -> None:
        """Read nothing more, and close when everything read is answered."""
        self._ends = True
        self.write = None
        if not self._queue and not self._blocked:
            self._finish()

    def _finish(self) -> None:
        """End our side; the connection closes when the peer ends its side, or a little later."""
        if self._finished:
            return
        self._finished = True
        self.write = None
        self._face.connections.enter(self.watch, Phase.CLOSING)
        if self._transport.is_closing():
            return
        if self._peer_ended or not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the peer is gone: it took what it wanted, and reset the connection
            self._transport.abort()
            return
        self._transport.resume_reading()
        self._closing = asyncio.get_running_loop().call_later(CLOSING_S, self._transport.close)

    def give_up(self) -> None:
        """Answer everything still in hand with an error, and close."""
        if self._task is not None:
            self._task.cancel()
        for item in self._queue:
            octets = item.octets if isinstance(item, Reply) else self._face.dispatch.too_busy(item.envelope, item.part)
            self._transport.write(octets)
        self._queue.clear()
        self._finish()

    def eof_received(self) -> bool:
        """Answer what came before the peer ended its side, then close."""
        self._face.run()
        self._peer_ended = True
        if self._finished:
            return False
        self._ends = True
        self._pump()
        return not self._finished

    def abort(self) -> None:
        """End the connection at once."""
        self._finished = True
        self.write = None
        self._transport.abort()

    def pause_writing(self) -> None:
        """Answer nothing more to a peer that does not read until it does, and not for ever."""
        self._blocked = True
        self.write = None
        self._face.connections.enter(self.watch, Phase.STALLED)
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on with a peer that reads again."""
        self._blocked = False
        if self._unblocked is not None and not self._unblocked.done():
            self._unblocked.set_result(None)
        self._face.connections.enter(self.watch, Phase.BUSY)
        if self._task is None:
            self._pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason makes no difference
        """Forget the connection."""
        self._finished = True
        self.write = None
        if self._task is not None:
            self._task.cancel()
        if self._closing is not None:
            self._closing.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
        self._face.open.discard(self)
        if self._admitted:
            self._face.connections.gone(self.watch)
            self._face.left(self._peer)

    _peer_ended = False
    _closing: asyncio.TimerHandle | None = None
    _unblocked: asyncio.Future[None] | None = None


def _flags(envelope: Envelope, part: bytes) -> int:
    """Return the flags of a header; of an encrypted message KEEP_CONNECTION, because nobody can tell before."""
    if envelope.is_encrypted:
        return KEEP_CONNECTION
    try:
        return parse_header(part).flags if len(part) >= HEADER_OCTETS else 0
    except WireError:
        return 0
