"""A connection that the lane has handed over: aiohttp reads it, but what it cannot read is refused in our words.

aiohttp's own refusal quotes the line it could not read and names its version. Nothing of ours is asked then: there is
no request yet that a middleware or a signal could see.
"""

import asyncio
import logging
import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from multidict import CIMultiDict

from resolver.faces import handle_answer
from resolver.faces.methods import KNOWN_METHODS, METHOD_OCTETS_MAX, unknown_method

LINE_OCTETS_MAX: Final = 8_190
"""Of a request line or one header field; the whole head is bounded by the lane, and for what it hands over in one
piece by the application."""

UNREADABLE: Final = handle_answer.error_body(
    4,
    None,
    f"This is not an HTTP request: check request line, header fields and chunks, each line at most {LINE_OCTETS_MAX:,} "
    "octets; percent-encode what is not ASCII in the path",
)
"""The body of the refusal."""

_METHOD: Final = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}) /")
_log = logging.getLogger(__name__)
# aiohttp writes a traceback for every malformed request: anyone could fill the log. Our defects are logged elsewhere.
_log.setLevel(logging.CRITICAL)


class HttpConnection(RequestHandler):
    """One connection, served by `server`. Without a request for `idle_s` it is closed."""

    __slots__ = ("_begun",)

    def __init__(self, server: Server, *, idle_s: float) -> None:
        self._begun = b""
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

    def data_received(self, data: bytes) -> None:
        """Note how the input begins: the method of a request that cannot be read, usually."""
        self._begun = data[: METHOD_OCTETS_MAX + 2]
        super().data_received(data)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer what could not be read with 400, 431 or 501, and close; a defect met later is aiohttp's to answer."""
        if status != HTTPStatus.BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        if isinstance(exc, LineTooLong):
            return _Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, handle_answer.HEAD_TOO_LARGE)
        if isinstance(exc, BadHttpMethod) and (begun := _METHOD.match(self._begun)) is not None:
            method = begun[1].decode("ascii")
            if method not in KNOWN_METHODS:  # else the one that is unknown came behind another request
                return _Refusal(HTTPStatus.NOT_IMPLEMENTED, unknown_method(method))
        return _Refusal(HTTPStatus.BAD_REQUEST, UNREADABLE)


class _Refusal(StreamResponse):
    """A refusal that is written as it stands: `prepare` of the library would add its name and version."""

    def __init__(self, status: HTTPStatus, body: bytes) -> None:
        super().__init__(status=status)
        self._line = f"HTTP/1.1 {status.value} {status.phrase}"
        self._octets = body
        self.force_close()

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Write head and body."""
        headers = CIMultiDict(handle_answer.ERROR_HEADERS)
        headers["Content-Length"] = str(len(self._octets))
        headers["Date"] = formatdate(usegmt=True)
        headers["Connection"] = "close"
        await request.writer.write_headers(self._line, headers)
        await request.writer.write_eof(self._octets)
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is written."""
