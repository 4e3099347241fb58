"""What holds for every answer of the Handle server, whatever was asked (handle wire 2, 3, 7, 11, 12, 13.1)."""

import time

from identifiers.handle_wire.answers import Challenge, decode_answer
from identifiers.handle_wire.codes import (
    CERTIFY,
    COMPRESSED,
    EXPIRATION_SECONDS,
    MESSAGE_OCTETS_MAX,
    RETURN_DIGEST,
    TRUNCATED,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.digests import digest_of
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, parse_envelope
from identifiers.handle_wire.header import HEADER_OCTETS, Header, parse_header
from identifiers.handle_wire.message import Message, parse_message
from identifiers.handle_wire.versions import OURS, effective

SENT: frozenset[int] = frozenset(set(ResponseCode) - {300, 303, 503, 504, 601, 602})
"""The codes that are ever sent; 303 besides, to peers below 2.5, for read-only."""
_WITHOUT_TEXT = (1, 302, 303, 402)


def check_answer(octets: bytes, envelope: Envelope, part: bytes, *, more: bool = False) -> Message:
    """Return one answer in the clear to a request, after asserting that it can be nothing else's answer.

    `part` is the request's message part as the server had it, `more` whether other parts of a list came before.
    """
    answer = parse_envelope(octets)
    assert len(octets) == ENVELOPE_OCTETS + answer.length <= ENVELOPE_OCTETS + MESSAGE_OCTETS_MAX
    assert not answer.flags & (COMPRESSED | TRUNCATED)
    assert not answer.is_encrypted
    assert (answer.request_id, answer.sequence, answer.suggested) == (envelope.request_id, 0, OURS)
    assert answer.version == envelope.answer_version
    message = parse_message(answer, octets[ENVELOPE_OCTETS:])
    header = message.header
    assert len(octets) == ENVELOPE_OCTETS + HEADER_OCTETS + header.body_length + len(message_credential(octets, header))
    assert header.rc in SENT or (header.rc == ResponseCode.PREFIX_REFERRAL and effective(answer.version) < (2, 5))
    assert bool(header.flags & CERTIFY) == (message.credential is not None)
    assert abs(header.expiration - EXPIRATION_SECONDS - time.time()) < 60
    asked = parse_header(part) if len(part) >= HEADER_OCTETS and not envelope.is_encrypted else None
    _check_numbers(answer, header, envelope, asked, more=more)
    _check_body(message, asked, part)
    return message


def message_credential(octets: bytes, header: Header) -> bytes:
    """Return the octets behind the body: four zeros where there is no credential."""
    return octets[ENVELOPE_OCTETS + HEADER_OCTETS + header.body_length :]


def _check_numbers(answer: Envelope, header: Header, envelope: Envelope, asked: Header | None, *, more: bool) -> None:
    assert (header.op, header.rc) != (Op.CHALLENGE_RESPONSE, ResponseCode.SUCCESS)
    if asked is None:
        assert header.op == 0
    elif asked.op != Op.CHALLENGE_RESPONSE:
        assert header.op == asked.op
    begins = header.rc == 402 or (header.op == Op.SESSION_SETUP and header.rc == 1)
    if envelope.session_id == 0 and begins:
        assert 0 < answer.session_id <= 0x7FFFFFFF
    elif asked is None or asked.op not in (Op.CHALLENGE_RESPONSE, Op.SESSION_SETUP):
        assert answer.session_id == envelope.session_id
    assert not more or header.op in (105, 106, 302)


def _check_body(message: Message, asked: Header | None, part: bytes) -> None:
    """Assert that the body can be read, its digest is where the flag says, and errors have a text."""
    header = message.header
    body, digest = decode_answer(header, message.body)
    if isinstance(body, Challenge):
        digest = body.digest
    elif bool(header.flags & RETURN_DIGEST) != (digest is not None):
        raise AssertionError("the digest is not where the flag says")
    if digest is not None and asked is not None and header.op == asked.op:
        content = part[: HEADER_OCTETS + asked.body_length]
        assert digest == digest_of(content, digest.algorithm)
    if header.rc not in _WITHOUT_TEXT:
        assert len(message.body) >= 4 + (0 if digest is None else 1 + len(digest.octets))
