"""The way to the registry: requests for its API pass through a worker to its Unix socket, both ways streamed.

The socket is the node's own (mode 0600), so the registry believes what the worker says of the client:
`X-Idnode-Peer` (address) and `X-Idnode-Scheme`. Whatever a client itself sends under `X-Idnode-` is dropped.
"""

import asyncio
import logging
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp.web import BaseRequest, RequestPayloadError, Response, StreamResponse
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import CollectorRegistry
from yarl import URL

from identifiers.plain_registration import PlainAnswer
from resolver.faces.client import TrustedProxies
from resolver.faces.problem import problem
from resolver.metrics import ProxyMetrics
from resolver.registry_exchange import Exchanged, RegistryAway, RegistryExchange, RegistryInterrupted

OPEN_MAX: Final = 512
"""Requests under way to the registry from one worker; it queues for its database itself."""
CONNECT_S: Final = 2.0
READ_S: Final = 300.0
"""Longest silence of the registry while it owes (the rest of) an answer."""
UPLOAD_SILENCE_S: Final = 60.0
READINESS_S: Final = 1.0

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_WHO_AM_I: Final = "http://registry/api/v1/whoami"
_UNKNOWN_TOKEN: Final = {"Authorization": "Bearer is-the-database-there"}
# To refuse a token nobody has, the registry must ask its database; without it, it answers 503.
_OWN: Final = "x-idnode-"
_OWN_OCTETS: Final = _OWN.encode()
_SHORT: Final = "/api/v1/identifiers/"
SHORT_OCTETS_MAX: Final = 65_536
_HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
HOP_BY_HOP_OCTETS: Final = frozenset(name.encode() for name in _HOP_BY_HOP)
_SET_ANEW: Final = _HOP_BY_HOP | {"content-length"}
SNMS_ROOTS: Final = ("/snms/", "/identity/", "/identityv2/")
"""Where the registry's SNMS-compatible API lives; its clients know their own form of a refusal."""
_SNMS_BUSY: Final = '{"message":"系统繁忙","status":-4,"data":null}'.encode()
_SNMS_READ_ONLY: Final = '{"message":"只读镜像节点，不受理注册","status":-2,"data":null}'.encode()
_UNUSUAL: Final = re.compile(r"[^!-~]|#")
_AWAY: Final = "The registry does not answer: it is starting, or being restarted"
_INTERRUPTED: Final = "The registry ended before it answered: the change may have been made or not"

log = logging.getLogger(__name__)


