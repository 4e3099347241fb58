"""The client's side of an exchange: ask, prove who you are, read the answer (handle wire 5, 13.1, 14).

A state machine without sockets: ``message`` is what to send; hand every message part that arrives to ``receive``. How
octets are cut for a transport, when to repeat and when to change from UDP to TCP is the caller's business.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from identifiers.handle_wire import proofs, sessions
from identifiers.handle_wire.answers import Answer, Challenge, SessionOffer, decode_answer
from identifiers.handle_wire.codes import (
    AES,
    CERTIFY,
    CONTINUES,
    EXPIRATION_SECONDS,
    MESSAGE_OCTETS_MAX,
    MODE_DIFFIE_HELLMAN,
    PUBLIC_KEY,
    REQUEST_FLAGS,
    SECRET_KEY,
    Op,
    ResponseCode,
)
from identifiers.handle_wire.credential import MAC
from identifiers.handle_wire.digests import digest_of
from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.groups import OAKLEY_2
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.keys import UsablePublicKey, UserPrivateKey
from identifiers.handle_wire.message import Message, encode_message, make_message, parse_message
from identifiers.handle_wire.requests import INDEX_NONE, ChallengeResponse, Request, SessionSetup, encode_request
from identifiers.handle_wire.signing import authenticated, is_authenticated, is_signed_by
from identifiers.handle_wire.tcp import Framed
from identifiers.handle_wire.versions import OURS, Version
from identifiers.octets import WireError

_STRONG_PROOFS_FROM: Final = (2, 7)
_SALT_OCTETS: Final = 16
CREDENTIAL_OCTETS_MAX: Final = 256
"""Left free for the credential of a session, and for the block and the IV of its encryption."""


class UntrustedAnswer(ValueError):  # noqa: N818 - what is wrong is the answer, which is not used
    """An answer that does not belong to its request, or lacks the signature or MAC that was asked for."""


class User(msgspec.Struct, frozen=True, gc=False):
    """Who asks: the value that holds the key, and the key: octets of a secret, or a private key."""

    handle: str
    index: int
    key: bytes | UserPrivateKey

    def __repr__(self) -> str:
        return f"User({self.index}:{self.handle})"


class ClientSession:
    """A session as the client keeps it: its id, its key, and how many messages it has counted."""

    __slots__ = ("_counter", "cipher", "id", "key")

    def __init__(self, session_id: int, key: bytes, cipher: sessions.AESCipher) -> None:
        self.id = session_id
        self.key = key
        self.cipher = cipher
        self._counter = 0

    def next_counter(self) -> int:
        """Return the counter of the next message, from 1."""
        self._counter += 1
        return self._counter


class SessionOpening:
    """A session being set up by Diffie-Hellman: send ``request``, hand the answer to ``open``."""

    __slots__ = ("_private", "_random", "request")

    def __init__(self, random: sessions.Random, identity: User | None = None, timeout_s: int = 86_400) -> None:
        self._random = random
        self._private = sessions.private_number(random)
        public = sessions.encode_dh_key(sessions.public_key(self._private, OAKLEY_2))
        name, index = ("", INDEX_NONE) if identity is None else (identity.handle, identity.index)
        self.request = SessionSetup(MODE_DIFFIE_HELLMAN, timeout_s, name, index, public)

    def open(self, received: "Received") -> ClientSession:
        """Return the session the server has made; raise WireError or UntrustedAnswer."""
        offer = received.answer
        if not isinstance(offer, SessionOffer) or offer.mode != MODE_DIFFIE_HELLMAN:
            raise UntrustedAnswer("the server made no session")
        algorithm, peer = sessions.parse_dh_offer(offer.data)
        if algorithm != AES:
            raise UntrustedAnswer("the server wants an encryption that is not used here")
        key = sessions.session_key(self._private, peer)
        return ClientSession(received.envelope.session_id, key, sessions.AESCipher(key, self._random))


class Received(NamedTuple):
    """An answer; not the last one if CONTINUES is set in the header, as in lists."""

    envelope: Envelope
    header: Header
    answer: Answer

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes for this request."""
        return not self.header.flags & CONTINUES

    @property
    def is_success(self) -> bool:
        """Whether the server did what it was asked."""
        return self.header.rc == ResponseCode.SUCCESS


class Respond(NamedTuple):
    """A challenge was answered: send this message, perhaps on a new connection, and wait on."""

    octets: bytes


