"""The tables `accounts` and `api_tokens`: who may speak to the registry, and with which secrets."""

# ruff: noqa: S105, S608 - these are statements, and what is put into them is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from identifiers.changes import Role
from registry.database import Connection

AccountKind = Literal["token", "user", "application"]
AccountState = Literal["active", "disabled"]
TokenKind = Literal["token", "session"]

_ACCOUNT_COLUMNS = """
a.id, a.kind, a.role, a.enterprise_id, a.state, a.label, a.epoch, a.created_at, a.updated_at"""
_TOKEN_COLUMNS = """
t.id, t.kind, t.account_id, a.role, a.enterprise_id, a.state, t.scopes, t.token_sha256, t.label, t.created_at,
t.expires_at, t.revoked_at"""
_FROM = "FROM api_tokens AS t JOIN accounts AS a ON a.id = t.account_id"

_INSERT_ACCOUNT = """
INSERT INTO accounts (id, kind, role, enterprise_id, state, label, epoch, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
_UPDATE_ACCOUNT = """
UPDATE accounts SET role = $2, enterprise_id = $3, state = $4, label = $5, epoch = $6, updated_at = $7 WHERE id = $1"""
_ACCOUNT = f"SELECT {_ACCOUNT_COLUMNS} FROM accounts AS a WHERE a.id = $1"
_ACCOUNTS_OF = f"""
SELECT {_ACCOUNT_COLUMNS} FROM accounts AS a WHERE a.enterprise_id = $1 AND a.id > $2 ORDER BY a.id LIMIT $3"""
_COUNT_OF = "SELECT count(*) FROM accounts WHERE enterprise_id = $1"
_GROUPS = """
SELECT a.id AS account_id, array_agg(DISTINCT m.group_id ORDER BY m.group_id) AS groups
FROM accounts AS a
JOIN group_members AS m ON m.account_id = a.id OR m.enterprise_id = a.enterprise_id
WHERE a.id = ANY($1::text[])
GROUP BY a.id"""
_ACCOUNTS_AFTER = f"SELECT {_ACCOUNT_COLUMNS} FROM accounts AS a WHERE a.id > $1 ORDER BY a.id LIMIT $2"

_INSERT_TOKEN = """
INSERT INTO api_tokens (id, kind, account_id, scopes, token_sha256, label, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
_BY_HASH = f"SELECT {_TOKEN_COLUMNS} {_FROM} WHERE t.token_sha256 = $1"
_BY_ID = f"SELECT {_TOKEN_COLUMNS} {_FROM} WHERE t.id = $1"
_PAGE = f"""
SELECT {_TOKEN_COLUMNS} {_FROM}
WHERE t.id > $1 AND t.kind = 'token' AND ($3::text IS NULL OR a.enterprise_id = $3)
    AND ($4::text IS NULL OR t.account_id = $4)
ORDER BY t.id LIMIT $2"""
_CREDENTIALS_AFTER = f"""
SELECT {_TOKEN_COLUMNS} {_FROM}
WHERE t.id > $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
ORDER BY t.id LIMIT $2"""
_COUNTING = f"""
SELECT {_TOKEN_COLUMNS} {_FROM}
WHERE t.account_id = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
ORDER BY t.created_at, t.id"""
_REVOKE = "UPDATE api_tokens SET revoked_at = $2 WHERE id = ANY($1::text[])"
_ENDED_SESSIONS = f"""
SELECT {_TOKEN_COLUMNS} {_FROM}
WHERE t.kind = 'session' AND t.expires_at < $1
ORDER BY t.expires_at LIMIT $2
FOR UPDATE OF t SKIP LOCKED"""
_DELETE = "DELETE FROM api_tokens WHERE id = ANY($1::text[])"
_ADMINISTRATOR_EXISTS = """
SELECT EXISTS (
    SELECT FROM api_tokens AS t JOIN accounts AS a ON a.id = t.account_id
    WHERE a.role = 'administrator' AND a.state = 'active' AND t.kind = 'token' AND t.scopes IS NULL
        AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $1)
)"""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or some program, with a role; of an enterprise or of the node."""

    id: str
    kind: AccountKind
    role: Role
    enterprise: str | None
    state: AccountState
    label: str
    epoch: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its account; never the secret itself. `scopes` None: everything the role may."""

    id: str
    kind: TokenKind
    account: str
    role: Role
    enterprise: str | None
    account_state: AccountState
    scopes: list[str] | None
    sha256: bytes
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def counts_at(self, now: datetime) -> bool:
        """Whether the token is neither revoked nor expired, and its account is not disabled."""
        in_time = self.expires_at is None or now < self.expires_at
        return self.revoked_at is None and in_time and self.account_state == "active"


async def insert(connection: Connection, account: Account) -> None:
    """Add an account."""
    await connection.execute(
        _INSERT_ACCOUNT,
        account.id,
        account.kind,
        account.role,
        account.enterprise,
        account.state,
        account.label,
        account.epoch,
        account.created_at,
        account.updated_at,
    )


async def update(connection: Connection, account: Account) -> None:
    """Store an account over what was stored of it."""
    await connection.execute(
        _UPDATE_ACCOUNT,
        account.id,
        account.role,
        account.enterprise,
        account.state,
        account.label,
        account.epoch,
        account.updated_at,
    )


async def account(connection: Connection, account_id: str) -> Account | None:
    """Return the account with an id."""
    row = await connection.fetchrow(_ACCOUNT, account_id)
    return Account(*row.values()) if row else None


async def accounts_of(connection: Connection, enterprise: str, after: str, limit: int) -> list[Account]:
    """Return the next accounts of an enterprise in the order of their ids."""
    return [Account(*row.values()) for row in await connection.fetch(_ACCOUNTS_OF, enterprise, after, limit)]


async def count_of(connection: Connection, enterprise: str) -> int:
    """Count the accounts of an enterprise."""
    return int(await connection.fetchval(_COUNT_OF, enterprise))


async def accounts_after(connection: Connection, after: str, limit: int) -> list[Account]:
    """Return the next of all accounts in the order of their ids."""
    return [Account(*row.values()) for row in await connection.fetch(_ACCOUNTS_AFTER, after, limit)]


async def groups_of(connection: Connection, accounts: Sequence[Account]) -> dict[str, list[str]]:
    """Return the ids of the groups that accounts are in, themselves or with their enterprise; none: not a key."""
    rows = await connection.fetch(_GROUPS, [account.id for account in accounts])
    return {row["account_id"]: row["groups"] for row in rows}


async def insert_token(connection: Connection, token: Token) -> None:
    """Add a token of an account."""
    await connection.execute(
        _INSERT_TOKEN,
        token.id,
        token.kind,
        token.account,
        token.scopes,
        token.sha256,
        token.label,
        token.created_at,
        token.expires_at,
    )


async def by_hash(connection: Connection, sha256: bytes) -> Token | None:
    """Return the token with a hash, whether it still counts or not."""
    row = await connection.fetchrow(_BY_HASH, sha256)
    return Token(*row.values()) if row else None


async def by_id(connection: Connection, token_id: str) -> Token | None:
    """Return the token with an id."""
    row = await connection.fetchrow(_BY_ID, token_id)
    return Token(*row.values()) if row else None


async def page(
    connection: Connection, after: str, limit: int, *, enterprise: str | None = None, account: str | None = None
) -> list[Token]:
    """Return the next tokens in the order of their ids, sessions left out; those of an enterprise, of an account."""
    return [Token(*row.values()) for row in await connection.fetch(_PAGE, after, limit, enterprise, account)]


async def credentials_after(connection: Connection, after: str, limit: int) -> list[Token]:
    """Return the next tokens and sessions that are neither revoked nor expired, in the order of their ids."""
    return [Token(*row.values()) for row in await connection.fetch(_CREDENTIALS_AFTER, after, limit)]


async def counting(connection: Connection, account_id: str, now: datetime) -> list[Token]:
    """Return the tokens and sessions of an account that are neither revoked nor expired, oldest first."""
    return [Token(*row.values()) for row in await connection.fetch(_COUNTING, account_id, now)]


async def revoke(connection: Connection, token_ids: Sequence[str], now: datetime) -> None:
    """Make tokens count no more."""
    await connection.execute(_REVOKE, token_ids, now)


async def ended_sessions(connection: Connection, before: datetime, limit: int) -> list[Token]:
    """Return sessions that expired before an instant, locked for this transaction."""
    return [Token(*row.values()) for row in await connection.fetch(_ENDED_SESSIONS, before, limit)]


async def delete(connection: Connection, token_ids: Sequence[str]) -> None:
    """Remove tokens."""
    await connection.execute(_DELETE, token_ids)


async def administrator_exists(connection: Connection, now: datetime) -> bool:
    """Whether some administrator's token, not narrowed to some work, counts."""
    return bool(await connection.fetchval(_ADMINISTRATOR_EXISTS, now))
