"""Who may speak to the collector (docking contract 9.11): signatures, the bearer token, the reporter's two headers."""

import asyncio
import hmac
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from aiohttp import web

from identifiers.request_signing import Message, Nonces, SignatureRefused, check_nonce, check_request, read_signature
from identifiers.signing_keys import PublicKey
from sync.batch import PROFILE
from sync.calendar_time import instant
from sync.collecting.problems import Problem

RATE_WINDOW_S: Final = 1.0


class Gate:
    """Checks each request of the contract's endpoints.

    Without keys, unsigned requests are taken unless `allow_unsigned` is False; with keys, only if it is True.
    A request that carries a signature needs a right one in any case.
    """

    def __init__(
        self,
        *,
        keys: Mapping[str, PublicKey],
        allow_unsigned: bool | None,
        token: str | None,
        batches_per_s: int | None,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._allow_unsigned = not keys if allow_unsigned is None else allow_unsigned
        self._token = token
        self._batches_per_s = batches_per_s
        self._now = now
        self._nonces = Nonces()
        self._recent: dict[str, deque[float]] = {}

    async def check(self, request: web.Request, content: bytes) -> str | None:
        """Return the id of the key that signed, None for an unsigned request; raises Problem."""
        expected = f"Bearer {self._token}"
        if self._token and not hmac.compare_digest(request.headers.get("Authorization", ""), expected):
            raise self._refused("signature_missing", "show the bearer token agreed upon")
        if request.headers.get("Idn-Profile") != PROFILE or not request.headers.get("Idn-Reporter"):
            raise Problem(400, "malformed", f"Idn-Profile must be {PROFILE}, Idn-Reporter the reporter's prefix")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "signature" not in headers and "signature-input" not in headers and self._allow_unsigned:
            return None
        uri = f"{request.scheme}://{request.host}{request.raw_path}"
        try:
            presented = read_signature(headers)
            key = self._keys.get(presented.key_id)
            # Verifying an SM2 signature and hashing a large body both take their time.
            await asyncio.to_thread(
                check_request,
                presented,
                key,
                Message(request.method, uri, headers),
                content,
                now=(now := self._now()),
                nonces=None,
            )
            check_nonce(presented, now, self._nonces)
        except SignatureRefused as error:
            raise self._refused(error.code, str(error)) from error
        return presented.key_id

    def check_rate(self, reporter: str) -> None:
        """Raise Problem if the reporter hands in more batches a second than it may."""
        if self._batches_per_s is None:
            return
        at, recent = asyncio.get_running_loop().time(), self._recent.setdefault(reporter, deque())
        while recent and recent[0] <= at - RATE_WINDOW_S:
            recent.popleft()
        if len(recent) >= self._batches_per_s:
            detail = f"at most {self._batches_per_s} batches a second"
            raise Problem(429, "rate_limited", detail, headers={"Retry-After": "1"})
        recent.append(at)

    def _refused(self, code: str, detail: str) -> Problem:
        return Problem(401, code, detail, more={"server_time": instant(self._now())})