class Exchange:
    """One request, up to its last answer.

    ``new_request_id`` returns numbers of 32 bits. ``user`` answers a challenge, once. ``session`` adds MACs, and
    decrypts. ``session_id`` is a number of the client's own making, for clients that log in (handle wire 20).
    With CERTIFY among the flags, answers need a MAC of the session or a signature of ``server_key``; without either
    nothing is checked. Raises WireError for a request that no server would read.
    """

    __slots__ = ("_new_request_id", "_original", "_random", "_responded", "_sent", "_server_key", "_session", "_user")

    def __init__(
        self,
        request: Request,
        *,
        new_request_id: Callable[[], int],
        random: sessions.Random,
        now_s: int,
        flags: int = REQUEST_FLAGS,
        user: User | None = None,
        session: ClientSession | None = None,
        session_id: int = 0,
        server_key: UsablePublicKey | None = None,
        version: Version = OURS,
    ) -> None:
        self._new_request_id = new_request_id
        self._random = random
        self._user = user
        self._session = session
        self._server_key = server_key
        self._responded = False
        number = session_id if session is None else session.id
        envelope = Envelope(version, 0, OURS, number, new_request_id(), 0, 0)
        header = Header(request.op, 0, flags, expiration=now_s + EXPIRATION_SECONDS)
        self._original = self._sent = make_message(envelope, header, encode_request(request))
        if len(self._original.content) > MESSAGE_OCTETS_MAX - CREDENTIAL_OCTETS_MAX:
            raise WireError(f"a request of {len(self._original.content)} octets is too long: send fewer values", 16)

    @property
    def request_id(self) -> int:
        """The number that the answer to the latest message will have."""
        return self._sent.envelope.request_id

    def message(self) -> bytes:
        """Return what to send now, envelope first, as one packet.

        Call it again to repeat the message over UDP: in a session each repeat has a counter of its own.
        """
        if self._session is None or self._responded:
            return encode_message(self._sent)
        return encode_message(self._sent, authenticated(self._sent, self._session.key, self._session.next_counter()))

    def receive(self, framed: Framed) -> Received | Respond | None:
        """Return the answer in a message part, or what to send next; None if it answers something else: wait on.

        Raises WireError for what cannot be read, and UntrustedAnswer for what must not be believed. Answering a
        challenge with a secret takes some 5 ms, by design.
        """
        if framed.envelope.request_id != self.request_id:
            return None
        answer = parse_message(framed.envelope, self._decrypted(framed))
        if answer.header.op not in (self._original.header.op, self._sent.header.op):
            raise UntrustedAnswer(f"operation {answer.header.op} was answered, {self._original.header.op} was asked")
        body, digest = decode_answer(answer.header, answer.body)
        if isinstance(body, Challenge) and self._user is not None and not self._responded:
            self._respond(answer, body, self._user)
            return Respond(self.message())
        covered = None if isinstance(body, Challenge) else digest
        if covered is not None and digest_of(self._original.content, covered.algorithm) != covered:
            raise UntrustedAnswer("the answer belongs to another request")
        if not isinstance(body, Challenge):
            self._check_certified(answer)
        return Received(answer.envelope, answer.header, body)

    def _decrypted(self, framed: Framed) -> bytes:
        if not framed.envelope.is_encrypted:
            return framed.part
        if self._session is None:
            raise WireError("the answer is encrypted and there is no session", 2, ResponseCode.SESSION_TIMEOUT)
        return self._session.cipher.decrypt(framed.part)

    def _respond(self, challenge: Message, body: Challenge, user: User) -> None:
        if digest_of(self._original.content, body.digest.algorithm) != body.digest:
            raise UntrustedAnswer("the challenge belongs to another request")
        is_strong = challenge.envelope.version >= _STRONG_PROOFS_FROM
        if isinstance(user.key, bytes):
            algorithm = proofs.PBKDF2 if is_strong else proofs.HASH_SHA1
            proof = proofs.prove_secret(user.key, body, algorithm, self._random(_SALT_OCTETS))
        else:
            proof = proofs.prove_key(user.key, body, user.handle, "SHA-256" if is_strong else "SHA-1")
        kind = SECRET_KEY if isinstance(user.key, bytes) else PUBLIC_KEY
        envelope = self._original.envelope._replace(
            session_id=challenge.envelope.session_id, request_id=self._new_request_id()
        )
        response = encode_request(ChallengeResponse(kind, user.handle, user.index, proof))
        self._sent = make_message(envelope, self._original.header._replace(op=Op.CHALLENGE_RESPONSE), response)
        self._responded = True

    def _check_certified(self, answer: Message) -> None:
        """Raise UntrustedAnswer if a signature was asked for, can be checked, and is not right."""
        if not self._original.header.flags & CERTIFY or (self._session is None and self._server_key is None):
            return
        if self._session is not None and answer.credential is not None and answer.credential.type == MAC:
            is_certified = is_authenticated(answer, self._session.key)
        else:
            is_certified = self._server_key is not None and is_signed_by(answer, self._server_key)
        if not is_certified:
            raise UntrustedAnswer("the answer does not carry the server's signature")
