"""Messages on a stream: any slices, refusals that go on and refusals that end, messages in several packets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.handle_wire.codes import MESSAGE_OCTETS_MAX, TRUNCATED
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, encode_envelope
from identifiers.handle_wire.tcp import Framed, Refused, StreamFramer, keeps_connection
from identifiers.handle_wire.versions import Version
from tests.handle_vectors import malformed

V2_11 = Version(2, 11)


def packet(part: bytes, *, request_id: int = 7, length: int | None = None, sequence: int = 0, flags: int = 0) -> bytes:
    size = len(part) if length is None else length
    return encode_envelope(Envelope(V2_11, flags, V2_11, 3, request_id, sequence, size)) + part


def part_of(octets: int, seed: int = 0) -> bytes:
    return bytes((at * 7 + seed) % 256 for at in range(octets))


def events(octets: bytes) -> list[Framed | Refused]:
    framer = StreamFramer()
    framer.feed(octets)
    return list(framer.events())


@settings(max_examples=60)
@given(st.lists(st.integers(24, 90), max_size=5), st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_slices_do_not_matter(sizes: list[int], slices: list[int]) -> None:
    parts = [part_of(size, at) for at, size in enumerate(sizes)]
    stream = b"".join(packet(part, request_id=at) for at, part in enumerate(parts))
    framer, found, start = StreamFramer(), [], 0
    for count in slices * (len(stream) // sum(slices) + 1):
        framer.feed(stream[start : start + count])
        start += count
        found += list(framer.events())
    assert [event.part for event in found if isinstance(event, Framed)] == parts
    assert [event.envelope.request_id for event in found] == list(range(len(parts)))
    assert not framer.is_within_message


def test_octet_by_octet_the_message_comes_with_the_last_one() -> None:
    framer = StreamFramer()
    octets = packet(part_of(30))
    for octet in octets[:-1]:
        framer.feed(bytes((octet,)))
        assert list(framer.events()) == []
        assert framer.is_within_message
    framer.feed(octets[-1:])
    (event,) = framer.events()
    assert isinstance(event, Framed)
    assert event.part == part_of(30)


def test_events_that_are_not_taken_stay() -> None:
    framer = StreamFramer()
    framer.feed(packet(part_of(24), request_id=1) + packet(part_of(25), request_id=2))
    first = next(iter(framer.events()))
    assert first.envelope.request_id == 1
    (second,) = framer.events()
    assert second.envelope.request_id == 2
    assert framer.pending == 0


@pytest.mark.parametrize(
    ("name", "request_id", "closes"),
    [
        ("message_shorter_than_header", 77, False),
        ("message_length_negative", 79, True),
        ("message_length_over_limit", 80, True),
        ("compressed_flag", 91, False),
    ],
)
def test_recorded_bad_envelopes_are_refused_with_their_request_id(name: str, request_id: int, closes: bool) -> None:  # noqa: FBT001 - a column of the table
    (event, *rest) = events(malformed(name) + packet(part_of(24), request_id=5))
    assert isinstance(event, Refused)
    assert (event.envelope.request_id, event.error.rc, event.closes) == (request_id, 4, closes)
    assert [follower.envelope.request_id for follower in rest] == ([] if closes else [5])


@pytest.mark.parametrize("major", [0, 6, 255])
def test_unknown_majors_are_refused_and_answered_as_ours(major: int) -> None:
    octets = bytes((major,)) + packet(part_of(24))[1:]
    event, after = events(octets + packet(part_of(24)))
    assert isinstance(event, Refused)
    assert (event.error.rc, event.closes, event.envelope.answer_version) == (4, False, V2_11)
    assert isinstance(after, Framed)


def test_the_longest_message_is_read_and_no_longer_one() -> None:
    (event,) = events(packet(bytes(MESSAGE_OCTETS_MAX)))
    assert isinstance(event, Framed)
    framer = StreamFramer()
    framer.feed(packet(b"", length=MESSAGE_OCTETS_MAX + 1))
    (refused,) = framer.events()
    assert isinstance(refused, Refused)
    framer.feed(bytes(1_000_000))
    assert (list(framer.events()), framer.pending) == ([], 0)


def cut(part: bytes, sizes: list[int], *, last_flag: int = TRUNCATED) -> bytes:
    """Return a message in several packets of these sizes."""
    stream, start = b"", 0
    for sequence, size in enumerate(sizes):
        flags = TRUNCATED if sequence < len(sizes) - 1 else last_flag
        stream += packet(part[start : start + size], length=len(part), sequence=sequence, flags=flags)
        start += size
    return stream


@settings(max_examples=60)
@given(
    st.lists(st.integers(4, 60), min_size=2, max_size=5),
    st.sampled_from([0, TRUNCATED]),
    st.integers(1, 30),
)
def test_a_message_in_several_packets_is_put_together(sizes: list[int], last_flag: int, slice_octets: int) -> None:
    part = part_of(24 + sum(sizes))
    stream = cut(part, [24, *sizes], last_flag=last_flag) + packet(part_of(24, 1), request_id=9)
    framer, found = StreamFramer(), []
    for start in range(0, len(stream), slice_octets):
        framer.feed(stream[start : start + slice_octets])
        found += list(framer.events())
    first, second = found
    assert isinstance(first, Framed)
    assert isinstance(second, Framed)
    assert (first.part, second.part) == (part, part_of(24, 1))


def test_the_largest_packets_of_the_industrial_internet_client_are_put_together() -> None:
    usual = MESSAGE_OCTETS_MAX - ENVELOPE_OCTETS
    for rest in (1, 2, ENVELOPE_OCTETS):
        part = part_of(usual + rest)
        stream = cut(part, [usual, rest])
        framer = StreamFramer()
        framer.feed(stream[: 2 * ENVELOPE_OCTETS + usual - 1])  # all but the last octet of the second envelope
        assert list(framer.events()) == []
        framer.feed(stream[2 * ENVELOPE_OCTETS + usual - 1 :])
        (event,) = framer.events()
        assert isinstance(event, Framed)
        assert event.part == part


def test_one_packet_that_says_it_is_truncated_is_a_whole_message() -> None:
    event, after = events(packet(part_of(40), flags=TRUNCATED) + packet(part_of(24)))
    assert isinstance(event, Framed)
    assert event.part == part_of(40)
    assert isinstance(after, Framed)


@pytest.mark.parametrize("sequence", [0, 2, 3, 2**32 - 1])
def test_packets_out_of_order_end_the_connection(sequence: int) -> None:
    part = part_of(100)
    stream = packet(part[:50], length=100, flags=TRUNCATED)
    stream += packet(part[50:], length=100, flags=TRUNCATED, sequence=sequence)
    (event,) = events(stream)
    assert isinstance(event, Refused)
    assert (event.error.rc, event.closes, event.envelope.request_id) == (4, True, 7)


def test_a_first_packet_with_a_later_number_ends_the_connection() -> None:
    (event,) = events(packet(part_of(50), flags=TRUNCATED, sequence=1))
    assert isinstance(event, Refused)
    assert event.closes


def test_a_message_in_several_packets_over_the_limit_ends_the_connection() -> None:
    (event,) = events(packet(part_of(50), length=MESSAGE_OCTETS_MAX + 1, flags=TRUNCATED))
    assert isinstance(event, Refused)
    assert event.closes


@pytest.mark.parametrize(
    ("suggested", "flags", "keeps"),
    [
        ((0, 0), 0, False),
        ((2, 11), 0, True),
        ((0, 1), 0, True),
        ((0, 0), 0x02000000, True),
        ((0, 0), 0x19000000, False),
    ],
)
def test_who_needs_the_connection_open_keeps_it(suggested: tuple[int, int], flags: int, keeps: bool) -> None:  # noqa: FBT001 - a column of the table
    envelope = Envelope(V2_11, 0, Version(*suggested), 0, 1, 0, 24)
    assert keeps_connection(envelope, flags) is keeps


@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_stream_gives_events_and_keeps_little(noise: bytes, slice_octets: int) -> None:
    framer = StreamFramer()
    for start in range(0, len(noise), slice_octets):
        framer.feed(noise[start : start + slice_octets])
        for event in framer.events():
            if isinstance(event, Refused):
                assert event.error.rc == 4
    assert framer.pending <= len(noise)
