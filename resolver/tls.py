"""TLS for the worker's second HTTP listener, with or without certificates of clients (Handle over HTTP, 7.3).

The standard library can only ask for certificates that some authority vouches for. Handle clients show certificates of
their own making, and what counts is that the key is the one in their record. So where clients are asked, OpenSSL is
used through pyOpenSSL, which lets every certificate pass; a client that shows one still proves to have its key.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from OpenSSL import SSL, crypto

RECORD_OCTETS: Final = 65_536
ALPN: Final = ["http/1.1"]
SESSION_ID: Final = b"idnode"
_RECORD_TYPES: Final = range(0x14, 0x18)
_RECORD_OCTETS_MAX: Final = 2**14 + 2_048 + 5
_RECORD_HEAD: Final = 5
_LENGTH: Final = slice(3, 5)
"""Where a record's length stands, in octets behind its head."""

Result = TypeVar("Result")


class CertificateUnusable(Exception):  # noqa: N818 - the state of a file
    """Certificate or key cannot be used. The text names the file and what to do, and nothing of the key."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Where a worker listens for TLS, with which certificate chain and key (PEM files)."""

    host: str
    port: int
    certificate_file: Path
    key_file: Path
    client_certificates: Literal["off", "optional"] = "off"


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context of the listener. Raises CertificateUnusable."""
    asks = settings.client_certificates == "optional"
    context = _AskingContext(ssl.PROTOCOL_TLS_SERVER) if asks else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    try:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
        if isinstance(context, _AskingContext):
            context.asking = _asking_context(settings)
    except (OSError, ssl.SSLError, SSL.Error) as error:
        reason = getattr(error, "strerror", None) or "they are no PEM, or do not belong together"
        files = f"{settings.certificate_file} and {settings.key_file}"
        raise CertificateUnusable(f"{files} cannot be used for TLS: {reason}") from error
    return context


def _asking_context(settings: TlsSettings) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(str(settings.certificate_file))
    context.use_privatekey_file(str(settings.key_file))
    context.check_privatekey()
    context.set_session_id(SESSION_ID)
    context.set_verify(SSL.VERIFY_PEER, _takes_any)
    context.set_alpn_select_callback(_choose_protocol)
    return context


def _takes_any(*_certificate: object) -> bool:
    """Let a certificate pass: what its key is worth is found out by whoever is asked to do something for it."""
    return True


def _choose_protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes | Any:
    wanted = ALPN[0].encode()
    return wanted if wanted in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class _AskingContext(ssl.SSLContext):
    """What the event loop takes for a context of the standard library; its connections are pyOpenSSL's."""

    asking: SSL.Context

    def wrap_bio(  # type: ignore[override] # the event loops use what is in _AskingConnection, and no more
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the library's own signature
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - as above
        session: ssl.SSLSession | None = None,  # noqa: ARG002 - as above
    ) -> "_AskingConnection":
        """Return a connection between two buffers."""
        assert server_side  # noqa: S101 - made for a listener
        return _AskingConnection(self, incoming, outgoing)


def _record_octets(arrived: bytes) -> int:
    """Return the length of the first whole record, 0 while it is not whole; all of it if this is no record."""
    if len(arrived) < _RECORD_HEAD:
        return 0
    octets = _RECORD_HEAD + int.from_bytes(arrived[_LENGTH], "big")
    if arrived[0] not in _RECORD_TYPES or octets > _RECORD_OCTETS_MAX:
        return len(arrived)  # OpenSSL says what is wrong with it
    return octets if octets <= len(arrived) else 0


class _AskingConnection:
    """The part of `ssl.SSLObject` that event loops use, over pyOpenSSL."""

    def __init__(self, context: _AskingContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self.context = context
        self._incoming = incoming
        self._outgoing = outgoing
        self._connection = SSL.Connection(context.asking, None)
        self._connection.set_accept_state()
        self._held = b""

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises as `ssl.SSLObject`.

        Record by record: what follows the handshake's last one is held back, for event loops ask `pending` whether
        there is anything to read, and OpenSSL does not count what it has not looked at.
        """
        while True:
            self._held += self._incoming.read()
            octets = _record_octets(self._held)
            record, self._held = self._held[:octets], self._held[octets:]
            try:
                self._turn(self._connection.do_handshake, record)
            except ssl.SSLWantReadError:
                if not record:
                    raise
            else:
                return

    def read(self, octets: int = RECORD_OCTETS, buffer: Any = None) -> bytes | int:
        """Read what has come, into a buffer if there is one. Raises as `ssl.SSLObject`."""
        try:
            data = self._turn(lambda: self._connection.recv(octets or RECORD_OCTETS), self._arrived())
        except ssl.SSLZeroReturnError:
            data = b""
        if buffer is None:
            return data
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int:
        """Write; returns how many octets were taken. Raises as `ssl.SSLObject`."""
        return self._turn(lambda: self._connection.send(bytes(data[:RECORD_OCTETS])), self._arrived())

    def unwrap(self) -> None:
        """Say goodbye, and wait for the peer's. Raises as `ssl.SSLObject`."""
        if not self._turn(self._connection.shutdown, self._arrived()):
            raise ssl.SSLWantReadError

    def pending(self) -> int:
        """Return how many octets can be read without more input."""
        return self._connection.pending() + len(self._held)

    def getpeercert(self, binary_form: bool = False) -> bytes | dict[str, Any] | None:  # noqa: FBT001, FBT002 - the library's own signature
        """Return the client's certificate as DER; in the other form nothing is known of it."""
        certificate = self._connection.get_peer_certificate()
        if certificate is None:
            return None
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if binary_form else {}

    def cipher(self) -> tuple[str, str, int] | None:
        """Return name, version and bits of the cipher."""
        name, version, bits = (
            self._connection.get_cipher_name(),
            self._connection.get_cipher_version(),
            self._connection.get_cipher_bits(),
        )
        return None if name is None or version is None or bits is None else (name, version, bits)

    def compression(self) -> None:
        """Return nothing: TLS does not compress."""

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol agreed on."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii") or None

    def _arrived(self) -> bytes:
        arrived, self._held = self._held + self._incoming.read(), b""
        return arrived

    def _turn(self, step: Callable[[], Result], arrived: bytes) -> Result:
        """Take what has come, do one step, and hand on what is to be sent. Raises as `ssl.SSLObject`."""
        if arrived:
            self._connection.bio_write(arrived)
        if self._incoming.eof:
            self._connection.bio_shutdown()
        try:
            return step()
        except SSL.WantReadError as error:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more input is needed") from error
        except SSL.ZeroReturnError as error:
            raise ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "the peer has closed") from error
        except SSL.SysCallError as error:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the peer has gone without closing") from error
        except SSL.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "the peer does not speak TLS as it should") from error
        finally:
            self._flush()

    def _flush(self) -> None:
        while True:
            try:
                self._outgoing.write(self._connection.bio_read(RECORD_OCTETS))
            except SSL.WantReadError:
                return
