"""The credential at the end of a message part, and the octets it covers (handle wire 4)."""

from typing import Final

import msgspec

from identifiers.handle_wire.envelope import Envelope
from identifiers.handle_wire.versions import signs_envelope, signs_suggestion
from identifiers.octets import OctetReader, string

SIGNED: Final = "HS_SIGNED"
MAC: Final = "HS_MAC"
OLD_DSA: Final = "HS_DSAPUBKEY"
MAC_ALGORITHM: Final = "HMAC-SHA256"
NO_CREDENTIAL: Final = bytes(4)


class Credential(msgspec.Struct, frozen=True, gc=False):
    """``counter`` is the session's message counter, 0 outside sessions. HS_DSAPUBKEY has no name of an algorithm."""

    type: str
    algorithm: str
    signature: bytes
    counter: int = 0
    signer: str = ""
    head: bytes = bytes(4)
    """Version, a reserved octet and options: zeros in all known software."""


def read_credential(reader: OctetReader) -> Credential | None:
    """Read what follows the body; None if there is none, or nothing at all. Raises WireError."""
    if not reader.left:
        return None
    octets = reader.octets()
    if not octets:
        return None
    inner = OctetReader(octets)
    head, signer, counter, type_ = inner.take(4), inner.text(), inner.u4(), inner.text()
    rest = OctetReader(inner.octets())
    if type_ == OLD_DSA:
        return Credential(type_, "", rest.all, counter, signer, head)
    return Credential(type_, rest.text(), rest.octets(), counter, signer, head)


def encode_credential(credential: Credential | None) -> bytes:
    """Return the credential with its length before it; four zero octets for none."""
    if credential is None:
        return NO_CREDENTIAL
    rest = credential.signature
    if credential.type != OLD_DSA:
        rest = string(credential.algorithm.encode()) + string(credential.signature)
    signer = string(credential.signer.encode()) + credential.counter.to_bytes(4, "big")
    return string(credential.head + signer + string(credential.type.encode()) + string(rest))


def covered_octets(envelope: Envelope, counter: int, content: bytes) -> bytes:
    """Return what a signature or MAC is made over; ``content`` is header and body, before any encryption."""
    if not signs_envelope(envelope.version):
        return content
    versions = bytes((*envelope.version, *(envelope.suggested if signs_suggestion(envelope.version) else ())))
    numbers = (envelope.session_id, envelope.request_id, counter)
    return versions + b"".join([number.to_bytes(4, "big") for number in numbers]) + content
