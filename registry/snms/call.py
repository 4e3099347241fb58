"""One call as its handler sees it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from identifiers.changes import Cursor
from identifiers.value_json import decode_json
from identifiers.values import ValuesError
from registry import origin
from registry.authority import Principal
from registry.context import RegistryContext
from registry.database import Connection
from registry.errors import Forbidden, Unauthenticated
from registry.service.change import Claim, Outcome, make_change, make_list
from registry.service.secrets import request_digest
from registry.snms.envelope import Refusal, Status, refused
from registry.snms.members import Members

BODY_OCTETS_MAX: Final = 16 * 2**20
KEY_CHARACTERS_MAX: Final = 128

Work = Callable[[Connection], Awaitable[tuple[Any, Cursor | None]]]
"""Makes a change in the transaction it is given; returns the answer's data and what the replica has to reach."""
WorkInParts = Callable[[], Awaitable[tuple[Any, Cursor | None]]]
"""Makes changes in transactions of its own, and returns the same."""


class Call:
    """One call. Query parameters are read like members."""

    def __init__(self, request: web.Request, context: RegistryContext, principal: Principal | None) -> None:
        self.request = request.clone(client_max_size=BODY_OCTETS_MAX)
        self.context = context
        self.now = context.clock()
        self.query = Members(dict(request.query))
        self.address = request.headers.get("X-Idnode-Peer", "unknown")
        self._principal = principal

    @property
    def anonymous(self) -> bool:
        """Whether the call came without a token."""
        return self._principal is None

    @property
    def principal(self) -> Principal:
        """Who calls. Raises `Unauthenticated` without a token."""
        if self._principal is None:
            raise Unauthenticated("token_missing", "this call needs a token")
        return self._principal

    def check_administrator(self) -> None:
        """Raise `Forbidden` unless an administrator calls."""
        if self.principal.role != "administrator":
            raise Forbidden("role_not_allowed", "administrators only")

    async def body(self) -> bytes:
        """Read the body; `application/json` in UTF-8, or no media type at all."""
        self._check_media_type()
        body = await self.request.read()
        origin.note_received()
        return body

    async def json(self) -> Any:
        """Read the body as JSON."""
        try:
            return decode_json(await self.body())
        except ValuesError as error:
            raise refused(f"请求体不是合法的JSON: {error.message}", "malformed_json") from error

    async def members(self) -> Members:
        """Read the body as one object."""
        body = await self.json()
        if not isinstance(body, dict):
            raise refused("请求体应为JSON对象", "malformed_json")
        return Members(body)

    async def change(self, work: Work) -> msgspec.Raw:
        """Make a change in one transaction, wait a while for this host's resolver to know it, return the data."""

        async def in_transaction(connection: Connection) -> Outcome:
            data, cursor = await work(connection)
            return Outcome(status=200, body=msgspec.Raw(msgspec.json.encode(data)), cursor=cursor)

        outcome = await make_change(self.context.pool, self.now, in_transaction, await self._claim())
        return await self._resolvable(outcome)

    async def change_list(self, work: WorkInParts) -> msgspec.Raw:
        """Carry out a list of changes, wait a while for this host's resolver to know them, return the data."""

        async def to_the_end() -> Outcome:
            data, cursor = await work()
            return Outcome(status=200, body=msgspec.Raw(msgspec.json.encode(data)), cursor=cursor)

        outcome = await make_list(self.context.pool, self.now, to_the_end, await self._claim())
        return await self._resolvable(outcome)

    async def _resolvable(self, outcome: Outcome) -> msgspec.Raw:
        if outcome.cursor is not None:
            await self.context.resolvable(outcome.cursor)
        return outcome.body

    def _check_media_type(self) -> None:
        declared = self.request.headers.get("Content-Type")
        charset = (self.request.charset or "utf-8").lower().replace("utf8", "utf-8")
        coding = self.request.headers.get("Content-Encoding", "identity").lower()
        if (declared and self.request.content_type != "application/json") or charset != "utf-8" or coding != "identity":
            raise Refusal(
                Status.REFUSED,
                "请使用UTF-8编码的application/json",
                "unsupported_media_type",
                http_status=415,
                always=True,
            )

    async def _claim(self) -> Claim | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not (0 < len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()):
            raise refused("Idempotency-Key应为1到128个可打印ASCII字符", "bad_idempotency_key")
        digest = request_digest(self.context.secret, self.request.method.encode(), self.request.path_qs.encode())
        digest.update(await self.request.read())
        return Claim(self.principal.account, key, digest.digest())
