"""The way to the registry: requests for its API pass through a worker to its Unix socket, both ways streamed.

The socket is the node's own (mode 0600), so the registry believes what the worker says of the client:
`X-Idnode-Peer` (address) and `X-Idnode-Scheme`. Whatever a client itself sends under `X-Idnode-` is dropped.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.web import BaseRequest, RequestPayloadError, StreamResponse
from multidict import CIMultiDict, CIMultiDictProxy
from prometheus_client import CollectorRegistry
from yarl import URL

from resolver.faces.client import TrustedProxies
from resolver.faces.problem import problem
from resolver.metrics import ProxyMetrics

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
_AWAY: Final = "The registry does not answer: it is starting, or being restarted"
_INTERRUPTED: Final = "The registry ended before it answered: the change may have been made or not"

log = logging.getLogger(__name__)


class RegistryProxy:
    """Passes requests on while its block is entered."""

    def __init__(self, socket_path: Path, proxies: TrustedProxies, registry: CollectorRegistry | None = None) -> None:
        self._socket_path = socket_path
        self._proxies = proxies
        self._metrics = ProxyMetrics(registry or CollectorRegistry())
        self._open = 0
        self._readiness = (0.0, False)
        self._session: aiohttp.ClientSession | None = None

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
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Pass one request on and its answer back. While the registry is away: 503 with Retry-After."""
        if self._open >= OPEN_MAX:
            self._metrics.requests.labels("busy").inc()
            return problem(503, "busy", "Too many requests wait for the registry", "Try again", retry_after_s=1)
        self._open += 1
        self._metrics.open.set(self._open)
        try:
            return await self._pass_on(request)
        finally:
            self._open -= 1
            self._metrics.open.set(self._open)

    async def writes_possible(self) -> bool:
        """Ask, at most once a second, whether the registry is there and reaches its database."""
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
        self._metrics.requests.labels("answered").inc()
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
        self._metrics.requests.labels("interrupted" if connected else "away").inc()
        if connected:
            remedy = "Read the record, or repeat the request with the same Idempotency-Key"
            return problem(503, "registry_interrupted", _INTERRUPTED, remedy, retry_after_s=1)
        return problem(503, "registry_away", _AWAY, "Try again in a moment; lookups go on", retry_after_s=1)

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
    octets = raw_path.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 0x20 < octet < 0x7F and octet != 0x23 else f"%{octet:02X}" for octet in octets)  # noqa: PLR2004 - visible ASCII but the number sign
