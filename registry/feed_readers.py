"""Who signs requests to the change feed (docking contract 9.11, 10): readers of a file, and enterprises' own nodes.

    [[reader]]
    key_id = "88#2031a"            <prefix>#<label>, as the reader sends it
    role = "national"              or "mirror"
    public_key = '''-----BEGIN PUBLIC KEY----- …'''
    not_before = 2031-01-01T00:00:00Z      optional, as is not_after

A changed file counts from the next request on; one that cannot be read leaves the keys as they were.
"""

import asyncio
import logging
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Meta

from identifiers.request_signing import (
    FEED_TAG,
    Message,
    Nonces,
    SignatureRefused,
    read_signature,
)
from identifiers.signing_keys import PEM_CHARACTERS_MAX, KeyUnusable, PublicKey, read_public
from registry.authority import Principal
from registry.database import Pool, connected
from registry.errors import BadSignature, InvalidRequest
from registry.signed_requests import REPORTING, check_signed, message_of, public_of
from registry.states import to_second
from registry.tables import prefixes, report_keys

PROFILE: Final = "idn-feed/1"
FILE_OCTETS_MAX: Final = 4 * 2**20
READERS_MAX: Final = 1_000
_READING: Final = frozenset({"read"})

log = logging.getLogger(__name__)


class ReadersUnusable(Exception):  # noqa: N818 - says what is wrong with the file, as its name does
    """The file of readers cannot be used; the message says which and why."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key_id: Annotated[str, Meta(max_length=300)]
    role: Literal["national", "mirror"]
    public_key: Annotated[str, Meta(max_length=PEM_CHARACTERS_MAX)]
    not_before: datetime | None = None
    not_after: datetime | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reader: Annotated[list[_Entry], Meta(max_length=READERS_MAX)] = []


class _Reader(NamedTuple):
    key: PublicKey
    principal: Principal


class FeedReaders:
    """The keys that may read, and the nonces they have used. `file` None: only enterprises' own nodes sign.

    Nonces are remembered by this process; a signature made before it began is refused, so that what was seen before a
    restart cannot be sent again.
    """

    def __init__(self, file: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = file
        self._clock = clock
        self._began = clock().timestamp()
        self._nonces = Nonces()
        self._stamp: tuple[int, int] | None = None
        self._readers: dict[str, _Reader] = {}
        self._fault = ""
        if file is not None:
            self._readers, self._stamp = _read(file)

    async def principal(self, request: web.Request, pool: Pool) -> Principal:
        """Return for whom a signed request is read. Raises `BadSignature`, and `InvalidRequest` without its headers."""
        reader = request.headers.get("Idn-Reporter", "")
        if request.headers.get("Idn-Profile") != PROFILE or not reader:
            raise InvalidRequest(
                "bad_profile",
                f"a signed request has the headers Idn-Profile: {PROFILE} and Idn-Reporter: the prefix of its key",
                remedy="send both, and sign them",
            )
        now, message = self._clock(), message_of(request)
        try:
            return await self._checked(message, await request.read(), pool, now)
        except SignatureRefused as error:
            raise _refused(error, now) from error

    async def _checked(self, message: Message, content: bytes, pool: Pool, now: datetime) -> Principal:
        presented = read_signature(message.headers, FEED_TAG)
        if presented.created < int(self._began):
            raise SignatureRefused("clock_skew", "the signature was made before this registry began")
        found = (await self._current()).get(presented.key_id) or await _of_enterprise(presented.key_id, pool)
        if found is None:
            raise SignatureRefused("key_unknown", f"no key {presented.key_id} is valid now")
        await check_signed(presented, found.key, message, content, now=now, nonces=self._nonces)
        return found.principal

    async def _current(self) -> Mapping[str, _Reader]:
        file = self._file
        if file is not None:
            try:
                if _stamp(file) != self._stamp:
                    self._readers, self._stamp = await asyncio.to_thread(_read, file)
                    log.info("%s names %s readers of the change feed", file, len(self._readers))
                self._fault = ""
            except ReadersUnusable as error:
                if str(error) != self._fault:
                    self._fault = str(error)
                    log.error("the readers of the change feed stay as they were: %s", self._fault)  # noqa: TRY400 - the message says all
        return self._readers


async def _of_enterprise(key_id: str, pool: Pool) -> _Reader | None:
    """Return the key with which an enterprise's own node reports: it reads what the enterprise may."""
    async with connected(pool) as connection:
        stored = await report_keys.by_id(connection, key_id)
        prefix = None if stored is None else await prefixes.by_prefix(connection, stored.prefix)
    if stored is None or stored.revoked_at is not None or prefix is None or prefix.state not in REPORTING:
        return None
    return _Reader(public_of(stored), Principal(key_id, "enterprise_user", prefix.enterprise, _READING))


def _refused(error: SignatureRefused, now: datetime) -> BadSignature:
    text, time = str(error), to_second(now)
    match error.code:
        case "signature_missing":
            return BadSignature("signature_missing", text, remedy="send both headers", server_time=time)
        case "key_unknown":
            remedy = "ask the operator to enter the key, or sign with one that is valid"
            return BadSignature("key_unknown", text, remedy=remedy, server_time=time)
        case "clock_skew":
            remedy = "set the clock by `server_time`, and sign again"
            return BadSignature("clock_skew", text, remedy=remedy, server_time=time)
    return BadSignature("signature_invalid", text, remedy="sign the request as it is sent, anew", server_time=time)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise ReadersUnusable(f"{file} cannot be read: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size


def _read(file: Path) -> tuple[dict[str, _Reader], tuple[int, int]]:
    stamp = _stamp(file)
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_OCTETS_MAX + 1)
        if len(content) > FILE_OCTETS_MAX:
            raise ReadersUnusable(f"{file} is longer than {FILE_OCTETS_MAX} octets")
        entries = msgspec.convert(tomllib.loads(content.decode()), _File).reader
        return {entry.key_id: _reader(entry) for entry in entries}, stamp
    except OSError as error:
        raise ReadersUnusable(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyUnusable) as error:
        raise ReadersUnusable(f"{file} does not name readers as it should: {error}") from error


def _reader(entry: _Entry) -> _Reader:
    for at in (entry.not_before, entry.not_after):
        if at is not None and at.tzinfo is None:
            raise ValueError(f"{entry.key_id}: write instants with their zone, like 2031-01-01T00:00:00Z")
    key = read_public(entry.key_id, entry.public_key, not_before=entry.not_before, not_after=entry.not_after)
    # A narrowed administrator reads everything and changes nothing.
    national = Principal(entry.key_id, "administrator", None, _READING)
    return _Reader(key, national if entry.role == "national" else Principal(entry.key_id, "reader", None, _READING))