class RegistryProxy:
    """Passes requests on while its block is entered."""

    def __init__(
        self,
        socket_path: Path,
        proxies: TrustedProxies,
        registry: CollectorRegistry | None = None,
        *,
        mirror_of: str = "",
    ) -> None:
        self._mirror_of = mirror_of
        self._socket_path = socket_path
        self._proxies = proxies
        self._metrics = ProxyMetrics(registry or CollectorRegistry())
        self._answered = self._metrics.requests.labels("answered")
        self._open = 0
        self._readiness = (0.0, False)
        self._session: aiohttp.ClientSession | None = None

        self._exchange = RegistryExchange(socket_path, connect_s=CONNECT_S, answer_s=READ_S)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self._socket_path), limit=0, keepalive_timeout=15),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.close()
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Pass one request on and its answer back. While the registry is away: 503 with Retry-After."""
        if self._mirror_of:
            return _read_only(request, self._mirror_of)
        if self._open >= OPEN_MAX:
            self._metrics.requests.labels("busy").inc()
            return _refusal(request.path, "busy", "Too many requests wait for the registry", "Try again")
        self._opened(1)
        try:
            return await (self._exchange_short(request) if _is_short(request) else self._pass_on(request))
        finally:
            self._opened(-1)

    @property
    def has_room(self) -> bool:
        """Whether `begin` may be called; otherwise `serve` refuses."""
        return not self._mirror_of and self._open < OPEN_MAX

    def begin(self, request: bytes) -> asyncio.Future[Exchanged]:
        """Pass on a short request that is known to be one of ours, if there is room.

        The future has the answer, RegistryAway or RegistryInterrupted; see `interrupted`.
        """
        under_way = self._exchange.begin(request)
        self.note(under_way)
        return under_way

    def note(self, under_way: asyncio.Future[Any]) -> None:
        """Count what is under way to the registry, until it ends."""
        self._opened(1)
        under_way.add_done_callback(self._ended)

    def _ended(self, under_way: asyncio.Future[Any]) -> None:
        self._opened(-1)
        if under_way.cancelled() or under_way.exception() is not None:
            return
        answer = under_way.result()
        if not isinstance(answer, PlainAnswer) or answer.octets is not None:
            self._answered.inc()

    def interrupted(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body that a request gets which the registry had in its hands when it went away."""
        self._metrics.requests.labels("interrupted").inc()
        refusal = _interrupted("")
        headers = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        assert isinstance(refusal.body, bytes)  # noqa: S101 - made of octets
        return refusal.status, headers, refusal.body

    def _opened(self, more: int) -> None:
        self._open += more
        self._metrics.open.set(self._open)

    async def writes_possible(self) -> bool:
        """Ask, at most once a second, whether the registry is there and reaches its database."""
        if self._mirror_of:
            return False
        asked_at, answer = self._readiness
        if time.monotonic() - asked_at > READINESS_S:
            answer = await self._is_ready()
            self._readiness = (time.monotonic(), answer)
        return answer

    async def _is_ready(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=READINESS_S)
        try:
            async with self._client().get(_WHO_AM_I, headers=_UNKNOWN_TOKEN, timeout=timeout) as answer:
                return answer.status < 500  # noqa: PLR2004 - the first status that is the server's own trouble
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _exchange_short(self, request: BaseRequest) -> StreamResponse:
        """Pass a short request on whole, and its answer back whole."""
        try:
            async with asyncio.timeout(UPLOAD_SILENCE_S):
                body = await request.read()
        except (TimeoutError, RequestPayloadError, ConnectionError):
            self._metrics.requests.labels("left").inc()
            cut_off(request)
            return StreamResponse(status=503)
        try:
            answer = await self._exchange.exchange(self._short_head(request) + body)
        except (RegistryAway, RegistryInterrupted) as error:
            return self._gone(request, connected=isinstance(error, RegistryInterrupted))
        self._answered.inc()
        named = ((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in answer.headers)
        headers = CIMultiDict(pair for pair in named if pair[0].lower() not in _SET_ANEW)
        return Response(status=answer.status, reason=answer.reason, headers=headers, body=answer.body)

    def _short_head(self, request: BaseRequest) -> bytes:
        client = self._proxies.client(request)
        dropped = HOP_BY_HOP_OCTETS | {
            name.strip() for name in request.headers.get("Connection", "").lower().encode("latin-1").split(b",")
        }
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), _as_sent(request.raw_path).encode("ascii"))]
        lines += [
            b"%b: %b" % (name, value)
            for name, value in request.raw_headers
            if (folded := name.lower()) not in dropped and not folded.startswith(_OWN_OCTETS)
        ]
        lines.append(b"X-Idnode-Peer: " + client.address.encode())
        lines.append(b"X-Idnode-Scheme: " + (b"https" if client.secure else b"http"))
        return b"\r\n".join(lines) + b"\r\n\r\n"

    async def _pass_on(self, request: BaseRequest) -> StreamResponse:
        response: StreamResponse | None = None
        try:
            async with self._client().request(
                request.method,
                URL("http://registry" + _as_sent(request.raw_path), encoded=True),
                headers=self._headers_for_registry(request),
                data=_body(request) if request.body_exists else None,
                allow_redirects=False,
            ) as answer:
                headers = _end_to_end(answer.headers)
                response = StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
        except (aiohttp.ClientError, TimeoutError) as error:
            return self._broken(request, response, error)
        self._answered.inc()
        return response

    def _broken(self, request: BaseRequest, response: StreamResponse | None, error: Exception) -> StreamResponse:
        """Say that the registry is away; or cut off an answer that had begun, so that nobody takes it for whole."""
        if _has_left(request):
            self._metrics.requests.labels("left").inc()
            return response or StreamResponse(status=503)
        if response is not None:
            self._metrics.requests.labels("cut").inc()
            log.warning("an answer of the registry broke off: %s", error or type(error).__name__)
            cut_off(request)
            return response
        connected = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        return self._gone(request, connected=connected)

    def _gone(self, request: BaseRequest, *, connected: bool) -> StreamResponse:
        """Say that the registry is away, or went away with the request in its hands."""
        self._metrics.requests.labels("interrupted" if connected else "away").inc()
        if connected:
            return _interrupted(request.path)
        return _refusal(request.path, "registry_away", _AWAY, "Try again in a moment; lookups go on")

    def _headers_for_registry(self, request: BaseRequest) -> CIMultiDict[str]:
        headers = _end_to_end(request.headers)
        for name in [name for name in headers if name.lower().startswith(_OWN)]:
            headers.popall(name, None)
        client = self._proxies.client(request)
        headers["X-Idnode-Peer"] = client.address
        headers["X-Idnode-Scheme"] = "https" if client.secure else "http"
        return headers

    def _client(self) -> aiohttp.ClientSession:
        assert self._session is not None  # noqa: S101 - serve is called inside the block only
        return self._session


