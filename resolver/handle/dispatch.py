"""The life of a message behind its transport: decoded, its session checked, then answered (handle wire 19.4).

Whatever goes wrong on the way becomes an answer with the numbers of the request: nothing well-framed stays unanswered.
"""

import logging
from collections.abc import AsyncIterator
from typing import Final

from identifiers.handle_wire.answers import Failure, SiteInfo
from identifiers.handle_wire.codes import MESSAGE_OCTETS_MAX, NOT_OVER_UDP, Op, ResponseCode
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, check_envelope
from identifiers.handle_wire.header import HEADER_OCTETS, Header, parse_header
from identifiers.handle_wire.message import Message, check_request, parse_message
from identifiers.handle_wire.replies import replying_to_fragment
from identifiers.handle_wire.requests import decode_request
from identifiers.octets import WireError
from resolver.handle.answering import Authentication
from resolver.handle.exchange import Answer, Answers, Peer, Refused, Request, error
from resolver.handle.limits import HandleLimits
from resolver.handle.resolve import Resolution
from resolver.handle.writing import Writing

log = logging.getLogger(__name__)

_NOT_HERE: Final = "Administration is not served here: use TLS, or TCP"
_DECRYPTION_FAILED: Final = "The message cannot be decrypted"


class Reply:
    """The octets of one answer message; `close` says that the connection ends after it.

    `op` is the operation that is answered, as far as it matters to a transport: also of an answer that is encrypted.
    """

    __slots__ = ("close", "octets", "op")

    def __init__(self, octets: bytes, *, close: bool = False, op: int = 0) -> None:
        self.octets = octets
        self.close = close
        self.op = op


