"""The fast path gives what the typed path gives, or leaves the request to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.handle_wire import quick
from identifiers.handle_wire.answers import Failure, Resolved
from identifiers.handle_wire.codes import CERTIFY, ENCRYPT, KEEP_CONNECTION, RETURN_DIGEST
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.message import check_request, decode_message, encode_message, make_message
from identifiers.handle_wire.quick import QuickWriter, quick_resolution
from identifiers.handle_wire.replies import Site, reply, replying_to
from identifiers.handle_wire.requests import Resolution, decode_request, encode_request
from identifiers.handle_wire.tcp import keeps_connection
from identifiers.handle_wire.versions import OURS, Version
from identifiers.octets import WireError, string
from identifiers.values import Value
from identifiers.wire import encode_values

NOW_S = 1_800_000_000
SITE = Site(serial=3)
VALUES = (Value(1, "URL", b"https://example.com"), Value(2, "T", b"x"))

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RESOLUTIONS = st.builds(
    Resolution,
    NAMES,
    st.lists(st.integers(0, 2**32 - 1), max_size=40).map(tuple),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=4).map(tuple),
    st.sampled_from([None, "", "token"]),
)
VERSIONS = st.builds(Version, st.integers(0, 7), st.integers(0, 12))
SUGGESTED = st.builds(Version, st.integers(0, 7), st.integers(0, 12))
FLAGS = st.integers(0, 2**32 - 1).map(lambda flags: flags & ~(CERTIFY | ENCRYPT | RETURN_DIGEST))


def octets_of(
    asked: Resolution,
    *,
    version: Version = OURS,
    suggested: Version = OURS,
    flags: int = 0x19000000,
    session_id: int = 0,
    rest: bytes = b"",
) -> bytes:
    envelope = Envelope(version, 0, suggested, session_id, 7, 0, 0)
    return encode_message(make_message(envelope, Header(1, 0, flags), encode_request(asked))) + rest


@settings(max_examples=100)
@given(RESOLUTIONS, VERSIONS, SUGGESTED, FLAGS, st.binary(max_size=30), st.integers(0, 40))
def test_what_the_fast_path_reads_the_typed_path_reads_too(
    asked: Resolution, version: Version, suggested: Version, flags: int, rest: bytes, offset: int
) -> None:
    octets = octets_of(asked, version=version, suggested=suggested, flags=flags)
    quick = quick_resolution(bytes(offset) + octets + rest, offset)
    if quick is None:
        return
    message = decode_message(octets)
    typed = decode_request(message.header.op, message.body)
    assert isinstance(typed, Resolution)
    name, field, indexes, types, found_flags, request_id, _, keeps, end = quick
    assert (name, indexes, types) == (typed.name, typed.indexes, typed.types)
    assert (field, end) == (string(name.encode()), offset + len(octets))
    assert (found_flags, request_id, keeps) == (flags, 7, keeps_connection(message.envelope, flags))


@settings(max_examples=100)
@given(NAMES.filter(str.isprintable).filter(bool), VERSIONS.filter(lambda v: 0 < v.major < 6), SUGGESTED, FLAGS)
def test_what_the_fast_path_writes_the_typed_path_writes_too(
    name: str, version: Version, suggested: Version, flags: int
) -> None:
    octets = octets_of(Resolution(name), version=version, suggested=suggested, flags=flags)
    quick = quick_resolution(octets)
    assert quick is not None
    to = replying_to(decode_message(octets))
    for over_tcp in (True, False):
        writer = QuickWriter(SITE, keeps=over_tcp)
        keeps = over_tcp and bool(flags & KEEP_CONNECTION)
        found = reply(to, Resolved(name, VALUES), now_s=NOW_S, site=SITE, keeps_connection=keeps)
        values = len(VALUES).to_bytes(4, "big") + encode_values(VALUES)
        assert writer.found(quick, values, NOW_S) == encode_message(found)
        for rc, text in ((100, ""), (301, "That prefix doesn't live here")):
            failed = reply(to, Failure(text), rc, now_s=NOW_S, site=SITE, keeps_connection=keeps)
            assert writer.failed(quick, rc, NOW_S, string(text.encode())) == encode_message(failed)


def test_plain_requests_of_existing_clients_are_quick() -> None:
    for asked in (
        Resolution("20.500.999/T1"),
        Resolution("20.500.999/T1", (), ("URL",)),
        Resolution("20.500.999/T1", (1, 2)),
        Resolution("88.111.1/test", (), (), ""),
        Resolution("88.111.1", (), ("HS_SITE",), ""),
        Resolution("88.111.1/泵"),
    ):
        for version in (OURS, Version(2, 10), Version(2, 1), Version(3, 0)):
            quick = quick_resolution(octets_of(asked, version=version))
            assert quick is not None
            assert (quick[0], quick[2], quick[3]) == (asked.name, asked.indexes, asked.types)


def test_a_message_without_credential_field_is_quick() -> None:
    octets = octets_of(Resolution("a/b"))[:-4]
    octets = octets[:16] + (len(octets) - 20).to_bytes(4, "big") + octets[20:]
    assert quick_resolution(octets) is not None


PLAIN = octets_of(Resolution("20.500/x", (1,), ("URL",)))


@pytest.mark.parametrize(
    "odd",
    [
        PLAIN[:-1],
        PLAIN[:47],
        b"",
        octets_of(Resolution("a/b"), session_id=1),
        octets_of(Resolution("a/b"), flags=CERTIFY),
        octets_of(Resolution("a/b"), flags=ENCRYPT),
        octets_of(Resolution("a/b"), flags=RETURN_DIGEST),
        octets_of(Resolution("a/\0b")),
        octets_of(Resolution("")),
        octets_of(Resolution("a" * 2_049)),
        octets_of(Resolution("a/b", tuple(range(33)))),
        octets_of(Resolution("a/b", (), ("T",) * 33)),
        PLAIN.replace(b"20.5", b"\xff0.5"),
        PLAIN.replace(b"URL", b"\xff\xff\xff"),
        PLAIN[:2] + b"\x22" + PLAIN[3:],
        PLAIN[:2] + b"\x42" + PLAIN[3:],
        PLAIN[:2] + b"\x82" + PLAIN[3:],
        b"\0" + PLAIN[1:],
        PLAIN[:15] + b"\1" + PLAIN[16:],
        PLAIN[:23] + b"\2" + PLAIN[24:],
        PLAIN[:27] + b"\1" + PLAIN[28:],
        PLAIN[:34] + b"\1" + PLAIN[35:],
    ],
)
def test_everything_odd_is_left_to_the_typed_path(odd: bytes) -> None:
    assert quick_resolution(PLAIN) is not None
    assert quick_resolution(odd) is None


@settings(max_examples=100)
@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=6))
def test_damage_never_makes_the_fast_path_say_more_than_the_typed_one(at: int, damage: bytes) -> None:
    octets = PLAIN[:at] + damage + PLAIN[at + len(damage) :]
    quick = quick_resolution(octets)
    if quick is None:
        return
    message = decode_message(octets)
    check_request(message.header)
    typed = decode_request(message.header.op, message.body)
    assert isinstance(typed, Resolution)
    assert (quick[0], quick[2], quick[3]) == (typed.name, typed.indexes, typed.types)


@settings(max_examples=100)
@given(st.binary(max_size=120))
def test_any_octets_are_quick_or_left_alone(octets: bytes) -> None:
    if quick_resolution(octets) is not None:
        try:
            decode_message(octets)
        except WireError as refused:
            pytest.fail(str(refused))


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    for number in range(quick._LISTS_MAX + 10):
        assert quick_resolution(octets_of(Resolution("a/b", (number,)))) is not None
    assert len(quick._listed) <= quick._LISTS_MAX
    for minor in range(256):
        for suggested in range(20):
            version, other = Version(2, minor), Version(2, suggested)
            assert quick_resolution(octets_of(Resolution("a/b"), version=version, suggested=other)) is not None
    assert len(quick._versions) <= quick._VERSIONS_MAX
    assert quick_resolution(PLAIN) is not None
