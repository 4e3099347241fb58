"""The tables `accounts` and `api_tokens`: who may speak to the registry, and with which secrets."""

# ruff: noqa: S105 - these are statements, and what is put into them is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from identifiers.changes import Role
from registry.database import Connection

_COLUMNS = """
t.id, t.account_id, a.role, a.enterprise_id, t.token_sha256, t.label, t.created_at, t.expires_at, t.revoked_at"""
_FROM = "FROM api_tokens AS t JOIN accounts AS a ON a.id = t.account_id"
_INSERT_ACCOUNT = "INSERT INTO accounts (id, role, enterprise_id, created_at) VALUES ($1, $2, $3, $4)"
_INSERT_TOKEN = """
INSERT INTO api_tokens (id, account_id, token_sha256, label, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)"""
_BY_HASH = f"SELECT {_COLUMNS} {_FROM} WHERE t.token_sha256 = $1"
_BY_ID = f"SELECT {_COLUMNS} {_FROM} WHERE t.id = $1"
_PAGE = f"SELECT {_COLUMNS} {_FROM} WHERE t.id > $1 ORDER BY t.id LIMIT $2"
_REVOKE = "UPDATE api_tokens SET revoked_at = $2 WHERE id = $1"
_ADMINISTRATOR_EXISTS = """
SELECT EXISTS (
    SELECT FROM api_tokens AS t JOIN accounts AS a ON a.id = t.account_id
    WHERE a.role = 'administrator' AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $1)
)"""


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its account; never the secret itself."""

    id: str
    account: str
    role: Role
    enterprise: str | None
    sha256: bytes
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def counts_at(self, now: datetime) -> bool:
        """Whether the token is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


async def insert(connection: Connection, token: Token) -> None:
    """Add a token and the account it speaks for."""
    await connection.execute(_INSERT_ACCOUNT, token.account, token.role, token.enterprise, token.created_at)
    await connection.execute(
        _INSERT_TOKEN, token.id, token.account, token.sha256, token.label, token.created_at, token.expires_at
    )


async def by_hash(connection: Connection, sha256: bytes) -> Token | None:
    """Return the token with a hash, whether it still counts or not."""
    row = await connection.fetchrow(_BY_HASH, sha256)
    return Token(*row.values()) if row else None


async def by_id(connection: Connection, token_id: str) -> Token | None:
    """Return the token with an id."""
    row = await connection.fetchrow(_BY_ID, token_id)
    return Token(*row.values()) if row else None


async def page(connection: Connection, after: str, limit: int) -> list[Token]:
    """Return the next tokens in the order of their ids."""
    return [Token(*row.values()) for row in await connection.fetch(_PAGE, after, limit)]


async def revoke(connection: Connection, token_id: str, now: datetime) -> None:
    """Make a token count no more."""
    await connection.execute(_REVOKE, token_id, now)


async def administrator_exists(connection: Connection, now: datetime) -> bool:
    """Whether some administrator's token counts."""
    return bool(await connection.fetchval(_ADMINISTRATOR_EXISTS, now))