class Dispatch:
    """Answers messages of every transport. `site` is the data of our HS_SITE."""

    def __init__(
        self,
        resolution: Resolution,
        writing: Writing,
        authentication: Authentication,
        site: bytes,
        limits: HandleLimits | None = None,
    ) -> None:
        self._resolution = resolution
        self._writing = writing
        self._authentication = authentication
        self._udp_octets = (limits or HandleLimits()).udp_answer_octets
        self._site_info = Answer(ResponseCode.SUCCESS, SiteInfo(site))

    def at_once(self, peer: Peer, envelope: Envelope, part: bytes, started: float) -> Reply | None:
        """Answer from what is at hand; None for what `later` has to answer: sessions, proofs, signatures, writes."""
        if envelope.is_encrypted and not envelope.flags & _UNDEFINED_FLAGS:
            return None
        request = self.request(peer, envelope, part, started)
        if isinstance(request, Reply):
            return request
        if request.session_id or request.message.credential is not None:
            return None
        try:
            answer = self._answer_at_once(request)
        except (Refused, WireError) as refused:
            answer = _refusal(refused)
        except Exception as defect:  # noqa: BLE001 - logged; the request is answered all the same
            answer = _defect(request, defect)
        octets = None if answer is None else self._writing.at_once(request, answer)
        return None if octets is None else Reply(self._fitting(request, octets))

    async def later(self, peer: Peer, envelope: Envelope, part: bytes, started: float) -> AsyncIterator[Reply]:
        """Answer anything: one message, or the parts of a list."""
        if envelope.is_encrypted:
            opened = await self._decrypt(peer, envelope, part)
            if isinstance(opened, Reply):
                yield opened
                return
            part = opened
        request = self.request(peer, envelope, part, started)
        if isinstance(request, Reply):
            yield request
            return
        answers = await self._answers(request)
        if isinstance(answers, Answer):
            if envelope.is_encrypted and answers.rc == ResponseCode.INVALID_SESSION_KEY:  # as if it had not decrypted
                yield self._undecipherable(envelope)
            else:
                yield await self._sealed(request, answers)
            return
        try:
            async for answer in answers:
                yield await self._sealed(request, answer)
        except (Refused, WireError) as refused:
            yield await self._sealed(request, _last(_refusal(refused)))
        except Exception as defect:  # noqa: BLE001 - as above
            yield await self._sealed(request, _last(_defect(request, defect)))

    def too_busy(self, envelope: Envelope, part: bytes) -> bytes:
        """Return the answer to a message for which there is no room."""
        return self._writing.refusal(
            replying_to_fragment(envelope, _header_of(envelope, part)), error(ResponseCode.SERVER_TOO_BUSY)
        )

    def use_tcp(self, envelope: Envelope, part: bytes) -> bytes:
        """Return the answer that sends a client from UDP to TCP (handle wire 19.3)."""
        answer = Answer(ResponseCode.ERROR, Failure(), certified=False)
        try:
            message = None if envelope.is_encrypted else parse_message(envelope, part)
        except WireError:
            message = None
        if message is None:
            return self._writing.refusal(replying_to_fragment(envelope, _header_of(envelope, part)), answer)
        request = Request(Peer("udp", ""), message, envelope.answer_version)
        return self._writing.in_the_clear(request, answer)

    def _fitting(self, request: Request, octets: bytes, original: Message | None = None) -> bytes:
        """Return an answer; in place of one that is too long for its transport an error. `original`: see Answer."""
        longest = self._udp_octets if request.peer.transport == "udp" else MESSAGE_OCTETS_MAX
        if len(octets) <= ENVELOPE_OCTETS + longest:
            return octets
        return self._writing.in_the_clear(request, error(ResponseCode.ERROR, "", original))

    def refuse(self, envelope: Envelope, refused: WireError, part: bytes = b"") -> Reply:
        """Return the answer to what cannot be decoded, with as much of the request as was read."""
        return Reply(
            self._writing.refusal(
                replying_to_fragment(envelope, _header_of(envelope, part)), error(refused.rc, refused.message)
            )
        )

    def request(self, peer: Peer, envelope: Envelope, part: bytes, started: float) -> Request | Reply:
        """Decode a message in the clear, or refuse it (steps 1, 4 and 5)."""
        try:
            check_envelope(envelope)
            message = parse_message(envelope, part)
            check_request(message.header)
        except WireError as fault:
            return self.refuse(envelope, fault, part)
        request = Request(peer, message, envelope.answer_version, started)
        if peer.transport == "udp" and request.op in NOT_OVER_UDP:
            return Reply(self.use_tcp(envelope, part))
        if request.op in NOT_OVER_UDP and not peer.administers:
            return Reply(self._writing.in_the_clear(request, error(ResponseCode.ERROR, _NOT_HERE)))
        return request

    def _answer_at_once(self, request: Request) -> Answer | None:
        if request.op == Op.RESOLUTION:
            return self._resolution.at_once(request)
        if request.op == Op.GET_SITE_INFO:
            return self._site_info
        return None if request.op in self._authentication.handlers else _unsupported(request)

    async def _answers(self, request: Request) -> Answers:
        """Return the answer or answers of a decoded request (steps 6 to 9)."""
        try:
            if request.session_id or request.message.credential is not None:
                await self._authentication.admit(request)
            if request.op == Op.RESOLUTION:
                return await self._resolution.answer(request)
            if request.op == Op.GET_SITE_INFO:
                return self._site_info
            handler = self._authentication.handlers.get(request.op)
            return _unsupported(request) if handler is None else await handler(request)
        except (Refused, WireError) as refused:
            return _refusal(refused)
        except Exception as defect:  # noqa: BLE001 - as above
            return _defect(request, defect)

    async def _decrypt(self, peer: Peer, envelope: Envelope, part: bytes) -> bytes | Reply:
        """Return the plain text; every failure to decrypt, and to decode what came of it, looks the same (15)."""
        cipher = await self._authentication.cipher(peer, envelope.session_id)
        if cipher is None:
            return self.refuse(envelope, WireError("Unknown session", 0, ResponseCode.SESSION_TIMEOUT))
        try:
            plain = cipher.decrypt(part)
            check_request(parse_message(envelope, plain).header)
        except WireError:
            return self._undecipherable(envelope)
        return plain

    def _undecipherable(self, envelope: Envelope) -> Reply:
        return self.refuse(envelope, WireError(_DECRYPTION_FAILED, 0, ResponseCode.INVALID_SESSION_KEY))

    async def _sealed(self, request: Request, answer: Answer) -> Reply:
        try:
            octets = await self._writing.sealed(request, answer)
            op = request.op if answer.original is None else answer.original.header.op
            return Reply(self._fitting(request, octets, answer.original), close=answer.close, op=op)
        except Exception:
            log.exception("an answer to operation %d could not be sealed", request.op)
            instead = error(ResponseCode.ERROR, "", answer.original)
            return Reply(self._writing.in_the_clear(request, instead), close=True)


_UNDEFINED_FLAGS: Final = 0x80


def _header_of(envelope: Envelope, part: bytes) -> Header | None:
    """Return the header as far as it can be read: not that of an encrypted message."""
    return parse_header(part) if len(part) >= HEADER_OCTETS and not envelope.is_encrypted else None


def _unsupported(request: Request) -> Answer:
    """Refuse an operation that is not known or switched off; raise WireError for one that is malformed besides."""
    decode_request(request.op, request.message.body)
    return error(ResponseCode.OPERATION_NOT_SUPPORTED, "This operation is not supported here")


def _refusal(refused: Refused | WireError) -> Answer:
    return refused.answer() if isinstance(refused, Refused) else error(refused.rc, refused.message)


def _last(answer: Answer) -> Answer:
    """Return the last part of a list that could not be read to its end (handle wire 18.1)."""
    return Answer(answer.rc, answer.body, close=True)


def _defect(request: Request, defect: Exception) -> Answer:
    log.error("operation %d was answered with an error by a defect", request.op, exc_info=defect)
    return error(ResponseCode.ERROR, "Internal error")
