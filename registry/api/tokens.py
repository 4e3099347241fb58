"""Handlers: tokens, and whom they speak for."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from identifiers.changes import Cursor
from registry.api.call import Answer, Call, answer, next_cursor, outcome, read_instant
from registry.api.shapes import Account, IssuedToken, TokenAnswer, TokenPage, TokenRequest
from registry.authority import Action
from registry.database import Connection
from registry.errors import one_field
from registry.service import accounts as service
from registry.service.change import Outcome
from registry.states import instant
from registry.tables.accounts import Token


async def issue(call: Call) -> Answer:
    """POST /api/v1/tokens."""
    body = await call.read(TokenRequest)
    service.check_scopes_held(call.principal, body.scopes)
    expires_at = read_instant(body.expires_at, "expires_at") if body.expires_at is not None else None

    async def work(connection: Connection) -> Outcome:
        issue_one = _issue_alone if body.account is None else _issue_for
        return issued(*await issue_one(connection, call, body, expires_at))

    return await call.change(work)


async def _issue_alone(
    connection: Connection, call: Call, body: TokenRequest, expires_at: datetime | None
) -> tuple[Token, str, Cursor]:
    principal = call.principal
    if body.role is None:
        raise one_field("bad_token", "role", "this is required, unless the token is one of an account")
    enterprise = body.enterprise or principal.enterprise
    service.check_may_give(principal, Action.ISSUE_TOKEN, body.role, enterprise)
    return await service.issue(
        connection,
        principal.account,
        call.now,
        role=body.role,
        enterprise=enterprise,
        label=body.label,
        expires_at=expires_at,
        scopes=body.scopes,
    )


async def _issue_for(
    connection: Connection, call: Call, body: TokenRequest, expires_at: datetime | None
) -> tuple[Token, str, Cursor]:
    for member in ("role", "enterprise"):
        if getattr(body, member) is not None:
            raise one_field("bad_token", member, "an account that there is has its own: leave this out")
    account = await service.existing(connection, body.account or "")
    service.check_may_give(call.principal, Action.ISSUE_TOKEN, account.role, account.enterprise)
    return await service.issue_for(
        connection,
        call.principal.account,
        call.now,
        account.id,
        label=body.label,
        expires_at=expires_at,
        scopes=body.scopes,
    )


async def page(call: Call) -> Answer:
    """GET /api/v1/tokens."""
    after, limit = call.page("tokens")
    async with call.connected() as connection:
        found = await service.page(connection, call.principal, after, limit)
    return paged("tokens", found, limit)


async def revoke(call: Call) -> Answer:
    """DELETE /api/v1/tokens/{token}."""

    async def work(connection: Connection) -> Outcome:
        token, cursor = await service.revoke(connection, call.principal, call.now, call.path("token"))
        return outcome(200, shown(token), cursor)

    return await call.change(work)


async def whoami(call: Call) -> Answer:
    """GET /api/v1/whoami."""
    principal = call.principal
    scopes = None if principal.scopes is None else sorted(principal.scopes)
    return answer(Account(principal.account, principal.role, principal.enterprise, scopes))


def issued(token: Token, secret: str, cursor: Cursor) -> Outcome:
    """Answer with a token that was just issued; a repeated request is answered without its secret."""
    shown = IssuedToken(
        id=token.id,
        token=secret,
        account=token.account,
        role=token.role,
        enterprise=token.enterprise,
        scopes=token.scopes,
        label=token.label,
        created_at=instant(token.created_at),
        expires_at=instant(token.expires_at) if token.expires_at else None,
    )
    kept = msgspec.Raw(msgspec.json.encode(msgspec.structs.replace(shown, token=None)))
    return outcome(201, shown, cursor, location=f"/api/v1/tokens/{token.id}", body_kept=kept)


def paged(scope: str, found: Sequence[Token], limit: int) -> Answer:
    """Answer with a page of tokens."""
    following = next_cursor(scope, found, limit, found[-1].id if found else "")
    return answer(TokenPage([shown(token) for token in found], following))


def shown(token: Token) -> TokenAnswer:
    """Show a token without its secret."""
    return TokenAnswer(
        id=token.id,
        account=token.account,
        role=token.role,
        enterprise=token.enterprise,
        scopes=token.scopes,
        label=token.label,
        created_at=instant(token.created_at),
        expires_at=instant(token.expires_at) if token.expires_at else None,
        revoked_at=instant(token.revoked_at) if token.revoked_at else None,
    )
