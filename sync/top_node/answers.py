"""How the simulator answers: JSON, problems, numbers in queries read strictly, and signed receipts (9.11)."""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from sync import signing
from sync.collecting.problems import Problem, as_answer
from sync.signing import Message
from sync.signing_keys import PrivateKey

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NUMBER_DIGITS_MAX: Final = 9


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
        answer.headers["Content-Digest"] = signing.content_digest(answer.body)  # type: ignore[attr-defined]  # as above
        uri = f"{request.scheme}://{request.host}{request.raw_path}"
        headers = {name.lower(): value for name, value in answer.headers.items()}
        signed = signing.sign_response(
            self._key,
            Message(request.method, uri, headers),
            answer.status,
            now=self._now(),
            nonce=os.urandom(signing.NONCE_OCTETS),
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


def number(request: web.Request, name: str, default: int) -> int:
    """Return a number of the query; raises Problem."""
    text = request.query.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX):
        raise Problem(400, "malformed", f"{name} must be a number")
    return int(text)


def as_json(value: Any, status: int = 200) -> web.Response:
    """Return a value as an answer."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
