"""Requests: random ones come back, and whatever is malformed is refused with one exact code."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identifiers.handle_wire import requests as wire
from identifiers.handle_wire.answers import (
    Answer,
    Challenge,
    Created,
    Done,
    Failure,
    Names,
    Referral,
    Resolved,
    SessionOffer,
    SiteInfo,
    Verified,
    decode_answer,
    encode_answer_body,
)
from identifiers.handle_wire.codes import RETURN_DIGEST, Op
from identifiers.handle_wire.credential import Credential, encode_credential, read_credential
from identifiers.handle_wire.digests import SIZES, Digest
from identifiers.handle_wire.envelope import Envelope, parse_envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.message import Message, check_request, decode_message, encode_message, make_message
from identifiers.handle_wire.names import prefix_named, record_named
from identifiers.handle_wire.tcp import Framed
from identifiers.handle_wire.versions import OURS, Version
from identifiers.octets import OctetReader, WireError, string
from identifiers.values import VALUES_PER_RECORD_MAX, Value
from identifiers.wire import encode_value
from tests.handle_vectors import framed, malformed, single
from tests.unit.identifier_values import records

U4 = st.integers(0, 2**32 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
NUMBERS = st.lists(U4, max_size=4).map(tuple)
DIGESTS = st.sampled_from(list(SIZES.items())).flatmap(
    lambda size: st.binary(min_size=size[1], max_size=size[1]).map(lambda octets: Digest(size[0], octets))
)
SETUPS = st.one_of(
    st.builds(wire.SessionSetup, st.sampled_from([1, 4]), U4, TEXTS, U4, st.binary(max_size=20)),
    st.builds(wire.SessionSetup, st.just(3), U4, TEXTS, U4, st.just(b""), TEXTS, U4),
    st.builds(wire.SessionSetup, st.sampled_from([0, 2, 5, 65_535]), U4, TEXTS, U4),
)
REQUESTS = st.one_of(
    st.builds(wire.Resolution, NAMES, NUMBERS, st.lists(TEXTS, max_size=3).map(tuple), st.none() | TEXTS),
    st.builds(wire.GetSiteInfo, TEXTS),
    st.builds(wire.CreateHandle, NAMES, records()),
    st.builds(wire.DeleteHandle, NAMES),
    st.builds(wire.AddValue, NAMES, records()),
    st.builds(wire.RemoveValue, NAMES, NUMBERS),
    st.builds(wire.ModifyValue, NAMES, records()),
    st.builds(wire.ListHandles, NAMES),
    st.builds(wire.ListPrefixes, NAMES),
    st.builds(wire.ListHomedPrefixes, TEXTS),
    st.builds(wire.ChallengeResponse, TEXTS, TEXTS, U4, st.binary(max_size=20)),
    st.builds(wire.VerifyChallenge, TEXTS, U4, st.binary(max_size=20), DIGESTS, st.binary(max_size=20), st.booleans()),
    st.builds(wire.HomePrefix, NAMES),
    st.builds(wire.UnhomePrefix, NAMES),
    SETUPS,
    st.builds(wire.SessionTerminate, st.none() | TEXTS),
    st.builds(wire.SessionExchangeKey, st.binary(max_size=20)),
    st.builds(wire.Login, TEXTS, U4),
)
ANSWERS: st.SearchStrategy[tuple[int, int, Answer]] = st.one_of(
    st.tuples(st.just(1), st.just(1), st.builds(Resolved, TEXTS, records())),
    st.tuples(st.just(2), st.just(1), st.builds(SiteInfo, st.binary(max_size=30))),
    st.tuples(st.just(100), st.just(1), st.builds(Created, TEXTS)),
    st.tuples(st.sampled_from([101, 102, 103, 104, 300, 301, 401, 2001]), st.just(1), st.builds(Done)),
    st.tuples(st.sampled_from([105, 106, 302]), st.just(1), st.builds(Names, st.lists(TEXTS, max_size=5).map(tuple))),
    st.tuples(st.just(201), st.just(1), st.builds(Verified, st.booleans())),
    st.tuples(st.just(1), st.just(402), st.builds(Challenge, DIGESTS, st.binary(max_size=20))),
    st.tuples(st.just(1), st.just(302), st.builds(Referral, NAMES) | st.builds(Referral, st.just(""), records())),
    st.tuples(st.just(400), st.just(1), st.builds(SessionOffer, st.integers(0, 65_535), st.binary(max_size=30))),
    st.tuples(st.integers(1, 300), st.sampled_from([2, 100, 404, 505]), st.builds(Failure, TEXTS, NUMBERS)),
)
CREDENTIALS = st.builds(
    Credential,
    st.sampled_from(["HS_SIGNED", "HS_MAC", "HS_DIGEST"]),
    TEXTS,
    st.binary(max_size=40),
    U4,
    TEXTS,
    st.binary(min_size=4, max_size=4),
)
VERSIONS = st.builds(Version, st.integers(1, 5), st.integers(0, 255))
ENVELOPES = st.builds(
    Envelope,
    VERSIONS,
    st.just(0),
    st.builds(Version, st.integers(0, 31), st.integers(0, 255)),
    U4,
    U4,
    st.just(0),
    st.just(0),
)


@settings(max_examples=100)
@given(REQUESTS)
def test_random_requests_come_back(request: wire.Request) -> None:
    assert wire.decode_request(request.op, wire.encode_request(request)) == request
    if not (isinstance(request, wire.Resolution) and request.token is None) and wire.encode_request(request):
        assert wire.decode_request(request.op, wire.encode_request(request) + b"rest") is not None


@settings(max_examples=100)
@given(ANSWERS, st.none() | DIGESTS)
def test_random_answers_come_back(numbered: tuple[int, int, Answer], digest: Digest | None) -> None:
    op, rc, answer = numbered
    body = encode_answer_body(answer)
    if isinstance(answer, Challenge):
        assert decode_answer(Header(op, rc, RETURN_DIGEST), body).body == answer
        return
    flags = 0
    if digest is not None:
        flags, body = RETURN_DIGEST, bytes((digest.algorithm,)) + digest.octets + body
    assert decode_answer(Header(op, rc, flags), body) == (answer, digest)


@settings(max_examples=100)
@given(
    ENVELOPES,
    st.tuples(U4, U4, U4, st.integers(0, 65_535), st.integers(0, 255), U4),
    st.binary(max_size=60),
    CREDENTIALS,
)
def test_random_messages_come_back(
    envelope: Envelope, numbers: tuple[int, int, int, int, int, int], body: bytes, credential: Credential
) -> None:
    made = make_message(envelope, Header(*numbers), body)
    for sealed in (None, credential):
        octets = encode_message(made, sealed)
        read = decode_message(octets + b"next message")
        assert (read.header, read.body, read.credential) == (made.header, body, sealed)
        assert read.envelope == envelope._replace(length=len(octets) - 20)
        assert encode_message(read) == octets


@settings(max_examples=100)
@given(REQUESTS, CREDENTIALS, st.data())
def test_any_damage_gives_a_message_or_one_error(
    request: wire.Request, credential: Credential, data: st.DataObject
) -> None:
    envelope = Envelope(OURS, 0, OURS, 0, 7, 0, 0)
    octets = bytearray(
        encode_message(make_message(envelope, Header(request.op, 0, 0), wire.encode_request(request)), credential)
    )
    damage = data.draw(st.sampled_from(["cut", "flip", "length"]))
    at = data.draw(st.integers(0, len(octets) - 1))
    if damage == "cut":
        del octets[at:]
    elif damage == "flip":
        octets[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        octets[at : at + 4] = data.draw(
            st.sampled_from([b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\4\0\1"])
        )
    try:
        message = decode_message(bytes(octets))
        check_request(message.header)
        wire.decode_request(message.header.op, message.body)
    except WireError as refused:
        assert refused.rc in (4, 102, 202, 500)  # noqa: PT017 - damage may also go unnoticed


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(Op)),
    st.sampled_from([1, 302, 402, 404]),
    st.sampled_from([0, RETURN_DIGEST]),
    st.binary(max_size=80),
)
def test_any_octets_are_a_body_or_refused(op: int, rc: int, flags: int, body: bytes) -> None:
    for reading in (lambda: wire.decode_request(op, body), lambda: decode_answer(Header(op, rc, flags), body)):
        try:
            reading()
        except WireError as refused:
            assert refused.rc in (4, 102, 202)  # noqa: PT017 - a body is allowed too


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_octets_are_a_credential_or_refused(octets: bytes) -> None:
    try:
        read_credential(OctetReader(string(octets)))
    except WireError as refused:
        assert refused.rc == 4  # noqa: PT017 - a credential is allowed too


def decoded(octets: bytes) -> wire.Request | None:
    message = decode_message(octets)
    check_request(message.header)
    return wire.decode_request(message.header.op, message.body)


@pytest.mark.parametrize(
    "name",
    [
        "message_shorter_than_header",
        "message_length_negative",
        "message_length_over_limit",
        "body_length_beyond_message",
        "string_length_beyond_body",
        "count_2147483647",
        "value_count_huge",
        "credential_length_beyond_message",
        "compressed_flag",
    ],
)
def test_recorded_malformed_requests_are_refused_with_a_protocol_error(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WireError) as refused:
            decoded(malformed(name))
        assert refused.value.rc == 4
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_an_expired_request_is_read_like_any_other() -> None:
    assert decoded(malformed("expired_request")) == wire.Resolution("20.500.999/T1", (1,))


@pytest.mark.parametrize(
    ("name", "rc"),
    [
        (b"", 102),
        (b"\xff/x", 102),
        (b"20.500/\xc3", 102),
        (b"20.500/a\0b", 102),
        (b"20.500/\x1f", 102),
        (b"20.500/\x7f", 102),
        (b"x" * 2_049, 102),
        (b"x" * 2_048, None),
        ("20.500/泵\u0085".encode(), None),
        (b"/", None),
        (b"0", None),
    ],
)
@pytest.mark.parametrize("op", [Op.RESOLUTION, Op.CREATE_HANDLE, Op.DELETE_HANDLE, Op.HOME_PREFIX, Op.LIST_HANDLES])
def test_names_that_are_none_are_invalid_handles(op: int, name: bytes, rc: int | None) -> None:
    body = string(name) + bytes(8)
    if rc is None:
        assert wire.decode_request(op, body) is not None
        return
    with pytest.raises(WireError) as refused:
        wire.decode_request(op, body)
    assert refused.value.rc == rc


def test_a_name_longer_than_its_message_is_a_protocol_error() -> None:
    for length in (14, 2_049, 2**31, 2**32 - 1):
        with pytest.raises(WireError) as refused:
            wire.decode_request(Op.RESOLUTION, length.to_bytes(4, "big") + b"20.500.999/T1")
        assert refused.value.rc == 4


def test_more_values_than_a_record_holds_are_an_invalid_value() -> None:
    many = encode_value(Value(1, "", b"")) * (VALUES_PER_RECORD_MAX + 1)
    with pytest.raises(WireError) as refused:
        wire.decode_request(Op.CREATE_HANDLE, string(b"a/b") + (VALUES_PER_RECORD_MAX + 1).to_bytes(4, "big") + many)
    assert refused.value.rc == 202


def test_a_type_that_is_no_text_is_an_invalid_value() -> None:
    value = encode_value(Value(1, "T", b"")).replace(b"T", b"\xff")
    with pytest.raises(WireError) as refused:
        wire.decode_request(Op.ADD_VALUE, string(b"a/b") + b"\0\0\0\1" + value)
    assert refused.value.rc == 202


def test_operations_nobody_knows_have_no_body_to_refuse() -> None:
    for op in (3, 107, 999, 1_000, 2_000, 2**32 - 1):
        assert wire.decode_request(op, b"\xff") is None


def test_headers_no_request_may_have_are_refused() -> None:
    for header in (Header(0, 0, 0), Header(1, 1, 0), Header(1, 402, 0)):
        with pytest.raises(WireError) as refused:
            check_request(header)
        assert refused.value.rc == 4
    check_request(Header(999, 0, 0xFFFFFFFF))


def test_octets_after_the_types_are_a_token_or_nothing() -> None:
    body = wire.encode_request(wire.Resolution("a/b"))
    for rest, token in ((b"", None), (bytes(4), ""), (string(b"jwt"), "jwt"), (b"\0\0", None), (b"\xff" * 9, None)):
        found = wire.decode_request(Op.RESOLUTION, body + rest)
        assert isinstance(found, wire.Resolution)
        assert found.token == token


def test_what_is_ignored_may_be_anything() -> None:
    for op in (Op.GET_SITE_INFO, Op.LIST_HOMED_PREFIXES, Op.SESSION_TERMINATE):
        assert wire.decode_request(op, string(b"\xff\0")) is not None
    assert wire.decode_request(Op.SESSION_TERMINATE, b"") == wire.SessionTerminate()


def test_a_session_set_up_may_lack_its_last_two_octets() -> None:
    setup = wire.SessionSetup(3, 0, "", wire.INDEX_NONE, b"", "88.111.1/admin", 300)
    body = wire.encode_request(setup)
    assert body.endswith(b"\0\0")
    assert wire.decode_request(Op.SESSION_SETUP, body[:-2]) == setup


def test_a_length_that_no_digest_has_is_refused() -> None:
    head = string(b"a/b") + bytes(4) + string(b"nonce")
    for digest in (string(bytes(17)), bytes(4), b"\x04" + bytes(64)):
        with pytest.raises(WireError):
            wire.decode_request(Op.VERIFY_CHALLENGE, head + digest + bytes(4))


@pytest.mark.parametrize(
    ("name", "prefix", "record"),
    [
        ("20.500", "20.500", "0.NA/20.500"),
        ("0.NA/20.500", "20.500", "0.NA/20.500"),
        ("0.na/20.500", "20.500", "0.na/20.500"),
        ("0.NA/x/y", None, "0.NA/x/y"),
        ("20.500/x", None, "20.500/x"),
        ("0.NA/", None, "0.NA/"),
    ],
)
def test_prefixes_are_named_in_two_ways(name: str, prefix: str | None, record: str) -> None:
    assert (prefix_named(name), record_named(name)) == (prefix, record)


def test_the_messages_of_the_industrial_internet_client_are_read() -> None:
    asked = {
        "idis_resolve_request": wire.Resolution("88.111.1/test", token=""),
        "idis_prefix_site_lookup_request": wire.Resolution("88.111.1", (), ("HS_SITE",), ""),
        "idis_heartbeat_request": wire.Resolution("0", token=""),
        "idis_home_na_request": wire.HomePrefix("88.111.1"),
        "idis_login_1_get_site_info_request": wire.GetSiteInfo("/"),
        "idis_session_setup_request": wire.SessionSetup(
            3, 86_400, "", wire.INDEX_NONE, key_handle="88.111.1/admin", key_index=300
        ),
    }
    for name, expected in asked.items():
        message = single(name)
        assert wire.decode_request(message.header.op, message.body) == expected, name
        assert wire.encode_request(expected) in (message.body, message.body[:-4]), name


def test_an_encrypted_message_needs_a_session() -> None:
    octets = bytearray(encode_message(make_message(Envelope(OURS, 0, OURS, 0, 7, 0, 0), Header(1, 0, 0), b"")))
    octets[2] |= 0x40
    with pytest.raises(WireError) as refused:
        decode_message(bytes(octets))
    assert refused.value.rc == 500


def test_old_dsa_credentials_name_no_algorithm() -> None:
    credential = Credential("HS_DSAPUBKEY", "", b"signature")
    octets = encode_credential(credential)
    assert read_credential(OctetReader(octets)) == credential
    assert read_credential(OctetReader(b"")) is None
    for short in (1, 2, 3):
        with pytest.raises(WireError):
            read_credential(OctetReader(octets[:short]))


def test_the_largest_hostile_list_takes_linear_memory() -> None:
    body = string(b"a/b") + (65_000).to_bytes(4, "big") + bytes(4 * 65_000) + bytes(4)
    tracemalloc.start()
    try:
        assert wire.decode_request(Op.RESOLUTION, body) is not None
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    (event,) = framed((single_octets(body),), "tcp", answers=False)
    assert isinstance(event, Framed)


def single_octets(body: bytes) -> bytes:
    message: Message = make_message(Envelope(OURS, 0, OURS, 0, 7, 0, 0), Header(1, 0, 0), body)
    octets = encode_message(message)
    assert parse_envelope(octets).length == len(octets) - 20
    return octets
