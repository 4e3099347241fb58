"""Handlers: accounts and their tokens."""

import msgspec

from registry.api.call import Answer, Call, answer, next_cursor, outcome, read_instant
from registry.api.shapes import Account, IssuedToken, TokenAnswer, TokenPage, TokenRequest
from registry.authority import Action, authorise
from registry.database import Connection
from registry.service import accounts as service
from registry.service.change import Outcome
from registry.states import instant
from registry.tables import accounts
from registry.tables.accounts import Token


async def issue(call: Call) -> Answer:
    """POST /api/v1/tokens."""
    body = await call.read(TokenRequest)
    expires_at = read_instant(body.expires_at, "expires_at") if body.expires_at is not None else None

    async def work(connection: Connection) -> Outcome:
        token, secret, cursor = await service.issue(
            connection,
            call.principal.account,
            call.now,
            role=body.role,
            enterprise=body.enterprise,
            label=body.label,
            expires_at=expires_at,
        )
        location = f"/api/v1/tokens/{token.id}"
        body_kept = msgspec.Raw(msgspec.json.encode(_issued(token, None)))
        return outcome(201, _issued(token, secret), cursor, location=location, body_kept=body_kept)

    return await call.change(work)


async def page(call: Call) -> Answer:
    """GET /api/v1/tokens."""
    authorise(call.principal, Action.LIST_TOKENS)
    after, limit = call.page("tokens")
    async with call.connected() as connection:
        found = await accounts.page(connection, after, limit)
    following = next_cursor("tokens", found, limit, found[-1].id if found else "")
    return answer(TokenPage([_shown(token) for token in found], following))


async def revoke(call: Call) -> Answer:
    """DELETE /api/v1/tokens/{token}."""

    async def work(connection: Connection) -> Outcome:
        token, cursor = await service.revoke(connection, call.principal.account, call.now, call.path("token"))
        return outcome(200, _shown(token), cursor)

    revoked = await call.change(work)
    call.context.tokens.forget()
    return revoked


async def whoami(call: Call) -> Answer:
    """GET /api/v1/whoami."""
    principal = call.principal
    return answer(Account(principal.account, principal.role, principal.enterprise))


def _issued(token: Token, secret: str | None) -> IssuedToken:
    return IssuedToken(
        id=token.id,
        token=secret,
        account=token.account,
        role=token.role,
        enterprise=token.enterprise,
        label=token.label,
        created_at=instant(token.created_at),
        expires_at=instant(token.expires_at) if token.expires_at else None,
    )


def _shown(token: Token) -> TokenAnswer:
    return TokenAnswer(
        id=token.id,
        account=token.account,
        role=token.role,
        enterprise=token.enterprise,
        label=token.label,
        created_at=instant(token.created_at),
        expires_at=instant(token.expires_at) if token.expires_at else None,
        revoked_at=instant(token.revoked_at) if token.revoked_at else None,
    )
