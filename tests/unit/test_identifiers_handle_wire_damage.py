"""Every recorded message, cut, flipped and lied about: a value or one error, the same on both paths, in linear time."""

import random
from contextlib import suppress
from time import process_time

import pytest

from identifiers.handle_wire.answers import decode_answer
from identifiers.handle_wire.keys import KeyUnusable, load_public_key
from identifiers.handle_wire.message import check_request, decode_message
from identifiers.handle_wire.proofs import parse_key_proof, parse_secret_proof
from identifiers.handle_wire.quick import quick_resolution
from identifiers.handle_wire.requests import Resolution, decode_request, encode_request
from identifiers.handle_wire.sessions import parse_dh_key, parse_dh_offer
from identifiers.handle_wire.tcp import Refused, StreamFramer
from identifiers.handle_wire.udp import Reassembler
from identifiers.octets import WireError
from tests.handle_vectors import steps, vectors

RECORDED = [packet for step in steps() for packet in (*step.requests, *step.answers)] + [
    bytes.fromhex(entry["hex"]) for entry in vectors()["messages"]
]
KEYS = [
    bytes.fromhex(vectors()["keys"]["server_public_key_hex"]),
    vectors()["keys"]["idis_rsa_public_pem"].encode(),
    vectors()["keys"]["idis_sm2_public_pem"].encode(),
]
LIES = (b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\4\0\1", bytes(4), b"\0\0\x08\1")
CODES = {4, 102, 202, 500}


def damaged(octets: bytes, rng: random.Random) -> bytes:
    changed = bytearray(octets)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                del changed[at:]
            case 2:
                changed[at : at + 4] = rng.choice(LIES)
            case _:
                changed[at:at] = rng.randbytes(rng.randrange(6))
    if rng.randrange(3):  # most get further with a length that is right
        changed[16:20] = max(0, len(changed) - 20).to_bytes(4, "big")
    return bytes(changed)


def check_message(octets: bytes) -> None:
    quick = quick_resolution(octets)
    try:
        message = decode_message(octets)
        check_request(message.header)
        request = decode_request(message.header.op, message.body)
    except WireError as refused:
        assert refused.rc in CODES  # noqa: PT017 - damage may also go unnoticed
        assert quick is None
        return
    if request is not None:
        assert decode_request(message.header.op, encode_request(request)) == request
    if quick is not None:
        assert isinstance(request, Resolution)
        assert (quick[0], quick[2], quick[3]) == (request.name, request.indexes, request.types)


def check_answer(octets: bytes) -> None:
    try:
        message = decode_message(octets)
        decode_answer(message.header, message.body)
    except WireError as refused:
        assert refused.rc in CODES  # noqa: PT017 - as above


def check_small_parts(octets: bytes, rng: random.Random) -> None:
    key = damaged(rng.choice(KEYS), rng)
    with suppress(KeyUnusable):
        load_public_key(key)
    for parse in (parse_dh_key, parse_dh_offer, parse_secret_proof, parse_key_proof):
        try:
            parse(rng.choice((key, octets[44:])))
        except WireError as refused:
            assert refused.rc in (4, 406, 501)  # noqa: PT017 - as above


def check_framing(octets: bytes, reassembler: Reassembler, now_s: float) -> None:
    framer = StreamFramer()
    framer.feed(octets)
    events = [*framer.events(), reassembler.feed(("192.0.2.1", 1), octets[:512], now_s)]
    assert {event.error.rc for event in events if isinstance(event, Refused)} <= {2, 4}
    assert framer.pending <= len(octets)
    assert len(reassembler) <= 8


def damage_everything(rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    reassembler = Reassembler()
    for number in range(rounds):
        octets = damaged(rng.choice(RECORDED), rng)
        check_message(octets)
        check_answer(octets)
        check_framing(octets, reassembler, number / 100)
        check_small_parts(octets, rng)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_to_a_recorded_message_goes_beyond_its_errors(seed: int) -> None:
    damage_everything(1_000, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
def test_much_damage_goes_no_further(seed: int) -> None:
    damage_everything(50_000, seed)


def test_every_beginning_of_every_recorded_message_is_refused_or_read() -> None:
    for octets in RECORDED:
        for end in {*range(min(len(octets), 70)), len(octets) // 2, len(octets) - 1}:
            check_message(octets[:end])
            check_answer(octets[:end])


def test_octet_by_octet_a_long_message_costs_no_more_than_its_length() -> None:
    def cost_s(octets: int) -> float:
        framer = StreamFramer()
        framer.feed(b"\2\x0b\x22\x0b" + bytes(7) + b"\1" + bytes(4) + octets.to_bytes(4, "big"))
        started = process_time()
        for _ in range(octets - 1):
            framer.feed(b"\2")
            assert not list(framer.events())
        return process_time() - started

    cost_s(100)
    assert cost_s(20_000) < 12 * cost_s(4_000) + 0.1
