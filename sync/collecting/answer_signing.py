"""Signed answers of a collector (docking contract 9.11)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from identifiers import request_signing
from identifiers.request_signing import Message
from identifiers.signing_keys import PrivateKey

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AnswerSigner:
    """Signs every answer with content whose path begins with `root`, if there is a key.

    `uri_of` returns the address of a request as its sender sees it.
    """

    def __init__(
        self, key: PrivateKey | None, now: Callable[[], datetime], uri_of: Callable[[web.Request], str], root: str = "/"
    ) -> None:
        self._key = key
        self._now = now
        self._uri_of = uri_of
        self._root = root

    @web.middleware
    async def sign(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Add Content-Digest and the signature to the answer."""
        answer = await handler(request)
        if self._key is None or not request.path.startswith(self._root):
            return answer
        content = getattr(answer, "body", None)
        if not isinstance(content, bytes):
            return answer
        answer.headers["Content-Digest"] = request_signing.content_digest(content)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        # SM2 takes its time.
        signed = await asyncio.to_thread(
            request_signing.sign_response,
            self._key,
            Message(request.method, self._uri_of(request), headers),
            answer.status,
            now=self._now(),
            nonce=os.urandom(request_signing.NONCE_OCTETS),
        )
        answer.headers.update(signed)
        return answer
