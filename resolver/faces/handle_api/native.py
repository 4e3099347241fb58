"""Messages of the Handle protocol carried by HTTP: POST of one message, answered with one or more (9).

The classic client reads header lines and then octets. It knows neither chunked nor compressed bodies, so one answer
has its length, and the parts of a list end with the connection.
"""

from collections.abc import AsyncIterator
from email.utils import formatdate
from time import perf_counter
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, Response, StreamResponse
from multidict import CIMultiDict

from identifiers.handle_wire.envelope import ENVELOPE_OCTETS, Envelope, parse_envelope
from identifiers.handle_wire.versions import OURS
from identifiers.hs_site import ADMINISTRATION, parse_site
from identifiers.octets import WireError
from resolver.faces.body import BodyRefused, read_body
from resolver.faces.client import TrustedProxies
from resolver.handle.dispatch import Dispatch, Reply
from resolver.handle.exchange import Peer
from resolver.handle.site import HTTP

MEDIA_TYPE: Final = "application/x-hdl-message"

_HEADERS: Final = (("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store"))
_NO_ENVELOPE: Final = Envelope(OURS, 0, OURS, 0, 0, 0, 0)


def is_native(request: BaseRequest) -> bool:
    """Say whether a request carries a message, whatever its path."""
    headers = request.headers
    return (
        request.method == "POST"
        and MEDIA_TYPE in headers.get("Content-Type", "").lower()
        and MEDIA_TYPE in headers.get("Accept", "").lower()
    )


class NativeMessages:
    """Serves such requests. The rules are those of TCP, but a connection is not kept for it.

    Administration is served over TLS, and in the clear where the site record says so of the HTTP interface.
    """

    def __init__(self, dispatch: Dispatch, proxies: TrustedProxies, site: bytes) -> None:
        self._dispatch = dispatch
        self._proxies = proxies
        self._administers_in_the_clear = administers_in_the_clear(site)

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer; whatever the message is, with 200 and a message."""
        try:
            octets = await read_body(request)
        except BodyRefused as error:
            return self._refusal(_NO_ENVELOPE, str(error))
        if len(octets) < ENVELOPE_OCTETS:
            return self._refusal(_NO_ENVELOPE, "an envelope has 20 octets")
        envelope = parse_envelope(octets)
        part = octets[ENVELOPE_OCTETS:]
        if envelope.length != len(part):
            return self._refusal(envelope, "the message is not as long as its envelope says")
        client = self._proxies.client(request)
        peer = Peer("http", client.address, administers=client.secure or self._administers_in_the_clear)
        replies = self._dispatch.later(peer, envelope, part, perf_counter())
        first = await anext(replies)
        second = await anext(replies, None)
        if second is None:
            return _whole(first.octets)
        return await _in_parts(request, [first, second], replies)

    def _refusal(self, envelope: Envelope, text: str) -> Response:
        return _whole(self._dispatch.refuse(envelope, WireError(text)).octets)


def administers_in_the_clear(site: bytes) -> bool:
    """Say whether a site record, the data of an HS_SITE, has an HTTP interface for administration."""
    interfaces = (interface for server in parse_site(site).servers for interface in server.interfaces)
    return any(interface.protocol == HTTP and interface.kind & ADMINISTRATION for interface in interfaces)


def _whole(octets: bytes) -> Response:
    return Response(body=octets, headers=dict(_HEADERS))


async def _in_parts(request: BaseRequest, first: list[Reply], others: AsyncIterator[Reply]) -> StreamResponse:
    response = _Parts()
    await response.prepare(request)
    for reply in first:
        await request.writer.write(reply.octets)
    async for reply in others:
        await request.writer.write(reply.octets)
    await request.writer.write_eof()
    return response


class _Parts(StreamResponse):
    """An answer whose end is that of the connection: the library would cut it into chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Write the head."""
        headers = CIMultiDict((*_HEADERS, ("Date", formatdate(usegmt=True)), ("Connection", "close")))
        await request.writer.write_headers("HTTP/1.1 200 OK", headers)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is written."""
