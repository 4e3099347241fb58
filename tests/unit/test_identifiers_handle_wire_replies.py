"""Answers: given what a recorded server decided, ours are the same octets; and what each version gets."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from identifiers.handle_wire.answers import Created, Done, Failure, Names, Resolved, decode_answer
from identifiers.handle_wire.codes import (
    CERTIFY,
    CONTINUES,
    KEEP_CONNECTION,
    MINT_SUFFIX,
    OVERWRITE,
    RETURN_DIGEST,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.digests import digest_of
from identifiers.handle_wire.envelope import Envelope, parse_envelope
from identifiers.handle_wire.header import Header, parse_header
from identifiers.handle_wire.message import Message, encode_message, make_message
from identifiers.handle_wire.replies import (
    Replying,
    Site,
    challenge,
    challenge_to,
    refuse,
    reply,
    replying_through,
    replying_to,
    replying_to_fragment,
    use_tcp,
)
from identifiers.handle_wire.requests import Login, Resolution, encode_request
from identifiers.handle_wire.versions import OURS, Version, answer_version, digest_algorithm, knows_sessions
from identifiers.values import Value
from tests.handle_vectors import framed, malformed, message, single, steps

SITE = Site(serial=1)
NOW_S = 1_800_000_000


class Recorded(NamedTuple):
    to: Replying
    answer: Message


def recorded() -> Iterator[tuple[str, Recorded]]:
    original: Message | None = None
    for step in steps():
        (request,) = [message(event, step.key) for event in framed(step.requests, step.transport, answers=False)]
        if request is None:
            continue
        for event in framed(step.answers, step.transport, answers=True):
            answer = message(event, step.key)
            if answer is None or answer.envelope.request_id == 2**32 - 1:  # refusals of a kind we do not send
                continue
            to = replying_to(request)
            if (
                request.header.op == Op.CHALLENGE_RESPONSE
                and original is not None
                and answer.header.op != request.header.op
            ):
                to = replying_through(request, original)
            yield step.name, Recorded(to, answer)
            if answer.header.rc == ResponseCode.AUTHENTICATION_NEEDED:
                original = request


RECORDED = dict(recorded())


@pytest.mark.parametrize("name", RECORDED)
def test_the_same_decision_gives_the_same_octets(name: str) -> None:
    to, answer = RECORDED[name]
    body = decode_answer(answer.header, answer.body).body
    made = reply(
        to,
        body,
        answer.header.rc,
        now_s=answer.header.expiration - 43_200,
        site=SITE,
        session_id=answer.envelope.session_id,
        more=bool(answer.header.flags & CONTINUES),
        overwrote=bool(answer.header.flags & OVERWRITE),
    )
    assert made.content == answer.content
    assert made.envelope == answer.envelope._replace(length=0, flags=0)


def request(
    asked: Resolution | Login | None = None,
    *,
    version: tuple[int, int] = (2, 11),
    suggested: tuple[int, int] = (0, 0),
    flags: int = 0,
    op: int = Op.RESOLUTION,
) -> Message:
    envelope = Envelope(Version(*version), 0, Version(*suggested), 5, 6, 0, 0)
    return make_message(envelope, Header(op, 0, flags, recursion=3), encode_request(asked or Resolution("20.500/x")))


def test_an_answer_repeats_the_numbers_of_its_request() -> None:
    made = reply(replying_to(request()), Done(), now_s=NOW_S, site=Site(9, is_primary=False))
    assert (made.envelope.session_id, made.envelope.request_id, made.envelope.suggested) == (5, 6, OURS)
    assert (made.header.op, made.header.serial, made.header.recursion) == (Op.RESOLUTION, 9, 3)
    assert made.header.expiration == NOW_S + 43_200
    assert made.header.flags == 0x10000000


@pytest.mark.parametrize(
    ("version", "suggested", "answered"),
    [
        ((2, 11), (2, 11), (2, 11)),
        ((2, 10), (2, 11), (2, 11)),
        ((2, 7), (0, 0), (2, 7)),
        ((2, 12), (2, 12), (2, 11)),
        ((3, 0), (3, 0), (2, 11)),
        ((4, 1), (0, 0), (2, 11)),
        ((2, 1), (0, 0), (2, 1)),
        ((2, 0), (0, 0), (2, 0)),
        ((1, 0), (0, 0), (1, 0)),
        ((5, 0), (0, 0), (5, 0)),
        ((2, 3), (2, 11), (2, 11)),
        ((2, 11), (2, 5), (2, 5)),
    ],
)
def test_versions_are_answered_as_the_table_says(
    version: tuple[int, int], suggested: tuple[int, int], answered: tuple[int, int]
) -> None:
    assert answer_version(Version(*version), Version(*suggested)) == answered
    made = reply(replying_to(request(version=version, suggested=suggested)), Done(), now_s=NOW_S, site=SITE)
    assert made.envelope.version == answered
    assert made.envelope.suggested == OURS


@pytest.mark.parametrize(
    ("version", "algorithm", "sessions"),
    [
        ((2, 11), 3, True),
        ((2, 7), 3, True),
        ((2, 6), 2, False),
        ((2, 1), 2, False),
        ((2, 0), 1, False),
        ((5, 0), 1, False),
    ],
)
def test_digests_and_sessions_depend_on_the_version(version: tuple[int, int], algorithm: int, sessions: bool) -> None:  # noqa: FBT001 - a column of the table
    assert digest_algorithm(Version(*version)) == algorithm
    assert knows_sessions(Version(*version)) is sessions


def test_a_request_digest_is_there_exactly_when_its_flag_is() -> None:
    wanted = request(flags=RETURN_DIGEST)
    made = reply(replying_to(wanted), Failure("no"), ResponseCode.HANDLE_NOT_FOUND, now_s=NOW_S, site=SITE)
    assert made.header.flags & RETURN_DIGEST
    assert decode_answer(made.header, made.body) == (Failure("no"), digest_of(wanted.content, 3))
    for unwanted in (request(), request(flags=RETURN_DIGEST, version=(2, 0))):
        made = reply(replying_to(unwanted), Done(), now_s=NOW_S, site=SITE)
        assert not made.header.flags & RETURN_DIGEST
        assert made.body == b""


def test_the_success_of_a_login_has_an_empty_body() -> None:
    login = request(Login("20.500/u", 300), flags=0x10800000, op=Op.LOGIN)
    made = reply(replying_to(login), Done(), now_s=NOW_S, site=SITE)
    assert (made.body, made.header.flags & RETURN_DIGEST) == (b"", 0)
    recorded_success = single("idis_login_5_success_response")
    assert (recorded_success.header.op, recorded_success.header.rc, recorded_success.body) == (Op.LOGIN, 1, b"")


def test_a_challenge_carries_the_digest_whatever_was_asked() -> None:
    plain = request()
    made = challenge(replying_to(plain), bytes(range(16)), 77, now_s=NOW_S, site=SITE)
    assert (made.header.rc, made.header.op, made.envelope.session_id) == (402, Op.RESOLUTION, 77)
    assert made.header.flags & RETURN_DIGEST
    assert made.body.hex() == "03" + digest_of(plain.content, 3).octets.hex() + "00000010" + bytes(range(16)).hex()
    assert made.header.body_length == 53
    assert decode_answer(made.header, made.body).body == challenge_to(replying_to(plain), bytes(range(16)))


def test_old_peers_get_the_old_challenge() -> None:
    made = challenge(replying_to(request(version=(2, 0), flags=RETURN_DIGEST)), bytes(16), 77, now_s=NOW_S, site=SITE)
    assert not made.header.flags & RETURN_DIGEST
    assert len(made.body) == 40
    assert made.body[:20] == b"\0\0\0\x10" + bytes(16)


def test_flags_are_copied_set_and_cleared_as_the_table_says() -> None:
    every = request(flags=0xFFFFFFFF, op=Op.CREATE_HANDLE)
    made = reply(replying_to(every), Created("20.500/x"), now_s=NOW_S, site=SITE)
    assert made.header.flags == 0xF9B00000
    everything = reply(
        replying_to(every), Done(), now_s=NOW_S, site=SITE, more=True, overwrote=True, keeps_connection=True
    )
    assert everything.header.flags == 0xF9B00000 | CONTINUES | OVERWRITE | KEEP_CONNECTION
    other = reply(replying_to(request(flags=0xFFFFFFFF)), Done(), now_s=NOW_S, site=SITE)
    assert not other.header.flags & MINT_SUFFIX
    backup = reply(replying_to(request()), Done(), now_s=NOW_S, site=Site(is_primary=False))
    assert backup.header.flags == 0x10000000


@pytest.mark.parametrize(
    ("version", "code", "sent"), [((2, 4), 7, 303), ((2, 4), 202, 201), ((2, 5), 7, 7), ((2, 11), 202, 202)]
)
def test_old_peers_get_the_codes_they_know(version: tuple[int, int], code: int, sent: int) -> None:
    made = refuse(replying_to(request(version=version)), code, now_s=NOW_S, site=SITE)
    assert made.header.rc == sent


def test_what_sends_a_client_to_tcp_has_52_octets_and_no_signature() -> None:
    made = encode_message(use_tcp(replying_to(request(flags=CERTIFY)), now_s=NOW_S, site=SITE))
    assert len(made) == 52
    header = parse_header(made[20:])
    assert (header.rc, header.flags & CERTIFY) == (ResponseCode.ERROR, 0)


def test_an_error_has_a_text_even_when_it_says_nothing() -> None:
    made = refuse(replying_to(request()), 200, now_s=NOW_S, site=SITE)
    assert made.body == bytes(4)


def test_a_long_text_is_cut_between_characters() -> None:
    made = refuse(replying_to(request()), 2, "泵" * 1_000, now_s=NOW_S, site=SITE)
    answer = decode_answer(made.header, made.body).body
    assert answer == Failure("泵" * 333)


def test_a_request_nobody_could_read_is_answered_with_what_was_read() -> None:
    octets = malformed("body_length_beyond_message")
    envelope, header = parse_envelope(octets), parse_header(octets[20:])
    made = refuse(replying_to_fragment(envelope, header), 4, "too short", now_s=NOW_S, site=SITE)
    assert (made.envelope.request_id, made.header.op, made.header.rc) == (81, 1, 4)
    blind = refuse(replying_to_fragment(envelope._replace(version=Version(9, 9))), 4, now_s=NOW_S, site=SITE)
    assert (blind.envelope.version, blind.header.op, blind.header.flags) == (OURS, 0, 0x90000000)


def test_parts_of_a_list_say_that_more_follows() -> None:
    asked = replying_to(request(flags=RETURN_DIGEST, op=Op.LIST_HANDLES))
    parts = [reply(asked, Names((name,)), now_s=NOW_S, site=SITE, more=name != "c") for name in "abc"]
    assert [bool(part.header.flags & CONTINUES) for part in parts] == [True, True, False]
    assert len({decode_answer(part.header, part.body).digest for part in parts}) == 1


def test_the_example_of_a_resolution_is_met_octet_for_octet() -> None:
    asked = bytes.fromhex(
        "020b020b000000005531e54d000000000000003c000000010000000019000000000100006b03969a00000020"
        "0000000d32302e3530302e3939392f543100000000000000010000000355524c00000000"
    )
    (event,) = framed((asked,), "tcp", answers=False)
    clear = message(event, None)
    assert clear is not None
    value = Value(1, "URL", b"https://example.com/item/1", timestamp=1_704_067_200)
    made = reply(replying_to(clear), Resolved("20.500.999/T1", (value,)), now_s=0x6B03969A - 43_200, site=SITE)
    assert encode_message(made).hex() == (
        "020b020b000000005531e54d0000000000000068000000010000000199000000000100006b03969a0000004c"
        "0000000d32302e3530302e3939392f543100000001000000016592008000000151800e0000000355524c"
        "0000001a68747470733a2f2f6578616d706c652e636f6d2f6974656d2f310000000000000000"
    )


def test_the_codes_are_those_of_the_table() -> None:
    groups = [range(1, 8), range(100, 103), range(200, 203), range(300, 304), range(400, 407), range(601, 606)]
    assert set(ResponseCode) == {code for group in groups for code in group} | {500, 501, 502, 503, 504, 505}
