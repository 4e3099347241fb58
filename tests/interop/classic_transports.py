"""Requests of the classic Java client on their way: datagrams, a connection for each, or a POST of HTTP."""

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.interop.classic_octets import ENCRYPT, USUAL, NotAccepted, Server, Site, read_answer, read_site, text, u4
from tests.interop.classic_session import Session, User, mac_credential, public_key_octets

UDP, TCP, HTTP, HTTPS = range(4)
ADMINISTRATIVE = (100, 101, 102, 103, 104, 105, 300, 301, 302)
CONNECTED = (105, 302)
VERSION, COMPATIBLE = (2, 11), (2, 3)
BLANK = "/"
_UDP_PART, _UDP_TRIES_S = 492, (0.5, 1.0, 1.5)
_ENVELOPE = 20


@dataclass
class Request:
    """One request. `flags` are those set beside the usual ones, `without` those taken away."""

    op: int
    name: str
    body: bytes
    user: User | None = None
    flags: int = 0
    without: int = 0
    version: tuple[int, int] = COMPATIBLE
    id: int = 0
    session_id: int = 0
    serial: int = 0xFFFF
    session: Session | None = None
    content: bytes = b""

    @property
    def is_administrative(self) -> bool:
        return self.op in ADMINISTRATIVE

    @property
    def all_flags(self) -> int:
        return (USUAL | self.flags) & ~self.without

    def octets(self) -> tuple[bytes, bytes]:
        """Return the envelope, for a message part in one piece, and the message part."""
        self.id = secrets.randbelow(2**31 - 1) + 1
        expires = int(time.time()) + 43_200
        head = u4(self.op) + u4(0) + u4(self.all_flags) + self.serial.to_bytes(2, "big") + bytes(2)
        self.content = head + u4(expires) + u4(len(self.body)) + self.body
        marks = 0x40 if self.session and self.all_flags & ENCRYPT else 0
        envelope = bytes((*self.version, marks | VERSION[0], VERSION[1])) + u4(self.session_id) + u4(self.id) + u4(0)
        credential = b""
        if self.session is not None and self.op != 200:
            credential = mac_credential(envelope, self.content, self.session)
        part = self.content + text(credential)
        if marks and self.session is not None:
            part = self.session.sealed(part, secrets.token_bytes(16))
        return envelope + u4(len(part)), part


def get_site(address: str, port: int) -> Site:
    """Ask a server of which nothing is known what it is, as `hdl-get-siteinfo` does."""
    request = Request(2, BLANK, text(BLANK))
    envelope, part = next(iter(_over_tcp(request, address, port)))
    answer = read_answer(envelope, part)
    if answer.rc != 1:
        raise NotAccepted(f"no site information: {answer.rc}")
    return read_site(answer.body)


def exchanged(transport: int, request: Request, server: Server, port: int) -> Iterator[tuple[bytes, bytes]]:
    """Send a request; yield envelope and message part of each message that answers it, and of what may follow."""
    exchange = {UDP: _over_udp, TCP: _over_tcp, HTTP: _over_http, HTTPS: _over_https}[transport]
    return exchange(request, _place(server), port, server)


def interface(server: Server, transport: int, request: Request) -> int | None:
    """Return the port where a server takes a request by a transport."""
    wanted = 1 if request.is_administrative else 2
    for kind, protocol, port in server.interfaces:
        if protocol == transport and kind & wanted and not (transport == UDP and request.op in CONNECTED):
            return port
    return None


def _place(server: Server) -> str:
    if any(server.address[:12]):
        return socket.inet_ntop(socket.AF_INET6, server.address)
    return socket.inet_ntop(socket.AF_INET, server.address[12:])


def _over_udp(request: Request, place: str, port: int, _server: Server) -> Iterator[tuple[bytes, bytes]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        for tries_s in _UDP_TRIES_S:
            envelope, part = request.octets()
            cuts = range(0, len(part), _UDP_PART)
            marks = bytes((envelope[2] | (0x20 if len(cuts) > 1 else 0),))
            for number, at in enumerate(cuts):
                head = envelope[:2] + marks + envelope[3:12] + u4(number) + envelope[16:]
                made.sendto(head + part[at : at + _UDP_PART], (place, port))
            try:
                yield _datagrams(made, request.id, tries_s)
            except TimeoutError:
                continue
            return
    raise NotAccepted("no answer over UDP")


def _datagrams(made: socket.socket, request_id: int, timeout_s: float) -> tuple[bytes, bytes]:
    made.settimeout(timeout_s)
    parts: dict[int, bytes] = {}
    while True:
        octets = made.recv(512)
        if int.from_bytes(octets[8:12], "big") != request_id:
            continue
        length = int.from_bytes(octets[16:20], "big")
        parts[int.from_bytes(octets[12:16], "big")] = octets[20:]
        if len(parts) == -(-length // _UDP_PART):
            envelope = octets[:2] + bytes((octets[2] & ~0x20,)) + octets[3:12] + u4(0) + octets[16:20]
            return envelope, b"".join(parts[number] for number in sorted(parts))


def _over_tcp(request: Request, place: str, port: int, _server: Server | None = None) -> Iterator[tuple[bytes, bytes]]:
    with socket.create_connection((place, port), 10.0) as made:
        made.sendall(b"".join(request.octets()))
        yield from _messages(made, request.id)


def _messages(made: socket.socket, request_id: int) -> Iterator[tuple[bytes, bytes]]:
    stream = made.makefile("rb")
    while envelope := stream.read(20):
        if int.from_bytes(envelope[8:12], "big") != request_id:
            raise NotAccepted("message came back with a different id")
        length = int.from_bytes(envelope[16:20], "big", signed=True)
        if not 0 <= length <= 262_144:
            raise NotAccepted(f"invalid message length {length}")
        part = stream.read(length)
        if len(envelope) < 20 or len(part) < length:
            raise NotAccepted("connection closed partway through message")
        yield envelope, part


def _over_http(request: Request, place: str, port: int, _server: Server) -> Iterator[tuple[bytes, bytes]]:
    with socket.create_connection((place, port), 10.0) as made:
        yield from _posted(made, request, f"{place}:{port}")


def _over_https(request: Request, place: str, port: int, server: Server) -> Iterator[tuple[bytes, bytes]]:
    """Send by TLS; the certificate may be anybody's, but its key has to be that of the site record."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((place, port), 10.0) as plain, context.wrap_socket(plain) as made:
        shown = x509.load_der_x509_certificate(made.getpeercert(binary_form=True) or b"").public_key()
        if not isinstance(shown, rsa.RSAPublicKey) or public_key_octets(shown) != server.key:
            raise NotAccepted("unable to validate the certificate: its key is another one")
        yield from _posted(made, request, f"{place}:{port}")


def _posted(made: socket.socket, request: Request, host: str) -> Iterator[tuple[bytes, bytes]]:
    """Send a message as a POST; of the head of the answer only its end matters to the client."""
    message = b"".join(request.octets())
    path = "/" + quote(request.name, safe="-_.!~*'()")
    made.sendall(
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/x-hdl-message\r\nUser-Agent: CNRI-HCL 2.0\r\n"
        f"Content-Type: application/x-hdl-message\r\nContent-Length: {len(message)}\r\n\r\n".encode()
        + message
    )
    while _line(made).strip():
        pass
    yield from _messages(made, request.id)


def _line(made: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (octet := made.recv(1)):
        line += octet
    return line
