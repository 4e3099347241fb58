"""The profile idn-report/1: JSON over HTTPS (docking contract 9). The first transport."""

import asyncio
import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import aiohttp
import msgspec

from sync import body
from sync.answers import decide
from sync.batch import PROFILE, Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown
from sync.transport import ErrorKind, TransportError
from sync.transports.http_answer import Answer, as_error, read_answer

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0
POLL_S_DEFAULT: Final = 5.0
REJECTIONS_PER_PAGE: Final = 1_000
UNKNOWN_BATCH: Final = "unknown_batch"
UNKNOWN_STREAM: Final = "unknown_stream"
"""The contract names no code for a stream never heard of; this is ours."""
HTTP_OK: Final = 200
HTTP_NOT_FOUND: Final = 404


class _Capabilities(msgspec.Struct, frozen=True):
    profiles: list[str]
    tables: dict[str, list[int]]
    limits: Limits = Limits()
    encodings: list[str] = []


class _Rejections(msgspec.Struct, frozen=True):
    rejections: tuple[Rejection, ...]


class HttpTransport:
    """Reports to the collector at `base_url`. Make it inside the running event loop, and `aclose` it."""

    name: Final = PROFILE

    def __init__(
        self,
        base_url: str,
        reporter: str,
        *,
        token: str | None = None,
        parallel_max: int = 16,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        headers = {"Idn-Profile": PROFILE, "Idn-Reporter": reporter, "Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._base = base_url.rstrip("/")
        self._tables: Mapping[str, list[int]] = {}
        self._gzip = True
        # One connection more than batches in flight: questions must not wait for answers to batches.
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=parallel_max + 1),
            timeout=aiohttp.ClientTimeout(total=answer_timeout_s, connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def supports(self, table: str) -> bool:
        """Whether the collector said that it takes schema 1 of this table."""
        return 1 in self._tables.get(table, ())

    async def limits(self) -> Limits:
        """Ask for capabilities, which also tells the tables and encodings."""
        answer = await self._ask("GET", "/v1/capabilities")
        capabilities = _decoded(answer, _Capabilities)
        if PROFILE not in capabilities.profiles:
            raise TransportError(f"the collector does not speak {PROFILE}", kind="pause_link")
        self._tables = capabilities.tables
        self._gzip = "gzip" in capabilities.encodings
        return capabilities.limits

    async def submit(self, batch: Batch) -> Receipt | Pending:
        """Hand a batch over, uncompressed if the collector does not take gzip."""
        path = f"/v1/batches/{batch.batch_id}"
        answer = await self._put(path, batch.body)
        if decide(answer.status, answer.code) == "send_plain" and self._gzip:
            self._gzip = False
            answer = await self._put(path, batch.body)
        return self._verdict(answer, batch.batch_id)

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Ask for the verdict."""
        answer = await self._ask("GET", f"/v1/batches/{batch_id}")
        if answer.status == HTTP_NOT_FOUND and answer.code == UNKNOWN_BATCH:
            return Unknown()
        return self._verdict(answer, batch_id)

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return the next page of rejections."""
        path = f"/v1/batches/{batch_id}/rejections?after_n={after_n}&limit={REJECTIONS_PER_PAGE}"
        answer = await self._ask("GET", path)
        return _decoded(answer, _Rejections).rejections

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown:
        """Ask how far the stream has come."""
        answer = await self._ask("GET", f"/v1/streams/{table}/{scope}")
        if answer.status == HTTP_NOT_FOUND and answer.code == UNKNOWN_STREAM:
            return Unknown()
        return _decoded(answer, StreamState)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _put(self, path: str, gzipped: bytes) -> Answer:
        headers = {"Content-Type": "application/x-ndjson"}
        content = gzipped
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
        else:
            content = await asyncio.to_thread(body.decompress, gzipped)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        headers["Content-Digest"] = f"sha-256=:{digest}:"
        return await self._ask("PUT", path, headers=headers, data=io.BytesIO(content))

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        try:
            async with self._session.request(method, self._base + path, allow_redirects=False, **more) as response:
                return await read_answer(response)
        except (aiohttp.ClientError, OSError) as error:
            # A time-out is an OSError. Whether the collector has the batch is unknown: the same batch again.
            raise TransportError(f"{method} {path}: {error or type(error).__name__}", kind="retry") from error

    def _verdict(self, answer: Answer, batch_id: UUID) -> Receipt | Pending:
        action = decide(answer.status, answer.code)
        if action == "poll_receipt":
            return Pending(POLL_S_DEFAULT if answer.retry_after_s is None else answer.retry_after_s)
        if action != "store_receipt":
            raise as_error(answer, _KINDS.get(action, "halt_stream"))
        receipt = _decoded(answer, Receipt)
        if receipt.batch_id != batch_id:
            raise TransportError(f"receipt of another batch, {receipt.batch_id}", kind="halt_stream")
        return receipt


# After the body went uncompressed, a second 415 can only be answered by a person: "send_plain" is not here.
_KINDS: Final[Mapping[str, ErrorKind]] = {
    "retry": "retry",
    "dependency": "dependency",
    "pause_link": "pause_link",
    "halt_stream": "halt_stream",
    "split": "split",
    "reconcile": "reconcile",
    "rebuild": "rebuild",
}


def _decoded(answer: Answer, kind: type[T]) -> T:
    """Return the answer's content as `kind`; raises TransportError for any other answer."""
    if answer.status != HTTP_OK:
        action = decide(answer.status, answer.code)
        raise as_error(answer, _KINDS.get(action, "pause_link"))
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as error:
        # Not a collector of this profile, or a damaged answer: either way nothing is known of the batch.
        raise TransportError(f"unreadable answer: {error}", kind="retry") from error
