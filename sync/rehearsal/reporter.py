"""A reporter for rehearsals: it says right and wrong things, signed, and looks closely at what comes back."""

import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from identifiers import request_signing
from identifiers.request_signing import Message
from identifiers.signing_keys import PrivateKey
from sync.batch import PROFILE
from sync.calendar_time import instant
from sync.rehearsal.rows import KEY_MEMBERS, Data

ANSWER_OCTETS_MAX: Final = 8 * 1024 * 1024
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "urn:idn-report:problem:"
_KINDS: Final = {
    **dict.fromkeys(("T1", "T2", "T11", "E1", "E2"), "instant"),
    **dict.fromkeys(("T6", "T7"), "hour"),
    **dict.fromkeys(("T3", "T4", "T8", "T9", "M1", "M2"), "day"),
    **dict.fromkeys(("T5", "T10"), "month"),
}
_FIRST_DAY: Final = date(2001, 1, 1)
_DAYS: Final = 8_000
_ENDS: Final = {
    "instant": ("2024-05-06T01:02:03Z", "2024-05-06T01:02:03Z"),
    "hour": ("2024-05-06T01:00:00Z", "2024-05-06T02:00:00Z"),
    "month": ("2024-04-30T16:00:00Z", "2024-05-31T16:00:00Z"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `code` is the problem's code, "" for none; `value` the JSON, None for none."""

    status: int
    code: str
    value: Any
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


@dataclass(slots=True)
class Reporter:
    """One reporter's identity at one collector, and its sequences. `random` is a short text of this run alone."""

    session: aiohttp.ClientSession
    base: str
    prefix: str
    key: PrivateKey | None = None
    token: str | None = None
    random: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    day: str = ""
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Facts of a day are told once, so that each run tells of a day of its own.
        if not self.day:
            self.day = (_FIRST_DAY + timedelta(days=int(self.random, 16) % _DAYS)).isoformat()

    @property
    def enterprise(self) -> str:
        """The enterprise prefix of this run."""
        return f"{self.prefix}.{int(self.random, 16)}"

    async def ask(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        signed: bool = True,
        key: PrivateKey | None = None,
        at: datetime | None = None,
        nonce: bytes | None = None,
        break_signature: bool = False,
    ) -> Answer:
        """Send one request; a header given as None is left out. Raises aiohttp.ClientError and OSError."""
        url = URL(self.base.rstrip("/") + path, encoded=True)
        sent: dict[str, str | None] = {"Idn-Profile": PROFILE, "Idn-Reporter": self.prefix}
        if content is not None:
            sent["Content-Digest"] = request_signing.content_digest(content)
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        told = {name: value for name, value in {**sent, **(headers or {})}.items() if value is not None}
        signer = key or self.key
        if signed and signer is not None:
            message = Message(method, str(url), {name.lower(): value for name, value in told.items()})
            now = at or datetime.now(UTC)
            told |= request_signing.sign_request(
                signer, message, now=now, nonce=nonce or os.urandom(request_signing.NONCE_OCTETS)
            )
            if break_signature:
                told["Idn-Rehearsal"] = "x"
                told["Signature"] = _other(told["Signature"])
        async with self.session.request(method, url, data=content, headers=told, allow_redirects=False) as answer:
            return await _read(answer)

    async def next_sequence(self, table: str, scope: str) -> int:
        """Return the next sequence of a stream, asked for once."""
        if (table, scope) not in self.sequences:
            answer = await self.ask("GET", f"/v1/streams/{table}/{quote(scope)}")
            known = answer.status == 200 and isinstance(answer.value, dict)  # noqa: PLR2004 - HTTP
            self.sequences[table, scope] = int(answer.value["last_sequence"]) if known else 0
        return self.sequences[table, scope] + 1

    async def tell(
        self, table: str, data: Sequence[Data | Mapping[str, Any]], *, scope: str | None = None, **more: Any
    ) -> Answer:
        """Hand in rows of one table as a right batch; a receipt or 202 moves the stream on."""
        target = scope or (self.prefix if table in ("T1", "T2", "T3", "T4", "T5", "M1", "E1") else self.enterprise)
        sequence = await self.next_sequence(table, target)
        batch_id, content = self.batch(table, target, sequence, data, **more)
        answer = await self.put(batch_id, content)
        if answer.status in (200, 202):
            self.sequences[table, target] = sequence
        return answer

    async def put(self, batch_id: str, content: bytes, **more: Any) -> Answer:
        """Hand in a body as it is."""
        headers = {"Content-Type": NDJSON, **more.pop("headers", {})}
        return await self.ask("PUT", f"/v1/batches/{batch_id}", content, headers=headers, **more)

    def batch(
        self,
        table: str,
        scope: str,
        sequence: int,
        data: Sequence[Mapping[str, Any]],
        /,
        *,
        lines: bytes | None = None,
        **header: Any,
    ) -> tuple[str, bytes]:
        """Return id and body of a batch; entries of `data` with an `n` are whole rows, others the data of one."""
        batch_id = str(uuid.uuid4())
        rows = [one if "n" in one else self.row(table, one, n) for n, one in enumerate(data, start=1)]
        if lines is None:
            lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
        first = {
            "profile": PROFILE,
            "batch_id": batch_id,
            "reporter": self.prefix,
            "table": table,
            "schema": 1,
            "scope": scope,
            "sequence": sequence,
            "mode": "delta",
            "period": self.period(table),
            "requires": [],
            "row_count": len(rows),
            "rows_sha256": hashlib.sha256(lines).hexdigest(),
            "created_at": instant(datetime.now(UTC)),
            "producer": "idnode rehearsal",
        }
        first |= header
        told = {name: value for name, value in first.items() if value is not None}
        return batch_id, json.dumps(told, ensure_ascii=False).encode() + b"\n" + lines

    def row(self, table: str, data: Mapping[str, Any], n: int = 1, *, ver: int | None = None) -> dict[str, Any]:
        """Return a right row with this data; a later one has a greater version."""
        deletes = table == "T9" and data.get("operation_type") == 2  # noqa: PLR2004 - delete (3.2)
        return {
            "n": n,
            "key": "|".join(str(data.get(name, "")) for name in KEY_MEMBERS[table]),
            "op": "delete" if deletes else "upsert",
            "ver": ver or int(datetime.now(UTC).timestamp() * 1_000_000) + n,
            "at": "2024-05-06T01:02:03Z",
            "data": dict(data),
        }

    def period(self, table: str) -> dict[str, str]:
        """Return a period of the table's kind."""
        kind = _KINDS[table]
        if kind == "day":
            end = datetime.fromisoformat(f"{self.day}T16:00:00+00:00")
            return {"kind": kind, "start": instant(end - timedelta(days=1)), "end": instant(end)}
        first, last = _ENDS[kind]
        return {"kind": kind, "start": first, "end": last}

    def event_no(self, prefix: str) -> str:
        """Return a new event number."""
        letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return f"{prefix}-20240506010203-{''.join(letters[octet % 32] for octet in os.urandom(8))}"


def packed(content: bytes) -> bytes:
    """Return content as one gzip member."""
    return gzip.compress(content, mtime=0)


def _other(signature: str) -> str:
    """Return a signature that differs in one octet."""
    place = signature.index(":") + 1
    return signature[:place] + ("B" if signature[place] == "A" else "A") + signature[place + 1 :]


async def _read(answer: aiohttp.ClientResponse) -> Answer:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > ANSWER_OCTETS_MAX:
            raise aiohttp.ClientPayloadError(f"an answer of more than {ANSWER_OCTETS_MAX} octets")
    try:
        value = json.loads(content) if content else None
    except ValueError:
        value = None
    told = value.get("type", "") if isinstance(value, dict) else ""
    is_problem = answer.content_type == "application/problem+json" and str(told).startswith(PROBLEM)
    code = str(told).removeprefix(PROBLEM) if is_problem else ""
    return Answer(answer.status, code, value, dict(answer.headers))
