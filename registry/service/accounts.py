"""Accounts and their tokens: issuing, revoking, and telling whose token came with a request."""

from dataclasses import replace
from datetime import datetime

from identifiers.changes import KIND_CREDENTIAL, Cursor, Op, Role
from registry import journal
from registry.authority import Principal
from registry.database import Connection
from registry.errors import NotFound, Unauthenticated, one_field
from registry.ids import TOKEN_LENGTH, new_id, new_token, token_sha256
from registry.states import credential_state, to_millisecond
from registry.tables import accounts, enterprises
from registry.tables.accounts import Token

_HOW_TO_SEND = "send the header Authorization: Bearer <token> with a token that counts; an administrator issues tokens"


async def authenticate(connection: Connection, token: str, now: datetime) -> Principal:
    """Return whom a token speaks for. Raises `Unauthenticated` for one that does not count, without saying why not."""
    found = None
    if len(token) == TOKEN_LENGTH:
        # The comparison is of hashes, by an index: its time says nothing about the token.
        found = await accounts.by_hash(connection, token_sha256(token))
    if found is None or not found.counts_at(now):
        raise Unauthenticated("token_invalid", "the token is unknown, expired or revoked", remedy=_HOW_TO_SEND)
    return Principal(found.account, found.role, found.enterprise)


async def issue(
    connection: Connection,
    actor: str | None,
    now: datetime,
    *,
    role: Role,
    enterprise: str | None,
    label: str,
    expires_at: datetime | None,
) -> tuple[Token, str, Cursor]:
    """Make an account and its token; the secret in the answer is kept nowhere. `actor` None: the account itself."""
    await _check(connection, now, role, enterprise, expires_at)
    secret = new_token()
    token = Token(
        id=new_id("tok"),
        account=new_id("acc"),
        role=role,
        enterprise=enterprise,
        sha256=token_sha256(secret),
        label=label,
        created_at=to_millisecond(now),
        expires_at=to_millisecond(expires_at) if expires_at else None,
        revoked_at=None,
    )
    await accounts.insert(connection, token)
    return token, secret, await _record(connection, actor or token.account, "create", token)


async def revoke(connection: Connection, actor: str, now: datetime, token_id: str) -> tuple[Token, Cursor | None]:
    """Make a token count no more; nothing changes if it was revoked already. Raises `NotFound`."""
    await journal.serialise(connection, KIND_CREDENTIAL, token_id)
    token = await accounts.by_id(connection, token_id)
    if token is None:
        raise NotFound("unknown_token", f"there is no token {token_id}", remedy="list the tokens to find its id")
    if token.revoked_at is not None:
        return token, None
    await accounts.revoke(connection, token_id, now)
    revoked = replace(token, revoked_at=now)
    return revoked, await _record(connection, actor, "withdraw", revoked)


async def _check(
    connection: Connection, now: datetime, role: Role, enterprise: str | None, expires_at: datetime | None
) -> None:
    if role == "administrator" and enterprise is not None:
        raise one_field("bad_token", "enterprise", "an administrator belongs to no enterprise: leave it out")
    if role == "enterprise_administrator" and enterprise is None:
        raise one_field("bad_token", "enterprise", "this role needs the id of its enterprise")
    if enterprise is not None and await enterprises.by_id(connection, enterprise) is None:
        raise one_field("unknown_enterprise", "enterprise", f"there is no enterprise {enterprise}")
    if expires_at is not None and expires_at <= now:
        raise one_field("bad_token", "expires_at", "this is in the past")


async def _record(connection: Connection, actor: str, op: Op, token: Token) -> Cursor:
    key, after = token.sha256.hex(), credential_state(token)
    return await journal.append(connection, actor=actor, kind=KIND_CREDENTIAL, key=key, op=op, after=after)
