"""Messages in datagrams: cutting, any order, lost and doubled packets, and what may be kept of strangers."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.handle_wire.codes import TRUNCATED
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, encode_envelope, parse_envelope
from identifiers.handle_wire.tcp import Framed, Refused
from identifiers.handle_wire.udp import PART_OCTETS_MAX, Reassembler, ReassemblyLimits, packets
from identifiers.handle_wire.versions import Version
from tests.handle_vectors import malformed

V2_11 = Version(2, 11)
PEER = ("192.0.2.1", 4_000)


def whole(octets: int, request_id: int = 7, session_id: int = 0) -> bytes:
    """Return a message with a part of so many octets; its response code is 0."""
    part = bytes(8) + bytes(at % 251 for at in range(octets - 8))
    return encode_envelope(Envelope(V2_11, 0, V2_11, session_id, request_id, 0, octets)) + part


@pytest.mark.parametrize(("octets", "count"), [(24, 1), (492, 1), (493, 2), (984, 2), (985, 3), (3_079, 7)])
def test_packets_are_full_but_the_last(octets: int, count: int) -> None:
    message = whole(octets)
    cut = packets(message)
    assert len(cut) == count
    assert {len(packet) for packet in cut[:-1]} <= {512}
    assert b"".join(packet[ENVELOPE_OCTETS:] for packet in cut) == message[ENVELOPE_OCTETS:]
    envelopes = [parse_envelope(packet) for packet in cut]
    assert [envelope.sequence for envelope in envelopes] == list(range(count))
    assert {envelope.length for envelope in envelopes} == {octets}
    assert {envelope.is_truncated for envelope in envelopes} == {count > 1}


@settings(max_examples=40)
@given(
    st.integers(493, 4_000).filter(lambda octets: octets % 492 >= 24), st.randoms(use_true_random=False), st.booleans()
)
def test_any_order_will_do_and_duplicates_are_ignored(octets: int, rng: random.Random, is_flagged: bool) -> None:  # noqa: FBT001 - drawn
    message = whole(octets)
    cut = packets(message)
    if not is_flagged:
        cut = [packet[:2] + bytes((packet[2] & ~TRUNCATED,)) + packet[3:] for packet in cut]
    shuffled = cut + [packet for packet in cut[:-1] for _ in range(rng.randrange(2))]
    rng.shuffle(shuffled)
    reassembler = Reassembler()
    found: list[Framed | Refused | None] = []
    for packet in shuffled:
        found.append(reassembler.feed(PEER, packet, 0.0))
        if found[-1] is not None:
            break
    event = found[-1]
    assert isinstance(event, Framed)
    assert event.part == message[ENVELOPE_OCTETS:]
    assert not event.envelope.is_truncated
    assert len(reassembler) == 0


def test_packets_of_different_messages_do_not_mix() -> None:
    messages = [whole(1_000, 7), whole(1_000, 8), whole(1_000, 7, session_id=1)]
    reassembler = Reassembler()
    found = []
    for packet in itertools.chain(*zip(*map(packets, messages), strict=True)):
        found.append(reassembler.feed(PEER, packet, 0.0))
        assert reassembler.feed(("192.0.2.2", 4_000), packets(whole(2_000))[1], 0.0) is None
    assert [event.part for event in found if isinstance(event, Framed)] == [m[ENVELOPE_OCTETS:] for m in messages]


def test_a_message_not_complete_in_time_is_forgotten() -> None:
    first, last = packets(whole(500))
    reassembler = Reassembler()
    assert reassembler.feed(PEER, first, 0.0) is None
    assert reassembler.feed(PEER, last, 5.0) is None  # dropped: it is short, and nobody waits for it any more
    assert len(reassembler) == 0
    assert reassembler.feed(PEER, first, 6.0) is None
    assert isinstance(reassembler.feed(PEER, last, 10.9), Framed)


@pytest.mark.parametrize("octets", [0, 1, 19, 20, 43])
def test_garbage_is_dropped(octets: int) -> None:
    assert Reassembler().feed(PEER, whole(24)[:octets], 0.0) is None


def test_a_packet_beyond_the_end_is_dropped() -> None:
    reassembler = Reassembler()
    first, second, _ = packets(whole(1_200))
    assert reassembler.feed(PEER, first, 0.0) is None
    for sequence in (3, 4, 2**32 - 1):
        beyond = second[:12] + sequence.to_bytes(4, "big") + second[16:]
        assert reassembler.feed(PEER, beyond, 0.0) is None
    short = second[:-1]
    assert reassembler.feed(PEER, short, 0.0) is None
    assert len(reassembler) == 1


def test_another_length_does_not_belong() -> None:
    reassembler = Reassembler()
    assert reassembler.feed(PEER, packets(whole(900))[0], 0.0) is None
    assert reassembler.feed(PEER, packets(whole(984))[1], 0.0) is None
    assert isinstance(reassembler.feed(PEER, packets(whole(900))[1], 0.0), Framed)


def test_a_message_too_long_for_udp_is_sent_to_tcp() -> None:
    event = Reassembler().feed(PEER, packets(whole(16_385))[0], 0.0)
    assert isinstance(event, Refused)
    assert (event.error.rc, event.envelope.request_id) == (2, 7)
    assert Reassembler().feed(PEER, packets(whole(16_385))[1], 0.0) is None
    reassembler = Reassembler()
    assert isinstance([reassembler.feed(PEER, packet, 0.0) for packet in packets(whole(16_384))][-1], Framed)


def test_answers_are_not_answered() -> None:
    answer = bytearray(whole(60))
    answer[27] = 1
    large = bytearray(whole(600))
    large[27] = 1
    for feed in (Reassembler().feed, Reassembler(answers=True).feed):
        is_client = feed.__self__._answers  # type: ignore[attr-defined] # a bound method has it
        assert (feed(PEER, bytes(answer), 0.0) is None) is not is_client
        last = [feed(PEER, packet, 0.0) for packet in packets(bytes(large))][-1]
        assert (last is None) is not is_client


@pytest.mark.parametrize("name", ["compressed_flag", "message_length_over_limit", "message_length_negative"])
def test_bad_envelopes_are_refused_once_they_are_no_garbage(name: str) -> None:
    octets = malformed(name)
    padded = octets + bytes(max(0, 44 - len(octets)))
    event = Reassembler().feed(PEER, padded, 0.0)
    assert isinstance(event, Refused)
    assert event.error.rc == 4
    assert not event.closes
    later = padded[:12] + b"\0\0\0\1" + padded[16:]
    assert Reassembler().feed(PEER, later, 0.0) is None


def test_octets_after_the_message_are_ignored() -> None:
    event = Reassembler().feed(PEER, whole(60) + b"rest", 0.0)
    assert isinstance(event, Framed)
    assert len(event.part) == 60


def begin(reassembler: Reassembler, host: int, request_id: int, octets: int = 900) -> None:
    assert reassembler.feed((f"192.0.2.{host}", 1), packets(whole(octets, request_id))[0], 0.0) is None


def finishes(reassembler: Reassembler, host: int, request_id: int, octets: int = 900) -> bool:
    last = packets(whole(octets, request_id))[-1]
    return isinstance(reassembler.feed((f"192.0.2.{host}", 1), last, 0.0), Framed)


def test_an_address_keeps_eight_messages_and_loses_its_oldest() -> None:
    reassembler = Reassembler()
    begin(reassembler, 9, 99)
    for request_id in range(9):
        begin(reassembler, 1, request_id)
    assert len(reassembler) == 9
    assert not finishes(reassembler, 1, 0)
    assert finishes(reassembler, 9, 99)
    assert finishes(reassembler, 1, 8)


def test_all_together_keep_a_bounded_number_and_size() -> None:
    few = Reassembler(ReassemblyLimits(messages=3))
    for host in range(5):
        begin(few, host, 7)
    assert len(few) == 3
    assert not finishes(few, 0, 7)
    assert finishes(few, 4, 7)
    small = Reassembler(ReassemblyLimits(octets=2_500))
    for host in range(5):
        begin(small, host, 7)
    assert len(small) == 2
    assert finishes(small, 4, 7)
    assert finishes(small, 3, 7)
    assert (small._kept_octets, small._per_address) == (0, {})


@settings(max_examples=100)
@given(st.lists(st.tuples(st.binary(max_size=560), st.integers(0, 3)), max_size=12))
def test_any_datagrams_are_taken_quietly(datagrams: list[tuple[bytes, int]]) -> None:
    reassembler = Reassembler(ReassemblyLimits(messages=4, octets=8_000))
    for at, (noise, host) in enumerate(datagrams):
        head = b"\2\x0b\x22\x0b" + bytes(8) + noise[:4] + b"\0\0\3" if at % 2 else b""
        event = reassembler.feed((str(host), 1), head + noise, at / 10)
        if isinstance(event, Refused):
            assert event.error.rc in (2, 4)
    assert len(reassembler) <= 4
    assert reassembler._kept_octets <= 8_000
    assert PART_OCTETS_MAX == 492
