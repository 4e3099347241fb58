"""The profile idn-report/1: JSON over HTTPS (docking contract 9). The first transport."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from ssl import SSLContext
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from identifiers.signing_keys import PrivateKey, PublicKey
from sync import body
from sync.access_points import AccessPoint, AccessPoints
from sync.answers import decide
from sync.batch import PROFILE, Batch, Limits, Pending, Receipt, Rejection, StreamState, Unknown
from sync.digests import DigestAnswer, KeyRange
from sync.directives.shapes import DIRECTIVES_PER_PAGE, Directive, DirectivePage, Outcome
from sync.discovery import Configured, Discovery
from sync.retry import RetryPolicy
from sync.transport import TransportError
from sync.transports.http_answer import Answer
from sync.transports.requester import Requester
from sync.transports.verdicts import HTTP_OK, decoded, refused, verdict

ANSWER_TIMEOUT_S: Final = 60.0
REJECTIONS_PER_PAGE: Final = 1_000
UNKNOWN_BATCH: Final = "unknown_batch"
UNKNOWN_TABLE: Final = "unknown_table"
"""The contract names no code for a stream never heard of (9.1, 9.7): every other 404 to that question means it."""
HTTP_CREATED: Final = 201
HTTP_NO_CONTENT: Final = 204
HTTP_NOT_FOUND: Final = 404
FILE_OCTETS_MAX: Final = 20 * 1024 * 1024


class _Capabilities(msgspec.Struct, frozen=True):
    profiles: list[str]
    tables: dict[str, list[int]]
    limits: Limits = Limits()
    encodings: list[str] = []


class _Rejections(msgspec.Struct, frozen=True):
    rejections: tuple[Rejection, ...]


class HttpTransport:
    """Reports to the collector. Make it inside the running event loop, and `aclose` it.

    `upstream` is a base URL or a way to find several; with `key` every request is signed; with `collector_key` a
    receipt counts only with the collector's signature.
    """

    name: Final = PROFILE

    def __init__(
        self,
        upstream: str | Discovery,
        reporter: str,
        *,
        token: str | None = None,
        key: PrivateKey | None = None,
        collector_key: PublicKey | None = None,
        tls: SSLContext | None = None,
        policy: RetryPolicy | None = None,
        random: Random | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        parallel_max: int = 16,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        discovery = Configured([upstream]) if isinstance(upstream, str) else upstream
        chance = random if random is not None else Random()  # noqa: S311 - spreads retries, guards no secret
        self._tables: Mapping[str, list[int]] = {}
        self._gzip = True
        self._requester = Requester(
            AccessPoints(discovery, policy or RetryPolicy(), chance, now=now),
            reporter,
            now=now,
            token=token,
            key=key,
            collector_key=collector_key,
            tls=tls,
            # One connection more than batches in flight: questions must not wait for answers to batches.
            connections_max=parallel_max + 1,
            answer_timeout_s=answer_timeout_s,
        )

    def access_points(self) -> tuple[AccessPoint, ...]:
        """Return the collector's access points as far as they are known, with their health."""
        return tuple(self._requester.points.known())

    def supports(self, table: str) -> bool:
        """Whether the collector said that it takes schema 1 of this table."""
        return 1 in self._tables.get(table, ())

    async def limits(self) -> Limits:
        """Ask for capabilities, which also tells the tables and encodings."""
        answer = await self._requester.ask("GET", "/v1/capabilities")
        capabilities = decoded(answer, _Capabilities)
        if PROFILE not in capabilities.profiles:
            raise TransportError(f"the collector does not speak {PROFILE}", kind="pause_link")
        self._tables = capabilities.tables
        self._gzip = "gzip" in capabilities.encodings
        return capabilities.limits

    async def submit(self, batch: Batch) -> Receipt | Pending:
        """Hand a batch over, uncompressed if the collector does not take gzip."""
        answer = await self._put_batch(batch)
        if decide(answer.status, answer.code) == "send_plain" and self._gzip:
            self._gzip = False
            answer = await self._put_batch(batch)
        return self._verdict(answer, batch.batch_id)

    async def receipt(self, batch_id: UUID) -> Receipt | Pending | Unknown:
        """Ask for the verdict."""
        answer = await self._requester.ask("GET", f"/v1/batches/{batch_id}")
        if answer.status == HTTP_NOT_FOUND and answer.code == UNKNOWN_BATCH:
            return Unknown()
        return self._verdict(answer, batch_id)

    async def rejections(self, batch_id: UUID, after_n: int) -> tuple[Rejection, ...]:
        """Return the next page of rejections."""
        path = f"/v1/batches/{batch_id}/rejections?after_n={after_n}&limit={REJECTIONS_PER_PAGE}"
        return decoded(await self._requester.ask("GET", path), _Rejections).rejections

    async def last_sequence(self, table: str, scope: str) -> StreamState | Unknown:
        """Ask how far the stream has come."""
        answer = await self._requester.ask("GET", f"/v1/streams/{table}/{scope}")
        if answer.status == HTTP_NOT_FOUND and answer.code != UNKNOWN_TABLE:
            return Unknown()
        return decoded(answer, StreamState)

    async def put_file(self, sha256: str, media_type: str, content: bytes) -> None:
        """Hand a file over that rows refer to (9.9), unless the collector has it; at most 20 MiB."""
        if len(content) > FILE_OCTETS_MAX:
            raise TransportError(f"the file {sha256} is larger than {FILE_OCTETS_MAX} octets", kind="halt_stream")
        path = f"/v1/attachments/{sha256}"
        held = await self._requester.ask("HEAD", path)
        if held.status in (HTTP_OK, HTTP_NO_CONTENT):
            return
        answer = await self._requester.ask("PUT", path, content=content, headers={"Content-Type": media_type})
        if answer.status not in (HTTP_OK, HTTP_CREATED, HTTP_NO_CONTENT):
            raise refused(answer)

    async def put_monthly_report(self, month: str, content: bytes) -> bytes:
        """Hand the monthly report of `YYYY-MM` over, as JSON; returns the collector's answer, which is JSON too.

        A collector that holds this revision or a later one refuses with the code `stale`.
        """
        headers = {"Content-Type": "application/json"}
        answer = await self._requester.ask("PUT", f"/v1/monthly-reports/{month}", content=content, headers=headers)
        if answer.status not in (HTTP_OK, HTTP_CREATED):
            raise refused(answer)
        return answer.content

    async def directives(self, after: str) -> tuple[Directive, ...]:
        """Return the next page of what the collector asks, behind the directive `after`; "" for the first."""
        query = urlencode({"after": after, "limit": DIRECTIVES_PER_PAGE})
        return decoded(await self._requester.ask("GET", f"/v1/directives?{query}"), DirectivePage).directives

    async def acknowledge_directive(self, directive_id: str, outcome: Outcome) -> None:
        """Tell what became of a directive."""
        path = f"/v1/directives/{quote(directive_id, safe='')}/ack"
        content, headers = msgspec.json.encode(outcome), {"Content-Type": "application/json"}
        answer = await self._requester.ask("POST", path, content=content, headers=headers)
        if answer.status not in (HTTP_OK, HTTP_CREATED, HTTP_NO_CONTENT):
            raise refused(answer)

    async def digests(self, table: str, scope: str, keys: KeyRange, *, depth: int, rows: bool) -> DigestAnswer:
        """Ask what the collector holds of the stream within these keys."""
        bounds = {"from": keys.lower or "", "to": keys.upper or "", "depth": depth, "rows": str(rows).lower()}
        path = f"/v1/digests/{table}/{scope}?{urlencode(bounds)}"
        return decoded(await self._requester.ask("GET", path), DigestAnswer)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._requester.aclose()

    async def _put_batch(self, batch: Batch) -> Answer:
        headers = {"Content-Type": "application/x-ndjson"}
        content = batch.body
        if batch.resend_of is not None:
            headers["Idn-Resend"] = batch.resend_of
        if self._gzip:
            headers["Content-Encoding"] = "gzip"
        else:
            content = await asyncio.to_thread(body.decompress, content)
        return await self._requester.ask("PUT", f"/v1/batches/{batch.batch_id}", content=content, headers=headers)

    def _verdict(self, answer: Answer, batch_id: UUID) -> Receipt | Pending:
        found = verdict(answer, batch_id)
        if isinstance(found, Receipt):
            self._requester.prove(answer)
        return found
