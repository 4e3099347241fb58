"""Single registrations passed on from the fast lane: no general HTTP server stands between client and registry.

Only a request that came whole and whose every header is known is taken, so its head is passed on as it is, with the
client's address added. Everything else is left to the handlers (`registry_proxy`), which give the same answers; a test
holds the two together. One registration costs the worker a third of what it costs through the handlers. Benchmark:
`make bench`, measures `single-registrations` and `lookups-beside-writes`.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

import httptools

from resolver.header_memo import INERT
from resolver.registry_exchange import Exchanged, RegistryAway, RegistryInterrupted

Answered = Callable[[bytes | None], None]
"""Takes the octets of an answer; None where the handlers have to answer, because nothing was passed on."""

REQUEST: Final = b"PUT /api/v1/identifiers/"
HEAD_OCTETS_MAX: Final = 4_096
BODY_OCTETS_MAX: Final = 65_536
_TARGET: Final = re.compile(rb"PUT ([!\"$-~]+) HTTP/1\.1\r\n").match
"""Visible ASCII but the number sign, where some end a target."""
_ODD_LINE: Final = re.compile(rb"\r\n[ \t]|[^\r]\n|\r[^\n]").search
_KNOWN: Final = INERT | {
    b"accept",
    b"accept-encoding",
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"host",
    b"idempotency-key",
    b"if-match",
    b"if-none-match",
}
_SET_ANEW: Final = frozenset((b"connection", b"content-length", b"keep-alive", b"server", b"transfer-encoding"))


class Registry(Protocol):
    """The way to the registry."""

    def begin(self, request: bytes) -> asyncio.Future[Exchanged] | None:
        """Send a request; None where it cannot be sent now. The future has the answer or an error of the exchange."""

    def interrupted(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body of the answer to a request that the registry ended without answering."""


class ShortRegistrations:
    """Takes single registrations from clients that are not behind a trusted proxy."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def take(self, data: bytes, address: str, *, secure: bool, answered: Answered) -> bool:
        """Pass a request on if it is a whole and short registration; `answered` is called in a later turn then."""
        request = _passed_on(data, address, secure=secure)
        if request is None:
            return False
        under_way = self._registry.begin(request)
        if under_way is None:
            return False

        def done(under_way: asyncio.Future[Exchanged]) -> None:
            answered(self._answer(under_way))

        under_way.add_done_callback(done)
        return True

    def _answer(self, ended: asyncio.Future[Exchanged]) -> bytes | None:
        try:
            answer = ended.result()
        except RegistryAway:
            return None
        except (RegistryInterrupted, asyncio.CancelledError):
            return _octets(*self._registry.interrupted())
        return _octets(answer.status, answer.headers, answer.body)


def _passed_on(data: bytes, address: str, *, secure: bool) -> bytes | None:
    """Return what the registry gets of a request, None for one that is not taken."""
    if not data.startswith(REQUEST) or _TARGET(data) is None:
        return None
    head_end = data.find(b"\r\n\r\n", 0, HEAD_OCTETS_MAX)
    if head_end < 0:
        return None
    head = data[:head_end]
    body_octets = _body_octets(head + b"\r\n\r\n")
    if body_octets is None or len(data) != head_end + 4 + body_octets:
        return None
    scheme = b"https" if secure else b"http"
    return b"%b\r\nX-Idnode-Peer: %b\r\nX-Idnode-Scheme: %b%b" % (head, address.encode(), scheme, data[head_end:])


def _body_octets(head: bytes) -> int | None:
    """Return how long the body is that a head announces; None for a head with anything unusual in it."""
    if _ODD_LINE(head):
        return None
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    headers = dict(collector.headers)
    if len(headers) != len(collector.headers) or not headers.keys() <= _KNOWN or not headers.get(b"host"):
        return None
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json" or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(BODY_OCTETS_MAX)) or int(length) > BODY_OCTETS_MAX:
        return None
    return int(length)


class _Collector:
    """Takes the parser's callbacks."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header field."""
        self.headers.append((name.lower(), value))


def _octets(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return an answer as it is sent to a client that keeps its connection."""
    lines = [b"HTTP/1.1 %d %b" % (status, _phrase(status))]
    lines += [b"%b: %b" % pair for pair in headers if pair[0].lower() not in _SET_ANEW]
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
