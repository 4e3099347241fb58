"""One request as its handler sees it: who asks, what the body says, and how to answer."""

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web

from identifiers.changes import Cursor
from identifiers.value_json import decode_json
from identifiers.values import ValuesError
from registry import journal, origin
from registry.api.paging import read_cursor, read_limit, write_cursor
from registry.authority import Principal
from registry.context import RegistryContext
from registry.database import Connection, connected
from registry.errors import InvalidFields, InvalidRequest, UnsupportedMediaType, one_field
from registry.service.change import Claim, Outcome, Work, make_change
from registry.service.secrets import request_digest

T = TypeVar("T")

JSON: Final = "application/json"
KEY_CHARACTERS_MAX: Final = 255
ALWAYS: Final = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
"""Headers of every answer that says nothing else."""

_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MEMBER = re.compile(r"Object (?P<missing>missing required)?(contains unknown)? field `(?P<name>.*)`")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back; everything else about the response is the same for all routes."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = JSON


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    """Answer with a value as JSON. Header names are written with underscores."""
    return Answer(status, msgspec.json.encode(body), {name.replace("_", "-"): text for name, text in headers.items()})


class Call:
    """One authorised request."""

    def __init__(self, request: web.Request, context: RegistryContext, principal: Principal | None) -> None:
        self.request = request
        self.context = context
        self._principal = principal
        self.now = context.clock()

    @property
    def principal(self) -> Principal:
        """Who asks. Routes that anyone may use do not ask for it."""
        if self._principal is None:
            raise LookupError("this route is open to everyone, there is no principal")
        return self._principal

    @property
    def is_repeatable(self) -> bool:
        """Whether the request carries an Idempotency-Key, so that its answer has to be kept."""
        return "Idempotency-Key" in self.request.headers

    @property
    def token(self) -> str:
        """The token that came with the request."""
        return self.request.headers.get("Authorization", "").partition(" ")[2].strip()

    def connected(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection for reading."""
        return connected(self.context.pool)

    def path(self, name: str) -> str:
        """Return a variable part of the path."""
        return self.request.match_info[name]

    def rest_of_path(self, before: str) -> str:
        """Return everything of the raw path behind `before`, percent-decoded once as UTF-8; `+` stays `+`.

        The raw target, because what a framework normalises (`%2F`, `//`, `..`, `;`) is part of an identifier.
        """
        decoded = rest_of(self.request.raw_path, before)
        if decoded is None:
            raise InvalidRequest(
                "bad_char", "the path is not UTF-8 in percent-encoding", remedy="encode the identifier as UTF-8, once"
            )
        return decoded

    def query(self, name: str) -> str | None:
        """Return a parameter of the query."""
        value = self.request.query.get(name)
        if value is not None and "\ufffd" in value:  # what octets that are no UTF-8 have become
            raise InvalidRequest(
                "bad_char", f"the parameter {name} is not UTF-8 in percent-encoding", remedy="encode it as UTF-8, once"
            )
        return value

    def page(self, scope: str) -> tuple[str, int]:
        """Return behind which position the page asked for begins, and how many items it may have."""
        return read_cursor(scope, self.query("cursor")), read_limit(self.query("limit"))

    async def read(self, shape: type[T]) -> T:
        """Read the JSON body as `shape`. Raises errors that name the field."""
        check_media_type(self.request, JSON)
        body = await self.request.read()
        origin.note_received()
        try:
            return msgspec.convert(decode_json(body), shape)
        except ValuesError as error:
            raise InvalidRequest("malformed_json", error.message, remedy="repair the JSON of the body") from error
        except msgspec.ValidationError as error:
            raise _field_error(error) from error

    async def change(self, work: Work, *, report: bool = False) -> Answer:
        """Make a change, wait a while until this host's replica has it, and answer.

        `report` adds `resolvable` to the body, and makes the status 202 if the replica does not have it yet.
        """
        return await self.conclude(
            await make_change(self.context.pool, self.now, work, await self._claim()), report=report
        )

    async def conclude(self, outcome: Outcome, *, report: bool = False) -> Answer:
        """Answer with what a change has led to, as `change` does."""
        return await concluded(self.context, outcome, report=report)

    async def resolvable(self, cursor: Cursor | None) -> bool:
        """Wait until the replica has come as far as `cursor` (None: as everything committed by now)."""
        return await _resolvable(self.context, cursor)

    async def _claim(self) -> Claim | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not (0 < len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()):
            raise InvalidRequest(
                "bad_idempotency_key",
                f"an Idempotency-Key has 1 to {KEY_CHARACTERS_MAX} printable ASCII characters",
                remedy="send a random UUID",
            )
        return Claim(self.principal.account, key, await self._request_sha256())

    async def _request_sha256(self) -> bytes:
        headers = [self.request.headers.get(name, "") for name in ("If-Match", "If-None-Match")]
        parts: Sequence[str] = [self.request.method, self.request.raw_path, *headers]
        octets = [part.encode("utf-8", "surrogateescape") for part in parts]
        digest = request_digest(self.context.secret, *octets)
        digest.update(await self.request.read())
        return digest.digest()


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


def outcome(status: int, body: object, cursor: Cursor | None, **rest: Any) -> Outcome:
    """Describe what a change leads to."""
    return Outcome(status=status, body=msgspec.Raw(msgspec.json.encode(body)), cursor=cursor, **rest)


def check_media_type(request: web.Request, *accepted: str) -> None:
    """Raise `UnsupportedMediaType` unless the body is in one of the forms accepted, and not compressed."""
    coding = request.headers.get("Content-Encoding", "identity")
    if request.content_type not in accepted or coding.lower() != "identity":
        raise UnsupportedMediaType(
            "unsupported_media_type",
            f"the body is {request.content_type[:64]}, coding {coding[:64]}",
            remedy=f"send {accepted[0]} in UTF-8, not compressed",
        )


def next_cursor(scope: str, items: Sequence[object], limit: int, position: str) -> str | None:
    """Make the cursor of the next page, if this one is full."""
    return write_cursor(scope, position) if len(items) == limit else None


def read_instant(text: str, field: str) -> datetime:
    """Read an RFC 3339 instant of a body or a query."""
    try:
        instant = datetime.fromisoformat(text)
        in_utc = None if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first and the last year there is
        in_utc = None
    if in_utc is None:
        raise one_field("bad_instant", field, "write an instant with its zone, like 2025-11-22T08:00:00Z")
    return in_utc


async def concluded(context: RegistryContext, outcome: Outcome, *, report: bool = False) -> Answer:
    """Answer with what a change has led to, as `Call.change` does."""
    resolvable = await _resolvable(context, outcome.cursor)
    body, status = bytes(outcome.body), outcome.status
    if report:
        body = body[:-1] + (b',"resolvable":true}' if resolvable else b',"resolvable":false}')
        status = status if resolvable else 202
    headers = {"Location": outcome.location} if outcome.location else {}
    if outcome.version is not None:
        headers["ETag"] = f'"{outcome.version}"'
    return Answer(status, body, headers)


async def _resolvable(context: RegistryContext, cursor: Cursor | None) -> bool:
    if cursor is None:
        async with connected(context.pool) as connection:
            cursor = await journal.end(connection)
    return await context.resolvable(cursor)


def rest_of(target: str, before: str) -> str | None:
    """Return everything of a raw target behind `before`, percent-decoded once; None where that is no UTF-8."""
    if not target.startswith("/"):  # absolute form: scheme and host come first
        target = "/" + target.partition("://")[2].partition("/")[2]
    return _decode_once(target.partition("?")[0].removeprefix(before))


def _decode_once(text: str) -> str | None:
    octets = text.encode("utf-8", "surrogateescape")
    if _BAD_PERCENT.search(octets):
        return None
    try:
        return unquote_to_bytes(octets).decode()
    except ValueError:
        return None


def _field_error(error: msgspec.ValidationError) -> InvalidFields:
    """Name the field that the decoder stumbled over, in the words of the other field errors."""
    message = str(error)
    what, _, where = message.partition(" - at `$")
    path = where.rstrip("`").removeprefix(".")
    member = _MEMBER.fullmatch(what)
    if member is not None:
        path = f"{path}.{member['name']}".removeprefix(".")
        what = "this is required" if member["missing"] else "there is no such field: remove it"
    elif "matching regex" in what:
        what = "this has control characters or ends in a blank: write plain text"
    return one_field("bad_fields", path, what.replace("`", ""))
