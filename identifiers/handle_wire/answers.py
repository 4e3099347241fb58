"""The bodies of answers, typed, in both directions (handle wire 11)."""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from identifiers.handle_wire.codes import RETURN_DIGEST, Op, ResponseCode
from identifiers.handle_wire.digests import Digest, encode_digest, read_digest
from identifiers.handle_wire.header import Header
from identifiers.handle_wire.names import read_any_name
from identifiers.octets import OctetReader, WireError, string
from identifiers.values import Value
from identifiers.wire import encode_value, read_values

NONCE_OCTETS: Final = 16
_STRING_OCTETS_MIN: Final = 4
_TEXT_OCTETS_MAX: Final = 1_000
_U4_OCTETS: Final = 4


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """The values asked for; the name as it was asked."""

    name: str
    values: tuple[Value, ...]


class SiteInfo(msgspec.Struct, frozen=True, gc=False):
    """The server's site record, see ``hs_site``; not one octet follows it, some clients refuse any."""

    site: bytes


class Created(msgspec.Struct, frozen=True, gc=False):
    """The name of the record created: after MINT_SUFFIX, the name that was made."""

    name: str


class Done(msgspec.Struct, frozen=True, gc=False):
    """Done, with nothing to say."""


class Names(msgspec.Struct, frozen=True, gc=False):
    """One part of a list; CONTINUES in the header says that another follows."""

    names: tuple[str, ...]


class Verified(msgspec.Struct, frozen=True, gc=False):
    """Whether the proof was right."""

    is_right: bool


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """Prove who you are, over this nonce and the digest of your request; ``proofs`` says how."""

    digest: Digest
    nonce: bytes


class Referral(msgspec.Struct, frozen=True, gc=False):
    """Ask elsewhere: the servers of another record, or, if its name is empty, those of the HS_SITE values."""

    handle: str = ""
    values: tuple[Value, ...] = ()


class SessionOffer(msgspec.Struct, frozen=True, gc=False):
    """The server's half of a session set-up; ``key_exchange`` reads and makes ``data``."""

    mode: int
    data: bytes

    def __repr__(self) -> str:
        return f"SessionOffer({self.mode})"


class Failure(msgspec.Struct, frozen=True, gc=False):
    """What went wrong, a line for people. ``indexes`` are the values at fault; we never write any."""

    text: str = ""
    indexes: tuple[int, ...] = ()


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A body whose octets exist already, without the request digest: what servers keep values in. Never decoded to."""

    octets: bytes


Answer = (
    Resolved | SiteInfo | Created | Done | Names | Verified | Challenge | Referral | SessionOffer | Failure | Prepared
)


class DecodedAnswer(NamedTuple):
    """An answer and the digest of the request before it; None if there is no digest (a challenge has its own)."""

    body: Answer
    digest: Digest | None


def encode_answer_body(answer: Answer) -> bytes:  # noqa: C901, PLR0911 - one case for each body
    """Return the body of an answer, without the request digest; a challenge in its modern form."""
    match answer:
        case Resolved():
            count = len(answer.values).to_bytes(4, "big")
            return b"".join([string(answer.name.encode()), count, *map(encode_value, answer.values)])
        case SiteInfo():
            return answer.site
        case Prepared():
            return answer.octets
        case Created():
            return string(answer.name.encode())
        case Done():
            return b""
        case Names():
            names = [string(name.encode()) for name in answer.names]
            return len(names).to_bytes(4, "big") + b"".join(names)
        case Verified():
            return b"\1" if answer.is_right else b"\0"
        case Challenge():
            return encode_digest(answer.digest) + string(answer.nonce)
        case Referral():
            count = len(answer.values).to_bytes(4, "big")
            values = b"" if answer.handle else b"".join([count, *map(encode_value, answer.values)])
            return string(answer.handle.encode()) + values
        case SessionOffer():
            return answer.mode.to_bytes(2, "big") + string(answer.data) + b"\0\0"
        case Failure():
            return _encode_failure(answer)


def encode_old_challenge(challenge: Challenge) -> bytes:
    """Return a challenge as peers below 2.1 read it: nonce, then MD5 digest, each with its length."""
    return string(challenge.nonce) + string(challenge.digest.octets)


def decode_answer(header: Header, body: bytes) -> DecodedAnswer:
    """Return the typed answer; raise WireError if the octets are none.

    ``header`` tells how to read it: operation, response code, and RETURN_DIGEST for the digest before it.
    """
    reader = OctetReader(body)
    has_digest = bool(header.flags & RETURN_DIGEST)
    if header.rc == ResponseCode.AUTHENTICATION_NEEDED:
        return DecodedAnswer(_challenge(reader) if has_digest else _old_challenge(reader), None)
    digest = read_digest(reader) if has_digest and reader.left else None
    if header.rc == ResponseCode.SUCCESS:
        return DecodedAnswer(_SUCCESS.get(header.op, _done)(reader), digest)
    if header.rc in (ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL):
        return DecodedAnswer(_referral(reader), digest)
    return DecodedAnswer(_failure(reader), digest)


def _encode_failure(failure: Failure) -> bytes:
    text = failure.text.encode()[:_TEXT_OCTETS_MAX].decode(errors="ignore").encode()
    if not failure.indexes:
        return string(text)
    indexes = [index.to_bytes(4, "big") for index in (len(failure.indexes), *failure.indexes)]
    return string(text) + b"".join(indexes)


def _challenge(reader: OctetReader) -> Challenge:
    return Challenge(read_digest(reader), reader.octets())


def _old_challenge(reader: OctetReader) -> Challenge:
    nonce, digest = reader.octets(), reader.octets()
    if len(digest) != NONCE_OCTETS:
        raise WireError("an MD5 digest has 16 octets", reader.offset)
    return Challenge(Digest(1, digest), nonce)


def _resolved(reader: OctetReader) -> Resolved:
    return Resolved(read_any_name(reader), read_values(reader))


def _created(reader: OctetReader) -> Created:
    return Created(read_any_name(reader) if reader.left else "")  # RFC 3652 writes nothing here


def _names(reader: OctetReader) -> Names:
    return Names(tuple([reader.text() for _ in range(reader.count(_STRING_OCTETS_MIN))]))


def _verified(reader: OctetReader) -> Verified:
    return Verified(reader.u1() == 1)


def _offer(reader: OctetReader) -> SessionOffer:
    return SessionOffer(reader.u2(), reader.octets())


def _done(_: OctetReader) -> Done:
    return Done()


def _referral(reader: OctetReader) -> Referral:
    handle = read_any_name(reader)
    return Referral(handle) if handle or not reader.left else Referral("", read_values(reader))


def _failure(reader: OctetReader) -> Failure:
    if not reader.left:
        return Failure()
    text = reader.octets().decode(errors="replace")
    if reader.left < _U4_OCTETS:
        return Failure(text)
    return Failure(text, tuple([reader.u4() for _ in range(reader.count(_U4_OCTETS))]))


_SUCCESS: Final[dict[int, Callable[[OctetReader], Answer]]] = {
    Op.RESOLUTION: _resolved,
    Op.GET_SITE_INFO: lambda reader: SiteInfo(reader.take(reader.left)),
    Op.CREATE_HANDLE: _created,
    Op.LIST_HANDLES: _names,
    Op.LIST_PREFIXES: _names,
    Op.LIST_HOMED_PREFIXES: _names,
    Op.VERIFY_CHALLENGE: _verified,
    Op.SESSION_SETUP: _offer,
}
