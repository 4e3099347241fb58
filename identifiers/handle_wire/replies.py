"""Making answers: what every answer repeats from its request, and what it adds (handle wire 2, 3, 12, 13.1)."""

import msgspec

from identifiers.handle_wire.answers import Answer, Challenge, Failure, encode_answer_body, encode_old_challenge
from identifiers.handle_wire.codes import (
    AUTHORITATIVE,
    CERTIFY,
    CONTINUES,
    COPIED_FLAGS,
    EXPIRATION_SECONDS,
    KEEP_CONNECTION,
    MINT_SUFFIX,
    OVERWRITE,
    RECURSIVE,
    RETURN_DIGEST,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.digests import encode_digest, request_digest
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.message import Message, make_message
from identifiers.handle_wire.versions import OURS, code_for, has_digest


class Site(msgspec.Struct, frozen=True, gc=False):
    """What answers say about this server: the serial of its site record, and whether it is a primary."""

    serial: int = 1
    is_primary: bool = True


class Replying(msgspec.Struct, frozen=True, gc=False):
    """What is known of the request when it is answered.

    ``envelope`` is that of the message on the wire, whose request id the answer has. ``header`` and ``content`` are
    those of the request that is answered: the original one, when a challenge response brought it back; ``session_id``
    then is the original's. An undecodable request has the header as far as it was read, and no content.
    """

    envelope: Envelope
    header: Header
    content: bytes
    session_id: int


def replying_to(request: Message) -> Replying:
    """Answer a request."""
    return Replying(request.envelope, request.header, request.content, request.envelope.session_id)


def replying_through(response: Message, original: Message) -> Replying:
    """Answer the original request on behalf of the challenge response that authenticated it (handle wire 13.1)."""
    return Replying(response.envelope, original.header, original.content, original.envelope.session_id)


def replying_to_fragment(envelope: Envelope, header: Header | None = None) -> Replying:
    """Answer a message that could not be decoded: with as much of it as was read."""
    known = header or Header(0, 0, 0)
    return Replying(envelope, known, b"", envelope.session_id)


def reply(
    to: Replying,
    answer: Answer,
    rc: int = ResponseCode.SUCCESS,
    *,
    now_s: int,
    site: Site,
    session_id: int | None = None,
    more: bool = False,
    overwrote: bool = False,
    keeps_connection: bool = False,
    certified: bool = True,
) -> Message:
    """Return the answer as a message without credential; ``signing`` adds one, ``encode_message`` makes octets of it.

    ``now_s`` counts seconds since 1970. ``session_id`` replaces the request's, in challenges and session set-ups.
    ``more``: another message with this request id follows. ``overwrote``: something that existed was replaced.
    ``keeps_connection``: the connection stays open because the request asked for it. ``certified`` False clears the
    flag CERTIFY, for answers that are not signed although the request wanted it.
    """
    version = to.envelope.answer_version
    body, with_digest = _body(to, answer, rc)
    flags = to.header.flags & COPIED_FLAGS | RECURSIVE
    if to.header.op == Op.CREATE_HANDLE:
        flags |= to.header.flags & MINT_SUFFIX
    for bit, is_set in (
        (AUTHORITATIVE, site.is_primary),
        (CONTINUES, more),
        (OVERWRITE, overwrote),
        (KEEP_CONNECTION, keeps_connection),
        (RETURN_DIGEST, with_digest),
    ):
        if is_set:
            flags |= bit
    if not certified:
        flags &= ~CERTIFY
    session = to.session_id if session_id is None else session_id
    envelope = Envelope(version, 0, OURS, session, to.envelope.request_id, 0, 0)
    header = Header(
        to.header.op, code_for(rc, version), flags, site.serial, to.header.recursion, now_s + EXPIRATION_SECONDS
    )
    return make_message(envelope, header, body)


def refuse(to: Replying, rc: int, text: str = "", *, now_s: int, site: Site, certified: bool = True) -> Message:
    """Return an answer that says no. ``text`` is one line for people, without internal detail."""
    return reply(to, Failure(text), rc, now_s=now_s, site=site, certified=certified)


def use_tcp(to: Replying, *, now_s: int, site: Site) -> Message:
    """Return what sends a client from UDP to TCP (handle wire 19.3): 52 octets, unsigned."""
    return refuse(to, ResponseCode.ERROR, now_s=now_s, site=site, certified=False)


def challenge(to: Replying, nonce: bytes, session_id: int, *, now_s: int, site: Site) -> Message:
    """Return the challenge to a request. ``nonce`` is 16 fresh random octets; remember it, and the digest in it."""
    return reply(
        to,
        challenge_to(to, nonce),
        ResponseCode.AUTHENTICATION_NEEDED,
        now_s=now_s,
        site=site,
        session_id=session_id,
    )


def challenge_to(to: Replying, nonce: bytes) -> Challenge:
    """Return the nonce together with the digest of the request that is challenged."""
    return Challenge(request_digest(to.content, to.envelope.answer_version), nonce)


def _body(to: Replying, answer: Answer, rc: int) -> tuple[bytes, bool]:
    """Return the body and whether it begins with a digest."""
    version = to.envelope.answer_version
    modern = has_digest(version)
    if isinstance(answer, Challenge) and rc == ResponseCode.AUTHENTICATION_NEEDED:
        return (encode_answer_body(answer), True) if modern else (encode_old_challenge(answer), False)
    body = encode_answer_body(answer)
    is_login = to.header.op == Op.LOGIN and rc == ResponseCode.SUCCESS  # its success has an empty body
    if modern and to.content and to.header.flags & RETURN_DIGEST and not is_login:
        return encode_digest(request_digest(to.content, version)) + body, True
    return body, False
