"""The journal of another node, read through its change feed over HTTP: what a mirror follows.

A journal source (see source.py). A mirror sees prefixes, records and aliases, and of the records' values those that
are public: no credentials, identities or grants, so it authorises nobody. Cursors are the feed's own (docking contract
10.1).
"""

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec
import yarl

from identifiers.changes import (
    KIND_ALIAS,
    KIND_IDENTIFIER,
    KIND_PREFIX,
    START,
    AliasKind,
    AliasState,
    Change,
    Cursor,
    IdentifierState,
    SourceUnavailable,
)
from identifiers.feed_cursor import FeedCursorError, read_feed_cursor, write_feed_cursor
from identifiers.request_signing import FEED_TAG, NONCE_OCTETS, Message, content_digest, sign_request
from identifiers.signing_keys import PrivateKey

PROFILE: Final = "idn-feed/1"
TABLES: Final = "PFX,REC"
CHANGES_MAX: Final = 5_000
ANSWER_OCTETS_MAX: Final = 64 * 2**20
LINE_OCTETS_MAX: Final = 2**20
BATCH_ROWS: Final = 2_000
WAIT_S: Final = 1
"""How long an answer waits for a first change; so long the follower does nothing else."""
SNAPSHOT_LOOK_S: Final = 0.5
CONNECT_S: Final = 10.0
SILENCE_S: Final = 60.0
_OK: Final = 200
_ACCEPTED: Final = 202
_CONFLICT: Final = 409
_GONE: Final = 410


class _Head(msgspec.Struct):
    next: str
    count: int
    oldest: str
    x_epoch: str


class _Record(msgspec.Struct):
    spelling: str
    state: str
    values: msgspec.Raw
    created_at: str
    updated_at: str
    primary: str | None = None
    template: str | None = None
    successor: str | None = None
    x_alias: AliasKind | None = None


class _Row(msgspec.Struct):
    at: datetime
    table: str
    scope: str
    key: str
    op: str
    data: msgspec.Raw
    c: str = ""


class _Part(msgspec.Struct):
    table: str
    sha256: str
    path: str


class _Snapshot(msgspec.Struct):
    snapshot_id: str
    status: str
    cursor: str | None = None
    x_epoch: str | None = None
    parts: list[_Part] = []


_decode_head: Final = msgspec.json.Decoder(_Head).decode
_decode_row: Final = msgspec.json.Decoder(_Row).decode
_decode_record: Final = msgspec.json.Decoder(_Record).decode
_decode_snapshot: Final = msgspec.json.Decoder(_Snapshot).decode
_encode: Final = msgspec.json.Encoder().encode


