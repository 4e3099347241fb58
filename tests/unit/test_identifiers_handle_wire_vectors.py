"""Every recorded exchange with existing software decodes to what it says, and encodes to the same octets."""

from typing import Any

import pytest

from identifiers.handle_wire import sessions
from identifiers.handle_wire.answers import (
    Challenge,
    decode_answer,
    encode_answer_body,
    encode_old_challenge,
)
from identifiers.handle_wire.codes import RETURN_DIGEST, Op
from identifiers.handle_wire.credential import MAC, SIGNED
from identifiers.handle_wire.digests import digest_of, encode_digest
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import load_public_key
from identifiers.handle_wire.message import Message, encode_message, parse_message
from identifiers.handle_wire.requests import decode_request, encode_request
from identifiers.handle_wire.signing import authenticated, is_authenticated, is_signed_by
from identifiers.handle_wire.udp import packets
from identifiers.octets import WireError
from tests.handle_vectors import Step, framed, message, steps, vectors

STEPS = {step.name: step for step in steps()}
NO_CREDENTIAL_FIELD = {"resolve_no_credential_field[0]"}
OCTETS_AFTER_BODY = {"resolve_trailing_bytes_tolerated[0]"}
"""Requests whose leniency is not written back."""


def requests_of(step: Step) -> list[Message]:
    found = [message(event, step.key) for event in framed(step.requests, step.transport, answers=False)]
    return [request for request in found if request is not None]


def answers_of(step: Step) -> list[Message]:
    found = [message(event, step.key) for event in framed(step.answers, step.transport, answers=True)]
    return [answer for answer in found if answer is not None]


def shown(envelope: Envelope, header: Header | None) -> dict[str, Any]:
    fields = {
        "version": "{}.{}".format(*envelope.version),
        "session_id": envelope.session_id,
        "request_id": envelope.request_id,
    }
    if header is None:
        return {**fields, "encrypted": True}
    return {
        **fields,
        "suggested": "{}.{}".format(*envelope.suggested),
        "op": header.op,
        "rc": header.rc,
        "flags": f"{header.flags:08x}",
        "body_length": header.body_length,
    }


@pytest.mark.parametrize("name", STEPS)
def test_every_recorded_message_shows_its_documented_fields(name: str) -> None:
    step = STEPS[name]
    (event,) = framed(step.requests, step.transport, answers=False)
    decoded = [(event, step.decoded["request"])]
    decoded += zip(framed(step.answers, step.transport, answers=True), step.decoded["responses"], strict=True)
    for event, documented in decoded:
        clear = None if event.envelope.is_encrypted else parse_message(event.envelope, event.part)
        assert shown(event.envelope, clear and clear.header) == documented


@pytest.mark.parametrize("name", STEPS)
def test_every_recorded_message_is_written_as_it_came(name: str) -> None:
    step = STEPS[name]
    recorded = [(step.requests, False), (step.answers, True)]
    for octets, is_answer in recorded:
        written: list[bytes] = []
        for event in framed(octets, step.transport, answers=is_answer):
            clear = message(event, step.key)
            if clear is None:
                return  # the key was not recorded
            session = step.key if event.envelope.is_encrypted else None
            iv = event.part[:16]
            sealing = None if session is None else sessions.AESCipher(session, lambda _, iv=iv: iv)
            whole = encode_message(clear, cipher=sealing)
            if name in NO_CREDENTIAL_FIELD and not is_answer:
                whole = encode_message(clear)[:-4]
                whole = whole[:16] + (len(whole) - ENVELOPE_OCTETS).to_bytes(4, "big") + whole[ENVELOPE_OCTETS:]
            written += packets(whole) if step.transport == "udp" else [whole]
        # The recorded server leaves TRUNCATED out of its answers; every client reads them with it.
        cleared = [_without_truncated(packet) for packet in written]
        assert cleared == [_without_truncated(packet) for packet in octets]


@pytest.mark.parametrize("name", STEPS)
def test_every_recorded_body_is_written_as_it_came(name: str) -> None:
    step = STEPS[name]
    for request in requests_of(step):
        if name == "create_bad_utf8[0]":
            with pytest.raises(WireError, match="UTF-8"):
                decode_request(request.header.op, request.body)
            continue
        typed = decode_request(request.header.op, request.body)
        if typed is None:
            assert request.header.op not in set(Op)
        elif name not in OCTETS_AFTER_BODY:
            assert encode_request(typed) == request.body
    for answer in answers_of(step):
        body, digest = decode_answer(answer.header, answer.body)
        before = b"" if digest is None else encode_digest(digest)
        if isinstance(body, Challenge) and not answer.header.flags & RETURN_DIGEST:
            assert encode_old_challenge(body) == answer.body
        elif name not in ("op_106_list_derived_prefixes[0]", "op_999_unknown[0]"):  # not answers to their requests
            assert before + encode_answer_body(body) == answer.body


@pytest.mark.parametrize("name", STEPS)
def test_every_recorded_digest_signature_and_mac_is_right(name: str) -> None:
    step = STEPS[name]
    key = load_public_key(bytes.fromhex(vectors()["keys"]["server_public_key_hex"]))
    requests, answers = requests_of(step), answers_of(step)
    for answer in answers:
        if answer.credential is not None and answer.credential.type == SIGNED:
            assert is_signed_by(answer, key)
        body, digest = decode_answer(answer.header, answer.body)
        if isinstance(body, Challenge):
            digest = body.digest
        if digest is not None and requests[0].header.op == answer.header.op:
            assert digest_of(requests[0].content, digest.algorithm) == digest
    for sent in (*requests, *answers):
        if step.key is not None and sent.credential is not None and sent.credential.type == MAC:
            damaged = "damaged MAC" in name or sent.envelope.request_id == 1104
            assert is_authenticated(sent, step.key) is not damaged
            assert damaged or authenticated(sent, step.key, sent.credential.counter) == sent.credential


def _without_truncated(packet: bytes) -> bytes:
    return packet[:2] + bytes((packet[2] & ~0x20,)) + packet[3:]