def _interrupted(path: str) -> Response:
    remedy = "Read the record, or repeat the request with the same Idempotency-Key"
    return _refusal(path, "registry_interrupted", _INTERRUPTED, remedy)


def _refusal(path: str, code: str, detail: str, remedy: str) -> Response:
    """Answer 503 in the form that the clients of the path know."""
    if path.startswith(SNMS_ROOTS):
        return Response(status=503, body=_SNMS_BUSY, headers={"Content-Type": "application/json", "Retry-After": "1"})
    return problem(503, code, detail, remedy, retry_after_s=1)


def _read_only(request: BaseRequest, mirror_of: str) -> Response:
    """Refuse what a mirror has no registry for, in the form that the clients of the path know."""
    if request.path.startswith(SNMS_ROOTS):
        return Response(status=403, body=_SNMS_READ_ONLY, headers={"Content-Type": "application/json"})
    detail = "This node is a read-only mirror: it answers lookups only"
    return problem(403, "read_only_mirror", detail, f"Send the request to {mirror_of}")


def cut_off(request: BaseRequest) -> None:
    """Close the client's connection without the end its framing promises.

    Where only the close itself marks the end (HTTP/1.0), a reset tells it from a proper one.
    """
    transport = request.transport
    if transport is None:
        return
    if request.version < aiohttp.HttpVersion11:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()


def _is_short(request: BaseRequest) -> bool:
    """Say whether a request is a single registration whose body and answer are small."""
    if request.method != "PUT" or not request.raw_path.startswith(_SHORT):
        return False
    return request.content_length is not None and request.content_length <= SHORT_OCTETS_MAX


def _has_left(request: BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _body(request: BaseRequest) -> AsyncIterator[bytes]:
    """Give the client's body as it comes; a client that breaks off breaks the request to the registry off too."""
    try:
        while True:
            async with asyncio.timeout(UPLOAD_SILENCE_S):
                piece = await request.content.readany()
            if not piece:
                return
            yield piece
    except (RequestPayloadError, ConnectionError) as error:
        raise aiohttp.ClientPayloadError("the client's body broke off") from error


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return headers without those that belong to one connection (RFC 9110, 7.6.1)."""
    named = {name.strip().lower() for name in ",".join(headers.getall("Connection", ())).split(",")}
    dropped = _HOP_BY_HOP | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _as_sent(raw_path: str) -> str:
    """Return a target that survives a URL parser: what could end the path, or is no ASCII, percent-encoded."""
    if _UNUSUAL.search(raw_path) is None:
        return raw_path
    octets = raw_path.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 0x20 < octet < 0x7F and octet != 0x23 else f"%{octet:02X}" for octet in octets)  # noqa: PLR2004 - visible ASCII but the number sign
