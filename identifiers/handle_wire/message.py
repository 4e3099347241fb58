"""A message as a whole: envelope, header, body, credential, in both directions (handle wire 1, 19.4)."""

from typing import Protocol

import msgspec

from identifiers.handle_wire.codes import ENCRYPTED, TRUNCATED
from identifiers.handle_wire.credential import NO_CREDENTIAL, Credential, encode_credential, read_credential
from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, check_envelope, encode_envelope, parse_envelope
from identifiers.handle_wire.header import HEADER_OCTETS, Header, encode_header, parse_header
from identifiers.octets import OctetReader, WireError


class Cipher(Protocol):
    """What encrypts the message parts of a session; ``sessions`` has the ones that exist."""

    def encrypt(self, plain: bytes) -> bytes:
        """Return the ciphertext, everything a peer needs to decrypt it included."""

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Return the plain text, or raise WireError, always with the same text."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message in the clear. ``content`` is header and body, octet for octet as they are on the wire."""

    envelope: Envelope
    header: Header
    content: bytes
    credential: Credential | None = None

    @property
    def body(self) -> bytes:
        """The octets between header and credential."""
        return self.content[HEADER_OCTETS:]


def parse_message(envelope: Envelope, part: bytes) -> Message:
    """Take a message part in the clear apart; raise WireError. The body is not looked into.

    ``part`` has all the octets after the envelope; what the numbers of the header mean is not decided here, so that
    an answer can repeat them whatever is wrong behind them: see ``parse_header``.
    """
    header = parse_header(part)
    end = HEADER_OCTETS + header.body_length
    if end > len(part):
        raise WireError(f"a body of {header.body_length} octets does not fit a message of {len(part)}", 20)
    return Message(envelope, header, part[:end], read_credential(OctetReader(part, end)))


def check_request(header: Header) -> None:
    """Raise WireError for a header no request may have: operation 0, or a response code."""
    if header.op == 0:
        raise WireError("operation 0 is reserved", 0)
    if header.rc:
        raise WireError("a request has no response code", 4)


def decode_message(octets: bytes, cipher: Cipher | None = None) -> Message:
    """Decode a whole message, envelope first, for clients and tools: every check in one call.

    ``cipher`` decrypts the part if the envelope says so. Raises WireError; octets after the message are ignored.
    """
    envelope = parse_envelope(octets)
    check_envelope(envelope)
    part = octets[ENVELOPE_OCTETS : ENVELOPE_OCTETS + envelope.length]
    if len(part) < envelope.length:
        raise WireError(f"a message of {envelope.length} octets, {len(part)} are here", 16)
    if envelope.is_encrypted:
        if cipher is None:
            raise WireError("the message is encrypted and there is no session", 2, rc=500)
        part = cipher.decrypt(part)
    return parse_message(envelope, part)


def make_message(envelope: Envelope, header: Header, body: bytes) -> Message:
    """Return a message without credential; the body's length goes into the header."""
    header = header._replace(body_length=len(body))
    return Message(envelope, header, encode_header(header) + body)


def encode_message(message: Message, credential: Credential | None = None, cipher: Cipher | None = None) -> bytes:
    """Return the octets of a whole message in one packet; ``udp.packets`` cuts them for UDP.

    ``credential`` stands at the end, in place of the message's own. The envelope's length is written as it is, and its
    encryption flag as there is a ``cipher``.
    """
    sealed = credential or message.credential
    part = message.content + (NO_CREDENTIAL if sealed is None else encode_credential(sealed))
    flags = message.envelope.flags & ~(ENCRYPTED | TRUNCATED)
    if cipher is not None:
        part, flags = cipher.encrypt(part), flags | ENCRYPTED
    return encode_envelope(message.envelope._replace(length=len(part), flags=flags)) + part
