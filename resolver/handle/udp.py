"""The Handle protocol over UDP: many datagrams read in one turn of the event loop, each answered with one send (19.3).

Nobody gets more than its source's rate; what is garbage, an answer, or from a port of another service gets nothing.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from time import perf_counter, time
from typing import TYPE_CHECKING, Final

from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope
from identifiers.handle_wire.quick import Quick, quick_resolution
from identifiers.handle_wire.tcp import Framed
from identifiers.handle_wire.udp import DATAGRAM_OCTETS_MAX, Reassembler, packets
from identifiers.octets import WireError
from resolver.faces.desk import Desk
from resolver.handle.datagrams import Address, Batches, Name, batches_of
from resolver.handle.dispatch import Dispatch
from resolver.handle.exchange import Peer
from resolver.handle.lane import Lane, Seen
from resolver.handle.limits import UDP_TASKS_MAX, HandleLimits
from resolver.handle.sources import SENDERS_MAX, Sender, Sources
from resolver.handle.writing import Writing

if TYPE_CHECKING:
    from resolver.counting import Source

SYSTEM_PORTS: Final = 1_024
"""Datagrams from ports below belong to other services, and answering them could go on for ever."""
SUCCESS: Final = 1
USE_TCP: Final = 2

log = logging.getLogger(__name__)


class UdpFace:
    """One socket of one worker."""

    def __init__(
        self,
        bound: socket.socket,
        desk: Desk,
        dispatch: Dispatch,
        writing: Writing,
        limits: HandleLimits,
        clock: Callable[[], float] = time,
    ) -> None:
        self._socket = bound
        self._lane = Lane(desk, writing.site, keeps=False)
        self._dispatch = dispatch
        self._tallies = desk.tallies
        self._clock = clock
        self.sources = Sources(limits)
        self._longest = ENVELOPE_OCTETS + limits.udp_answer_octets
        self._reassembler = Reassembler(limits.reassembly)
        self._batches: Batches = batches_of(bound)
        self._known: dict[Name, Sender] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.ends: Counter[str] = Counter()
        """What became of datagrams: answered, of these to_tcp; over_rate, unsent; kept for a message, or dropped."""

    def start(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    def tick(self) -> None:
        """Forget what is of no use any more; call about once a second."""
        self._known.clear()
        self.sources.forget(perf_counter())

    async def drain(self, drain_s: float) -> None:
        """Answer what has arrived, and what is under way within `drain_s`; then close."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._read()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_s)
        for task in self._tasks:
            task.cancel()
        self._socket.close()

    def _read(self) -> None:
        """Answer what has arrived, up to a batch."""
        try:
            arrived = self._batches.receive()
        except OSError as error:
            log.warning("datagrams could not be read: %s", error)
            return
        if not arrived:
            return
        now_s = int(self._clock())
        self._lane.begin(now_s)
        try:
            self._answer_batch(arrived, now_s)
        finally:
            self._lane.end()

    def _answer_batch(self, arrived: list[tuple[bytes, Name]], now_s: int) -> None:
        """Answer a batch with another; answers leave together, so all have taken the time of the batch."""
        lane, tallies, known = self._lane, self._tallies, self._known.get
        answer = lane.answer
        answers: list[tuple[bytes, Name]] = []
        sources: list[Source] = []
        turn_at = perf_counter()
        for data, name in arrived:
            try:
                sender = known(name)
                if (
                    sender is not None
                    and (octets := answer(data)) is not None
                    and len(octets) <= DATAGRAM_OCTETS_MAX
                    and sender.bucket.allows(len(octets), turn_at)
                ):
                    answers.append((octets, name))
                    counted = sender.counted
                    if counted.habit is not lane.habit:
                        counted.adopt(tallies, lane.habit)
                    source = counted.source
                    if not source.in_turn:
                        sources.append(source)
                    source.in_turn += 1
                else:
                    self._know(name, self._take(data, self._batches.address_of(name), turn_at, now_s))
            except Exception:
                # One datagram must not keep the others of this turn from being answered.
                log.exception("a datagram was dropped by a defect")
        tallies.count_turn(sources, now_s, int((perf_counter() - turn_at) * 1e6))
        if answers:
            sent = self._batches.send(answers)
            self.ends["answered"] += sent
            self.ends["unsent"] += len(answers) - sent

    def _know(self, name: Name, sender: Sender | None) -> None:
        """Remember who sends from an address, until the next tick."""
        if sender is not None and len(self._known) < SENDERS_MAX:
            self._known[name] = sender

    def _take(self, data: bytes, address: Address, now: float, now_s: int) -> Sender | None:
        """Answer one datagram that is not for the shortest way; return its sender, unless it is not to be answered."""
        if address[1] < SYSTEM_PORTS:
            self.ends["kept"] += 1
            return None
        sender = self.sources.sender(address[0], now)
        quick = quick_resolution(data)
        seen = None if quick is None else self._lane.see(quick)
        if quick is None or seen is None:
            self._take_slowly(data, address, sender, now)
            return sender
        self._lane.learn(data, quick)
        started = perf_counter()
        is_said = self._answer(quick, seen, address, sender, now, now_s)
        us, counted = int((perf_counter() - started) * 1e6), sender.counted
        source = counted.seen(self._tallies, seen) if is_said else counted.unsaid(self._tallies, seen)
        self._tallies.count(source, now_s, us)
        return sender

    def _answer(self, quick: Quick, seen: Seen, address: Address, sender: Sender, now: float, now_s: int) -> bool:
        """Answer a plain resolution; False where that TCP is the way, or nothing, is all that is said."""
        writer = self._lane.writer
        found = seen.rc == SUCCESS
        octets = writer.found(quick, seen.values, now_s) if found else writer.failed(quick, seen.rc, now_s)
        if len(octets) > self._longest or not sender.bucket.allows(len(octets), now):
            self._send_to_tcp(writer.failed(quick, USE_TCP, now_s), address, sender, now)
            return False
        self._send(octets, address)
        return True

    def _send(self, octets: bytes, address: Address) -> None:
        """Send a message in as many packets as it takes."""
        try:
            if len(octets) <= DATAGRAM_OCTETS_MAX:
                self._socket.sendto(octets, address)
            else:
                for packet in packets(octets):
                    self._socket.sendto(packet, address)
        except OSError:  # no room, or no way to the peer: it asks again
            self.ends["unsent"] += 1
        else:
            self.ends["answered"] += 1

    def _send_to_tcp(self, octets: bytes, address: Address, sender: Sender, now: float) -> None:
        """Send the short answer that says to use TCP, unless the source has had enough of these too."""
        if not sender.bucket.allows_refusal(now):
            self.ends["over_rate"] += 1
            return
        self._send(octets, address)
        self.ends["to_tcp"] += 1

    def _take_slowly(self, data: bytes, address: Address, sender: Sender, now: float) -> None:
        """Answer what is not plain, once it is whole."""
        event = self._reassembler.feed(address[:2], data, now)
        if event is None:
            self.ends["kept"] += 1
        elif isinstance(event, Framed):
            self._answer_slowly(event, address, sender, now)
        else:
            fault = WireError("", 0, event.error.rc)  # without a text: no answer is longer than it must be
            self._send_within(self._dispatch.refuse(event.envelope, fault).octets, address, sender, now)

    def _answer_slowly(self, framed: Framed, address: Address, sender: Sender, now: float) -> None:
        envelope, part = framed
        peer = Peer("udp", address[0], signs=lambda: self._signs(sender))
        reply = self._dispatch.at_once(peer, envelope, part, now)
        if reply is not None:
            self._send_within(reply.octets, address, sender, now, envelope, part)
        elif len(self._tasks) >= UDP_TASKS_MAX:
            self._send_to_tcp(self._dispatch.use_tcp(envelope, part), address, sender, now)
        else:
            task = asyncio.get_running_loop().create_task(self._answer_later(peer, framed, address, sender, now))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_later(self, peer: Peer, framed: Framed, address: Address, sender: Sender, now: float) -> None:
        envelope, part = framed
        try:
            async for reply in self._dispatch.later(peer, envelope, part, now):
                self._send_within(reply.octets, address, sender, perf_counter(), envelope, part)
        except Exception:
            log.exception("a datagram was answered with an error by a defect")
            self._send_within(self._dispatch.use_tcp(envelope, part), address, sender, perf_counter())

    def _send_within(
        self,
        octets: bytes,
        address: Address,
        sender: Sender,
        now: float,
        envelope: Envelope | None = None,
        part: bytes = b"",
    ) -> None:
        """Send an answer within the rate of its source."""
        if sender.bucket.allows(len(octets), now):
            self._send(octets, address)
        elif envelope is None:
            self.ends["over_rate"] += 1
        else:
            self._send_to_tcp(self._dispatch.use_tcp(envelope, part), address, sender, now)

    def _signs(self, sender: Sender) -> bool:
        """Take a signature for a sender. Asked where an answer is signed: that to a proof is, if the challenge was."""
        if self.sources.allows_signature(sender, perf_counter()):
            return True
        self.ends["to_tcp"] += 1
        return False
