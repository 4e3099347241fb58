"""Single registrations passed on from the fast lane: no general HTTP server stands between client and registry.

Only a request that came whole and whose every header is known is taken. What has neither conditions nor a key is handed
in with others of the same turn (`registry_calls`); where the registry finds more to it than a new record, and for all
that remains, the request goes to the registry's API as it is, with the client's address added. Everything else is left
to the handlers (`registry_proxy`), which give the same answers; a test holds the ways together. Benchmark:
`make bench`, measures `single-registrations` and `lookups-beside-writes`.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

import httptools

from identifiers.plain_registration import PlainAnswer
from resolver.header_memo import INERT
from resolver.registry_calls import RegistryCalls
from resolver.registry_exchange import Exchanged, RegistryAway, RegistryInterrupted
from resolver.registry_proxy import HOP_BY_HOP_OCTETS, SHORT_OCTETS_MAX, RegistryProxy

Answered = Callable[[bytes | None], None]
"""Takes the octets of an answer; None where the handlers have to answer, because nothing was passed on."""

HEAD_OCTETS_MAX: Final = 4_096
_LINE: Final = re.compile(rb"PUT (/api/v1/identifiers/[!\"$-~]+) HTTP/1\.1\r\n").match
"""Visible ASCII but the number sign, where some end a target."""
_ODD_LINE: Final = re.compile(rb"\r\n[ \t]|[^\r]\n|\r[^\n]").search
_CONDITIONS: Final = frozenset((b"if-match", b"if-none-match", b"idempotency-key"))
_KNOWN: Final = (
    INERT
    | _CONDITIONS
    | {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
    }
)
_SET_ANEW: Final = HOP_BY_HOP_OCTETS | {b"content-length", b"server"}


class ShortRegistrations:
    """Takes single registrations from clients that are not behind a trusted proxy."""

    def __init__(self, registry: RegistryProxy, hand_in: RegistryCalls | None = None) -> None:
        self._registry = registry
        self._hand_in = hand_in

    def take(self, data: bytes, address: str, *, secure: bool, answered: Answered) -> bool:
        """Take a request if it is a whole and short registration; `answered` is called in a later turn then."""
        request = _read(data)
        if request is None or not self._registry.has_room:
            return False
        under_way = self._handed_in(request, address)
        if under_way is None:
            self._pass_on(_for_the_api(request, address, secure=secure), answered)
            return True

        def done(under_way: asyncio.Future[PlainAnswer]) -> None:
            try:
                octets = under_way.result().octets
            except (OSError, asyncio.CancelledError):
                answered(_octets(*self._registry.interrupted()))
                return
            if octets is not None:
                answered(octets)
            elif self._registry.has_room:
                self._pass_on(_for_the_api(request, address, secure=secure), answered)
            else:
                answered(None)

        self._registry.note(under_way)
        under_way.add_done_callback(done)
        return True

    def _handed_in(self, request: "_Request", address: str) -> asyncio.Future[PlainAnswer] | None:
        if self._hand_in is None or request.token is None:
            return None
        return self._hand_in.register(request.target, request.token, address, request.body)

    def _pass_on(self, request: bytes, answered: Answered) -> None:
        def done(under_way: asyncio.Future[Exchanged]) -> None:
            try:
                answer = under_way.result()
            except RegistryAway:
                answered(None)
            except (RegistryInterrupted, asyncio.CancelledError):
                answered(_octets(*self._registry.interrupted()))
            else:
                answered(_octets(answer.status, answer.headers, answer.body))

        self._registry.begin(request).add_done_callback(done)


class _Request(NamedTuple):
    """What was read; `token` is None for what is not to be handed in."""

    head: bytes
    target: str
    token: str | None
    body: bytes


def _read(data: bytes) -> _Request | None:
    """Return a request in its parts, None for one that is not taken."""
    line = _LINE(data)
    head_end = data.find(b"\r\n\r\n", 0, HEAD_OCTETS_MAX)
    if line is None or head_end < 0:
        return None
    head = data[:head_end]
    headers = _headers(head + b"\r\n\r\n")
    body_at = head_end + 4
    if headers is None or len(data) - body_at != _body_octets(headers):
        return None
    target = line[1].decode("ascii")
    return _Request(head, target, _token_of_plain(target, headers), data[body_at:])


def _for_the_api(request: _Request, address: str, *, secure: bool) -> bytes:
    """Return what the registry's API gets."""
    scheme = b"https" if secure else b"http"
    own = b"\r\nX-Idnode-Peer: %b\r\nX-Idnode-Scheme: %b\r\n\r\n" % (address.encode(), scheme)
    return request.head + own + request.body


def _headers(head: bytes) -> dict[bytes, bytes] | None:
    """Read the headers of a head; None for one with anything unusual in it."""
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
    return headers


def _body_octets(headers: dict[bytes, bytes]) -> int | None:
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > len(str(SHORT_OCTETS_MAX)) or int(length) > SHORT_OCTETS_MAX:
        return None
    return int(length)


def _token_of_plain(target: str, headers: dict[bytes, bytes]) -> str | None:
    """Return the token of a registration without conditions, key and parameters."""
    if not _CONDITIONS.isdisjoint(headers) or "?" in target:
        return None
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


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
