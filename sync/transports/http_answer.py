"""Reading the collector's answers: bounded, and problems (RFC 9457) turned into what they mean for a batch."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import msgspec

from sync.batch import Proof, Requirement
from sync.transport import ErrorKind, TransportError

OCTETS_MAX: Final = 8 * 1024 * 1024
"""Longer answers are cut off: 1,000 rejections with messages are about a tenth of this."""
DETAIL_CHARACTERS_MAX: Final = 500
MISSING_MAX: Final = 256
"""As many entries as `requires` may have (docking contract 9.13)."""
PROBLEM: Final = "urn:idn-report:problem:"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the collector. `code` is the problem's code, "" for none; `proof` is there if it was signed."""

    status: int
    content: bytes
    code: str
    detail: str
    retry_after_s: float | None
    max_rows: int | None = None
    max_bytes: int | None = None
    missing: tuple[Requirement, ...] = ()
    proof: Proof | None = None


class _Problem(msgspec.Struct, frozen=True):
    type: str = ""
    title: str = ""
    detail: str = ""
    server_time: str = ""
    max_rows: int | None = None
    max_bytes: int | None = None
    missing: msgspec.Raw = msgspec.Raw(b"[]")


async def read_answer(response: aiohttp.ClientResponse) -> Answer:
    """Read an answer whole; raises aiohttp.ClientError when it is too long or cut off."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > OCTETS_MAX:
            raise aiohttp.ClientPayloadError(f"an answer of more than {OCTETS_MAX} octets")
    problem = _problem(response, bytes(content))
    return Answer(
        status=response.status,
        content=bytes(content),
        code=problem.type.removeprefix(PROBLEM) if problem.type.startswith(PROBLEM) else "",
        detail=_detail(problem)[:DETAIL_CHARACTERS_MAX],
        retry_after_s=retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC)),
        max_rows=problem.max_rows,
        max_bytes=problem.max_bytes,
        missing=_missing(problem),
    )


def as_error(answer: Answer, kind: ErrorKind) -> TransportError:
    """Return the error that an answer other than a receipt means."""
    said = " ".join(part for part in (answer.code, answer.detail) if part)
    return TransportError(
        f"the collector answered {answer.status} {said}".rstrip(),
        kind=kind,
        code=answer.code,
        retry_after_s=answer.retry_after_s,
        max_rows=answer.max_rows,
        max_bytes=answer.max_bytes,
        missing=answer.missing,
    )


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for (RFC 9110 10.2.3: a number or a date); None if unreadable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def _detail(problem: _Problem) -> str:
    said = problem.detail or problem.title
    return f"{said} (its clock: {problem.server_time})" if problem.server_time else said


def _missing(problem: _Problem) -> tuple[Requirement, ...]:
    """Return what a problem `dependency_missing` names; nothing if it cannot be read, for the code counts."""
    try:
        return msgspec.json.decode(problem.missing, type=tuple[Requirement, ...])[:MISSING_MAX]
    except msgspec.DecodeError:
        return ()


def _problem(response: aiohttp.ClientResponse, content: bytes) -> _Problem:
    if response.content_type != "application/problem+json":
        return _Problem()
    try:
        return msgspec.json.decode(content, type=_Problem)
    except msgspec.DecodeError:
        return _Problem()
