"""How the simulator answers: problems, and signed receipts (9.11)."""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from identifiers import request_signing
from identifiers.request_signing import Message
from identifiers.signing_keys import PrivateKey
from sync.collecting.problems import Problem, as_answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Signer:
    """Signs every answer with content under the contract's paths, if there is a key."""

    def __init__(self, key: PrivateKey | None, now: Callable[[], datetime]) -> None:
        self._key = key
        self._now = now

    @web.middleware
    async def sign(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Add Content-Digest and the signature to the answer."""
        answer = await handler(request)
        is_ours = request.path.startswith("/v1/") and isinstance(answer, web.Response)
        if self._key is None or not is_ours or not isinstance(answer.body, bytes):  # type: ignore[attr-defined]  # a Response has it
            return answer
        answer.headers["Content-Digest"] = request_signing.content_digest(answer.body)  # type: ignore[attr-defined]  # as above
        uri = f"{request.scheme}://{request.host}{request.raw_path}"
        headers = {name.lower(): value for name, value in answer.headers.items()}
        signed = request_signing.sign_response(
            self._key,
            Message(request.method, uri, headers),
            answer.status,
            now=self._now(),
            nonce=os.urandom(request_signing.NONCE_OCTETS),
        )
        answer.headers.update(signed)
        return answer


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the problem that a handler raised."""
    try:
        return await handler(request)
    except Problem as problem:
        return as_answer(problem)
