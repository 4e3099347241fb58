"""One request to the collector: signed, to the healthiest access point, to the next one if that does not work."""

import asyncio
import io
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import aiohttp
from yarl import URL

from identifiers import request_signing
from identifiers.request_signing import Message, SignatureRefused
from identifiers.signing_keys import PrivateKey, PublicKey
from sync.access_points import AccessPoint, AccessPoints
from sync.batch import PROFILE, Proof
from sync.transport import TransportError
from sync.transports.http_answer import Answer, read_answer

CONNECT_TIMEOUT_S: Final = 10.0
BROKEN_STATUSES: Final = (500, 502, 503, 504)
"""Answers of a server, or of the proxy before it, that does not work: another access point is asked."""
ACCESS_POINTS_PER_REQUEST: Final = 3
_PROVING: Final = ("content-type", "content-digest", "signature-input", "signature")


class Requester:
    """Sends requests. Make it inside the running event loop, and `aclose` it."""

    def __init__(
        self,
        points: AccessPoints,
        reporter: str,
        *,
        now: Callable[[], datetime],
        token: str | None,
        key: PrivateKey | None,
        collector_key: PublicKey | None,
        tls: ssl.SSLContext | None,
        connections_max: int,
        answer_timeout_s: float,
    ) -> None:
        self.points = points
        self._now = now
        self._key = key
        self._collector_key = collector_key
        self._headers = {"Idn-Profile": PROFILE, "Idn-Reporter": reporter, "Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections_max, ssl=True if tls is None else tls),
            timeout=aiohttp.ClientTimeout(total=answer_timeout_s, connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Content-Type",),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(
        self, method: str, path: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer to a request that may be repeated; raises TransportError when there is none.

        `path` begins with a slash and is percent-encoded. An answer of a broken server is returned only if no access
        point had a better one.
        """
        broken: Answer | None = None
        lost: TransportError | None = None
        asked = 0
        ranked = await self.points.ranked()
        for point in ranked:
            if asked == ACCESS_POINTS_PER_REQUEST or not point.breaker.take(self._now()):
                continue
            asked += 1
            try:
                answer = await self._ask_one(point, method, path, content, headers or {})
            except TransportError as error:
                lost = error
                continue
            if answer.status not in BROKEN_STATUSES:
                return answer
            broken = answer
        if broken is not None:
            return broken
        raise lost or self._nobody(ranked)

    async def _ask_one(
        self, point: AccessPoint, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        url = _url(point.url + path)
        sent = await self._signed(method, str(url), content, {**self._headers, **headers})
        data = None if content is None else io.BytesIO(content)  # large bytes given as they are block the event loop
        began = time.perf_counter()
        try:
            async with self._session.request(method, url, data=data, headers=sent, allow_redirects=False) as found:
                answer = await read_answer(found)
        except (aiohttp.ClientError, OSError) as error:
            # A time-out is an OSError. Whether the collector has it is unknown: the same again.
            said = f"{method} {path}: {error or type(error).__name__}"
            point.failed(self._now(), said)
            raise TransportError(said, kind="retry") from error
        if answer.status in BROKEN_STATUSES:
            point.failed(self._now(), f"{method} {path}: answered {answer.status}", answer.retry_after_s)
        else:
            point.succeeded(self._now(), time.perf_counter() - began)
        told = {name: found.headers[name] for name in _PROVING if name in found.headers}
        if "signature" not in told or "signature-input" not in told:
            return answer
        proof = Proof(method=method, target_uri=str(url), status=answer.status, headers=told, content=answer.content)
        return replace(answer, proof=proof)

    async def _signed(
        self, method: str, uri: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return the headers with Content-Digest and signature; large contents are hashed beside the event loop."""
        if content is not None:
            headers = {**headers, "Content-Digest": await asyncio.to_thread(request_signing.content_digest, content)}
        if self._key is None:
            return headers
        message = Message(method, uri, {name.lower(): value for name, value in headers.items()})
        return {
            **headers,
            **request_signing.sign_request(
                self._key, message, now=self._now(), nonce=os.urandom(request_signing.NONCE_OCTETS)
            ),
        }

    def prove(self, answer: Answer) -> None:
        """Raise TransportError if the collector's key is known and this answer does not carry its signature."""
        if self._collector_key is None:
            return
        proof = answer.proof
        try:
            presented = request_signing.read_signature({} if proof is None else proof.headers)
            assert proof is not None  # noqa: S101 - without one, reading has failed
            named = replace(self._collector_key, key_id=presented.key_id)  # the label is the collector's matter
            message = Message(proof.method, proof.target_uri, proof.headers)
            request_signing.check_response(presented, named, message, proof.status, proof.content, now=self._now())
        except SignatureRefused as error:
            raise TransportError(
                f"the receipt is not proved to be the collector's: {error}", kind="pause_link"
            ) from error

    def _nobody(self, ranked: object) -> TransportError:
        """Return the error of a request that nobody was asked for."""
        now, known = self._now(), self.points.known()
        if not ranked:
            return TransportError(self.points.discovery_error or "no access point is known", kind="retry")
        again = [one.breaker.tried_again_at for one in known if one.breaker.tried_again_at is not None]
        wait_s = max(0.0, (min(again) - now).total_seconds()) if again else None
        errors = "; ".join(f"{one.url}: {one.last_error}" for one in known[:ACCESS_POINTS_PER_REQUEST])
        return TransportError(f"no access point works ({errors})", kind="retry", retry_after_s=wait_s)


def _url(text: str) -> URL:
    """Return the address as it is sent and signed: without the scheme's own port, which no Host header carries."""
    url = URL(text, encoded=True)
    return url.with_port(None) if url.is_default_port() else url
