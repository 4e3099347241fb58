"""Reading a request's body whole: bounded in octets and in time."""

import asyncio
from typing import Final

from aiohttp.web import BaseRequest, HTTPRequestEntityTooLarge, RequestPayloadError

OCTETS_MAX: Final = 1_048_576
"""The default; an application may be made with another."""
WAIT_S: Final = 30.0


class BodyRefused(Exception):  # noqa: N818 - names what happened to it
    """The body cannot be taken; `status` is the HTTP status that says so, the text is for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_body(request: BaseRequest) -> bytes:
    """Return the body. Raises BodyRefused."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BodyRefused(415, "The body is compressed: send it without Content-Encoding")
    try:
        async with asyncio.timeout(WAIT_S):
            return await request.read()
    except HTTPRequestEntityTooLarge as error:
        raise BodyRefused(413, f"The body exceeds {request.client_max_size:,} octets") from error
    except TimeoutError as error:
        raise BodyRefused(408, f"The body did not come within {WAIT_S:.0f} seconds") from error
    except RequestPayloadError as error:
        raise BodyRefused(400, "The body is not framed as HTTP asks") from error
