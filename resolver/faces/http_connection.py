"""A connection that the lane has handed over: aiohttp reads it, but what it cannot read is refused in our words.

aiohttp's own refusal quotes the line it could not read and names its version. Nothing of ours is asked then: there is
no request yet that a middleware or a signal could see.
"""

import asyncio
import logging
from email.utils import formatdate
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from multidict import CIMultiDict

from resolver.faces import handle_answer

LINE_OCTETS_MAX: Final = 8_190
"""Of a request line or one header field; the lane bounds the whole head."""

_BAD_REQUEST: Final = 400
UNREADABLE: Final = handle_answer.error_body(
    4,
    None,
    f"This is not an HTTP request: check request line, header fields and chunks, each line at most {LINE_OCTETS_MAX:,} "
    "octets; percent-encode what is not ASCII in the path",
)
"""The body of the refusal."""

_log = logging.getLogger(__name__)
# aiohttp writes a traceback for every malformed request: anyone could fill the log. Our defects are logged elsewhere.
_log.setLevel(logging.CRITICAL)


class HttpConnection(RequestHandler):
    """One connection, served by `server`. Without a request for `idle_s` it is closed."""

    __slots__ = ()

    def __init__(self, server: Server, *, idle_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # None is none; the library's annotation leaves it out
            logger=_log,
            auto_decompress=False,  # what is passed on stays as it is; our own handlers refuse coded bodies
            keepalive_timeout=idle_s,
            max_line_size=LINE_OCTETS_MAX,
            max_field_size=LINE_OCTETS_MAX,
        )

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer what could not be read with 400, and close; a defect met later is aiohttp's to answer."""
        if status != _BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        return _Refusal()


class _Refusal(StreamResponse):
    """A 400 that is written as it stands: `prepare` of the library would add its name and version."""

    def __init__(self) -> None:
        super().__init__(status=_BAD_REQUEST)
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Write head and body."""
        headers = CIMultiDict(handle_answer.ERROR_HEADERS)
        headers["Content-Length"] = str(len(UNREADABLE))
        headers["Date"] = formatdate(usegmt=True)
        headers["Connection"] = "close"
        await request.writer.write_headers("HTTP/1.1 400 Bad Request", headers)
        await request.writer.write_eof(UNREADABLE)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is written."""
