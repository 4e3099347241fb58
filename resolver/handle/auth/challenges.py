"""Challenges: what was asked, and the nonce that the answer must be over; each is good once (handle wire 13.1).

Those under ids of ours are shared by all workers; those under an id that a connection made up belong to it.
"""

import secrets
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from identifiers.handle_wire.answers import NONCE_OCTETS, Challenge, decode_answer, encode_answer_body
from identifiers.handle_wire.digests import Digest, digest_of, request_digest
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, encode_envelope, parse_envelope
from identifiers.handle_wire.header import Header, parse_header
from identifiers.handle_wire.message import Message
from identifiers.handle_wire.versions import Version, has_digest
from resolver.handle.auth.limits import ANSWER_KEPT_OCTETS_MAX, REMEMBERED_MAX, REMEMBERED_S, AuthLimits
from resolver.handle.auth.sessions import new_session_id
from resolver.handle.auth.shared_table import Full, SharedState, TableLimits
from resolver.handle.exchange import Answer, Peer, Refused, Request

_MD5: Final = 1
_TRIES: Final = 8
_FINGERPRINT_OCTETS: Final = 16


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A request that waits for its sender to prove who it is, and the challenge's nonce."""

    message: bytes
    nonce: bytes
    ends_ms: int


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """An answer to an op 200, to be given again to the same message. Without a code it is not made yet.

    `message` is the request that was challenged, `body` the octets of the answer's body without a digest.
    """

    fingerprint: bytes
    message: bytes
    rc: int | None = None
    body: bytes = b""
    overwrote: bool = False
    private: bool = False

    def answer(self) -> Answer | None:
        """Return the answer; None while it is not made."""
        if self.rc is None:
            return None
        message = _message(self.message)
        body = decode_answer(Header(message.header.op, self.rc, 0), self.body).body
        return Answer(self.rc, body, message, overwrote=self.overwrote, private=self.private)


class Issued(NamedTuple):
    """A challenge to send, and the session id it goes out under."""

    challenge: Challenge
    session_id: int


_encode = msgspec.msgpack.Encoder().encode
_decode_pending = msgspec.msgpack.Decoder(Pending).decode
_decode_kept = msgspec.msgpack.Decoder(Kept).decode


class Challenges:
    """The challenges of this host. `clock` counts seconds since 1970; each lives for `lifetime_s`."""

    def __init__(
        self, state: SharedState, lifetime_s: float, clock: Callable[[], float], limits: AuthLimits | None = None
    ) -> None:
        limits = limits or AuthLimits()
        octets, per_address = limits.challenge_octets, limits.challenges_per_address
        pending = TableLimits(limits.challenges, per_address=per_address, octets=octets, drops=False)
        self._pending = state.table("challenges", pending)
        self._issued = state.table("challenged", TableLimits(REMEMBERED_MAX))
        self._answers = state.table("answers", TableLimits(limits.challenges))
        self._lifetime_ms = int(lifetime_s * 1_000)
        self._clock = clock

    def issue(self, request: Request, *, session_id: int = 0) -> Issued:
        """Challenge a request, under a session id or, without one, under a fresh one of ours. Raises Refused (3)."""
        pending, challenge = self.pending(request)
        octets, now_ms = _encode(pending), self._now_ms()
        put = partial(self._pending.put, address=request.peer.address, now_ms=now_ms)
        remember = partial(self._issued.put, address=request.peer.address, now_ms=now_ms)
        try:
            for _ in range(_TRIES):
                number = session_id or new_session_id()
                if session_id or self._issued.get(number, now_ms) is None:
                    put(number, octets, until_ms=pending.ends_ms)
                    remember(number, b"", until_ms=pending.ends_ms + REMEMBERED_S * 1_000)
                    return Issued(challenge, number)
        except Full:
            pass
        raise Refused(3, "Too many challenges")

    def pending(self, request: Request) -> tuple[Pending, Challenge]:
        """Make the challenge of a request, without keeping it anywhere."""
        message, nonce = request.message, secrets.token_bytes(NONCE_OCTETS)
        octets = encode_envelope(message.envelope) + message.content
        pending = Pending(octets, nonce, self._now_ms() + self._lifetime_ms)
        return pending, Challenge(_digest(message.content, request.version), nonce)

    def take(self, number: int) -> Pending | None:
        """Return what was challenged under an id, once."""
        found = self._pending.take(number, self._now_ms())
        return None if found is None else _decode_pending(found)

    def is_over(self, pending: Pending) -> bool:
        """Say whether a challenge that a connection kept has expired."""
        return pending.ends_ms <= self._now_ms()

    def was_issued(self, number: int) -> bool:
        """Say whether there was a challenge under an id within the last ten minutes or so."""
        return self._issued.get(number, self._now_ms()) is not None

    def begin_answer(self, request: Request, pending: Pending) -> None:
        """Note that an op 200 is being carried out, so that the same message, if it comes again, waits for its end."""
        now_ms, kept = self._now_ms(), Kept(fingerprint_of(request.message), pending.message)
        until_ms = now_ms + self._lifetime_ms
        try:
            octets = _encode(kept)
            self._answers.put(
                request.session_id, octets, address=request.peer.address, now_ms=now_ms, until_ms=until_ms
            )
        except Full:
            raise Refused(3, "Too many challenges") from None

    def keep_answer(self, request: Request, answer: Answer | None) -> None:
        """Keep the answer to an op 200 for the same message; None: there is none that could be given twice."""
        with self._answers.changing(request.session_id, self._now_ms()) as entry:
            if entry is None:
                return
            kept = _decode_kept(entry.octets or b"")
            if kept.fingerprint != fingerprint_of(request.message):
                return
            body = b"" if answer is None else encode_answer_body(answer.body)
            if answer is None or len(body) > ANSWER_KEPT_OCTETS_MAX:
                entry.octets = None
                return
            entry.octets = _encode(
                msgspec.structs.replace(
                    kept, rc=answer.rc, body=body, overwrote=answer.overwrote, private=answer.private
                )
            )

    def kept_answer(self, request: Request) -> Kept | None:
        """Return what is known of the same message now."""
        found = self._answers.get(request.session_id, self._now_ms())
        kept = None if found is None else _decode_kept(found)
        return kept if kept is not None and kept.fingerprint == fingerprint_of(request.message) else None

    def _now_ms(self) -> int:
        return int(self._clock() * 1_000)


def original(pending: Pending, peer: Peer, started: float) -> Request:
    """Return the request that was challenged, as one of the peer that answers the challenge."""
    message = _message(pending.message)
    return Request(peer, message, message.envelope.answer_version, started)


def challenge_of(pending: Pending, request: Request) -> Challenge:
    """Return the challenge that a pending request was sent."""
    return Challenge(_digest(request.message.content, request.version), pending.nonce)


def fingerprint_of(message: Message) -> bytes:
    """Return what the same message, sent twice, has in common: request id and body."""
    number = message.envelope.request_id.to_bytes(4, "big")
    return blake2b(number + message.body, digest_size=_FINGERPRINT_OCTETS).digest()


def _digest(content: bytes, version: Version) -> Digest:
    return request_digest(content, version) if has_digest(version) else digest_of(content, _MD5)


def _message(octets: bytes) -> Message:
    """Return a message that was kept. It has no credential any more: what that proved, it proved when it came."""
    content = octets[ENVELOPE_OCTETS:]
    return Message(parse_envelope(octets), parse_header(content), content)