class FeedSource:
    """The feed of the node at `url`, read with a token, or with requests signed by a key (docking contract 9.11).

    Opened with its first request; one reader at a time.
    """

    def __init__(self, url: str, credential: str | PrivateKey) -> None:
        self._url = url.rstrip("/")
        self._credential = credential
        self._session: aiohttp.ClientSession | None = None
        self._epoch = ""
        # Behind a position, changes that the feed leaves out: from here on it need not look at them again.
        self._passed = (START, "")

    async def changes(self, after: Cursor, limit: int) -> list[Change]:
        """Return the next changes behind a position; none also where they are no longer held, or of another epoch."""
        if not self._epoch:
            await self._look()
        cursor = self._passed[1] if self._passed[0] == after and self._passed[1] else self._cursor(after)
        head, rows = await self._ask(cursor, min(limit, CHANGES_MAX), wait_s=WAIT_S)
        if head is not None:
            self._passed = (after, head.next) if not rows else (START, "")
        return rows

    async def epoch(self) -> str:
        """Return what the feed calls its journal's epoch."""
        await self._look()
        return self._epoch

    async def oldest(self) -> Cursor:
        """Return the position behind which everything is still held."""
        return await self._look()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["FeedSnapshot"]:
        """Let the node make a snapshot, wait until it is there, and read it."""
        asked = await self._snapshot("POST", "/feed/v1/snapshots", {"tables": TABLES.split(",")})
        while asked.status == "building":
            await asyncio.sleep(SNAPSHOT_LOOK_S)
            asked = await self._snapshot("GET", f"/feed/v1/snapshots/{asked.snapshot_id}")
        if asked.status != "ready" or asked.cursor is None or asked.x_epoch is None:
            raise SourceUnavailable(f"{self._url} could not make a snapshot")
        self._epoch = asked.x_epoch
        yield FeedSnapshot(self, _position(asked.cursor), asked.x_epoch, asked.parts)

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def part(self, part: _Part) -> AsyncIterator[bytes]:
        """Give the lines of a part, checked against its digest at the end."""
        digest, unpacked, unread = hashlib.sha256(), zlib.decompressobj(wbits=31), b""
        async with self._request("GET", part.path) as answer:
            if answer.status != _OK:
                raise SourceUnavailable(f"{self._url}{part.path} answers {answer.status}")
            async for piece in answer.content.iter_any():
                digest.update(piece)
                packed = piece
                while packed:
                    *lines, unread = (unread + unpacked.decompress(packed, LINE_OCTETS_MAX)).split(b"\n")
                    packed = unpacked.unconsumed_tail
                    for line in lines:
                        yield line
                    if len(unread) > LINE_OCTETS_MAX:
                        raise SourceUnavailable(f"{self._url}{part.path} has a line that is too long")
        if digest.hexdigest() != part.sha256 or unread:
            raise SourceUnavailable(f"{self._url}{part.path} did not arrive whole")

    def _cursor(self, after: Cursor) -> str:
        return "oldest" if after == START else write_feed_cursor(self._epoch, after)

    async def _look(self) -> Cursor:
        """Learn the journal's epoch and its oldest position."""
        head, _ = await self._ask("now", 1)
        if head is None:
            raise SourceUnavailable(f"{self._url} does not say where its feed is")
        self._epoch = head.x_epoch
        return _position(head.oldest)

    async def _ask(self, after: str, limit: int, *, wait_s: int = 0) -> tuple[_Head | None, list[Change]]:
        """Read an answer whole; (None, []) where the cursor does not count any more: `epoch` and `oldest` say why."""
        query = {"after": after, "limit": str(limit), "tables": TABLES, "wait": str(wait_s)}
        async with self._request("GET", "/feed/v1/changes", query=query) as answer:
            if answer.status in (_CONFLICT, _GONE):
                return None, []
            body = b""
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > ANSWER_OCTETS_MAX:
                    raise SourceUnavailable(f"an answer of {self._url} is longer than {ANSWER_OCTETS_MAX} octets")
            if answer.status != _OK:
                raise SourceUnavailable(f"{self._url} refuses its feed with {answer.status}: {_excerpt(body)}")
        head, *lines = body.split(b"\n")
        try:
            told, rows = _decode_head(head), [_change(line) for line in lines if line]
        except (msgspec.DecodeError, FeedCursorError, ValueError) as error:
            raise SourceUnavailable(f"an answer of {self._url} cannot be read: {error}") from error
        if told.count != len(rows):
            raise SourceUnavailable(f"an answer of {self._url} was cut short")
        return told, rows

    async def _snapshot(self, method: str, path: str, body: Any = None) -> _Snapshot:
        async with self._request(method, path, body=body) as answer:
            said = await answer.read()
            if answer.status not in (_OK, _ACCEPTED):
                raise SourceUnavailable(f"{self._url} makes no snapshot ({answer.status}): {_excerpt(said)}")
        try:
            return _decode_snapshot(said)
        except msgspec.DecodeError as error:
            raise SourceUnavailable(f"an answer of {self._url} cannot be read: {error}") from error

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENCE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        url = yarl.URL(self._url + path).update_query(query or {})
        content = None if body is None else _encode(body)
        headers = self._headers(method, url, content)
        try:
            async with self._session.request(
                method, url, data=content, headers=headers, allow_redirects=False
            ) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SourceUnavailable(f"{self._url} cannot be reached: {error or type(error).__name__}") from error

    def _headers(self, method: str, url: yarl.URL, content: bytes | None) -> dict[str, str]:
        headers = {} if content is None else {"Content-Type": "application/json"}
        if isinstance(self._credential, str):
            return headers | {"Authorization": f"Bearer {self._credential}"}
        if content is not None:
            headers["Content-Digest"] = content_digest(content)
        headers |= {"Idn-Reporter": self._credential.key_id.partition("#")[0], "Idn-Profile": PROFILE}
        # What the node sees of the address: a port that is the scheme's own is not in Host.
        uri = f"{url.scheme}://{url.host_port_subcomponent}{url.raw_path_qs}"
        message = Message(method, uri, {name.lower(): value for name, value in headers.items()})
        now, nonce = datetime.now(UTC), os.urandom(NONCE_OCTETS)
        return headers | sign_request(self._credential, message, now=now, nonce=nonce, tag=FEED_TAG)


@dataclass(frozen=True, slots=True)
class FeedSnapshot:
    """A snapshot that the other node has made."""

    source: FeedSource
    cursor: Cursor
    epoch: str
    parts: list[_Part]

    async def states(self) -> AsyncIterator[list[Change]]:
        """Give every state in batches: prefixes first."""
        batch: list[Change] = []
        for part in sorted(self.parts, key=lambda part: part.table):
            async for line in self.source.part(part):
                try:
                    batch.append(_change(line, self.cursor))
                except (msgspec.DecodeError, ValueError) as error:
                    raise SourceUnavailable(f"a snapshot cannot be read: {error}") from error
                if len(batch) >= BATCH_ROWS:
                    yield batch
                    batch = []
        if batch:
            yield batch


def _change(line: bytes, at: Cursor | None = None) -> Change:
    """Return the change a row tells of. Raises ValueError, of which msgspec's errors are no kind."""
    row = _decode_row(line)
    xid, seq = at or _position(row.c)
    if row.table == "PFX":
        return Change(xid, seq, row.at, KIND_PREFIX, row.key, "update", bytes(row.data))
    if row.table != "REC":
        raise ValueError(f"a row of the table {row.table[:8]} was not asked for")
    record = _decode_record(row.data)
    if record.x_alias is not None:
        alias = AliasState(
            record.spelling,
            row.scope,
            record.x_alias,
            record.primary or "",
            "active" if record.state == "alias" else "withdrawn",
            1,
            record.created_at,
            record.updated_at,
        )
        return Change(xid, seq, row.at, KIND_ALIAS, row.key, "update", _encode(alias))
    state = IdentifierState(
        record.spelling,
        row.scope,
        "withdrawn" if record.state == "withdrawn" else "active",
        1,
        record.created_at,
        record.updated_at,
        record.values,
        record.template,
        record.successor,
    )
    return Change(xid, seq, row.at, KIND_IDENTIFIER, row.key, "update", _encode(state))


def _position(cursor: str) -> Cursor:
    return read_feed_cursor(cursor).position


def _excerpt(body: bytes) -> str:
    return body[:200].decode(errors="replace")
