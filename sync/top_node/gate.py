"""Who may speak to the collector (docking contract 9.11): signatures, the bearer token, the reporter's two headers."""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

from aiohttp import web

from identifiers.request_signing import Message, Nonces, SignatureRefused, read_signature
from identifiers.signing_keys import PublicKey
from registry.signed_requests import check_signed
from sync.batch import PROFILE
from sync.calendar_time import instant
from sync.collecting.problems import Problem
from sync.collecting.rate import BatchRate


def uri_of(request: web.Request) -> str:
    """Return the address of a request as its sender sees it; nothing stands before the simulator."""
    return f"{request.scheme}://{request.host}{request.raw_path}"


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
        self._now = now
        self._nonces = Nonces()
        self._rate = None if batches_per_s is None else BatchRate(batches_per_s)

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
        uri = uri_of(request)
        try:
            presented = read_signature(headers)
            key = self._keys.get(presented.key_id)
            message = Message(request.method, uri, headers)
            await check_signed(presented, key, message, content, now=self._now(), nonces=self._nonces)
        except SignatureRefused as error:
            raise self._refused(error.code, str(error)) from error
        return presented.key_id

    def check_rate(self, reporter: str) -> None:
        """Raise Problem if the reporter hands in more batches a second than it may."""
        if self._rate is not None:
            self._rate.check(reporter)

    def _refused(self, code: str, detail: str) -> Problem:
        return Problem(401, code, detail, more={"server_time": instant(self._now())})
