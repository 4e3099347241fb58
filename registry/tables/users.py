"""The tables `users` and `sign_in_failures`: names and passwords, and what failed lately."""

# ruff: noqa: S608 - these are statements, and what is put into them is the column list beside them

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from registry.database import Connection
from registry.tables.accounts import Account

_COLUMNS = """
u.account_id, u.username, u.email, u.mobile, u.password_hash, u.hashed_login, u.open_id, u.open_user_name, u.remarks,
u.totp_secret, u.totp_confirmed, u.totp_last_step"""
_ACCOUNT = "a.id, a.kind, a.role, a.enterprise_id, a.state, a.label, a.epoch, a.created_at, a.updated_at"
_ACCOUNT_COLUMNS = 9
_INSERT = """
INSERT INTO users (account_id, username, email, mobile, password_hash, hashed_login, open_id, open_user_name, remarks,
    totp_secret, totp_confirmed, totp_last_step)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"""
_UPDATE = """
UPDATE users
SET email = $2, mobile = $3, password_hash = $4, hashed_login = $5, open_id = $6, open_user_name = $7, remarks = $8,
    totp_secret = $9, totp_confirmed = $10, totp_last_step = $11
WHERE account_id = $1"""
_BY_NAME = f"SELECT {_COLUMNS} FROM users AS u WHERE lower(u.username) = lower($1)"
_BY_ACCOUNT = f"SELECT {_COLUMNS} FROM users AS u WHERE u.account_id = $1"
_TAKEN = """
SELECT lower(username) = lower($1) AS username, lower(email) = lower($2::text) AS email,
    mobile = $3::text AS mobile
FROM users
WHERE account_id IS DISTINCT FROM $4::text
    AND (lower(username) = lower($1) OR lower(email) = lower($2::text) OR mobile = $3::text)
LIMIT 3"""
_USE_STEP = """
UPDATE users SET totp_last_step = $2 WHERE account_id = $1 AND totp_last_step < $2 RETURNING account_id"""
_PAGE = f"""
SELECT {_ACCOUNT}, {_COLUMNS}
FROM accounts AS a LEFT JOIN users AS u ON u.account_id = a.id
WHERE a.id > $1 AND ($3::text IS NULL OR a.enterprise_id = $3) AND ($4::text IS NULL OR a.role = $4)
    AND ($5::text IS NULL OR a.state = $5) AND ($6::text IS NULL OR a.kind = $6)
    AND ($7::text IS NULL OR lower(u.username) = lower($7))
ORDER BY a.id LIMIT $2"""
_OPEN_IDS = """
SELECT a.enterprise_id, array_agg(u.open_id ORDER BY u.open_id) AS open_ids
FROM users AS u JOIN accounts AS a ON a.id = u.account_id
WHERE a.enterprise_id = ANY($1::text[]) AND u.open_id IS NOT NULL
GROUP BY a.enterprise_id"""

_FAILURES = """
SELECT subject, recent, consecutive, locked_until FROM sign_in_failures WHERE subject = ANY($1::text[])"""
_STORE_FAILURE = """
INSERT INTO sign_in_failures (subject, recent, consecutive, locked_until, last_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (subject) DO UPDATE
SET recent = excluded.recent, consecutive = excluded.consecutive, locked_until = excluded.locked_until,
    last_at = excluded.last_at"""
_FORGET_FAILURES = "DELETE FROM sign_in_failures WHERE subject = $1"
_PURGE_FAILURES = "DELETE FROM sign_in_failures WHERE last_at < $1"


@dataclass(frozen=True, slots=True)
class User:
    """How an account signs in. What is secret in it is hashed or sealed, and not shown in a `repr`."""

    account: str
    username: str
    email: str | None
    mobile: str | None
    password_hash: str = field(repr=False)
    hashed_login: bytes | None = field(repr=False)
    open_id: str | None
    open_user_name: str | None
    remarks: str
    totp_secret: bytes | None = field(repr=False)
    totp_confirmed: bool
    totp_last_step: int


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed lately for a name or an address: the last instants, and how often in a row."""

    recent: tuple[datetime, ...] = ()
    consecutive: int = 0
    locked_until: datetime | None = None


async def insert(connection: Connection, user: User) -> None:
    """Add the name and password of an account."""
    await connection.execute(
        _INSERT,
        user.account,
        user.username,
        user.email,
        user.mobile,
        user.password_hash,
        user.hashed_login,
        user.open_id,
        user.open_user_name,
        user.remarks,
        user.totp_secret,
        user.totp_confirmed,
        user.totp_last_step,
    )


async def update(connection: Connection, user: User) -> None:
    """Store everything but the name over what was stored."""
    await connection.execute(
        _UPDATE,
        user.account,
        user.email,
        user.mobile,
        user.password_hash,
        user.hashed_login,
        user.open_id,
        user.open_user_name,
        user.remarks,
        user.totp_secret,
        user.totp_confirmed,
        user.totp_last_step,
    )


async def by_name(connection: Connection, username: str) -> User | None:
    """Return the user with a name, in whatever case it is written."""
    row = await connection.fetchrow(_BY_NAME, username)
    return User(*row.values()) if row else None


async def open_ids(connection: Connection, enterprises: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids that users of these enterprises have in outside login systems, by enterprise."""
    return {row["enterprise_id"]: row["open_ids"] for row in await connection.fetch(_OPEN_IDS, enterprises)}


async def by_account(connection: Connection, account_id: str) -> User | None:
    """Return how an account signs in; None for one that has tokens only."""
    row = await connection.fetchrow(_BY_ACCOUNT, account_id)
    return User(*row.values()) if row else None


async def taken(
    connection: Connection, username: str, email: str | None, mobile: str | None, *, but: str | None = None
) -> list[str]:
    """Return which of `username`, `email`, `mobile` other accounts than `but` have."""
    rows = await connection.fetch(_TAKEN, username, email, mobile, but)
    return [name for name in ("username", "email", "mobile") if any(row[name] for row in rows)]


async def use_step(connection: Connection, account_id: str, step: int) -> bool:
    """Use up the one-time code of a time step; False if it or a later one was used before."""
    return await connection.fetchval(_USE_STEP, account_id, step) is not None


async def page(
    connection: Connection,
    after: str,
    limit: int,
    *,
    enterprise: str | None = None,
    role: str | None = None,
    state: str | None = None,
    kind: str | None = None,
    username: str | None = None,
) -> list[tuple[Account, User | None]]:
    """Return the next accounts in the order of their ids, those that fit, each with how it signs in."""
    rows = await connection.fetch(_PAGE, after, limit, enterprise, role, state, kind, username)
    found = []
    for row in rows:
        columns = list(row.values())
        account = Account(*columns[:_ACCOUNT_COLUMNS])
        user = User(*columns[_ACCOUNT_COLUMNS:]) if columns[_ACCOUNT_COLUMNS] is not None else None
        found.append((account, user))
    return found


async def failures(connection: Connection, subjects: Sequence[str]) -> dict[str, Failures]:
    """Return what failed lately for names and addresses; for those without failures nothing is kept."""
    rows = await connection.fetch(_FAILURES, subjects)
    return {row["subject"]: Failures(tuple(row["recent"]), row["consecutive"], row["locked_until"]) for row in rows}


async def store_failures(connection: Connection, subject: str, failures: Failures, now: datetime) -> None:
    """Keep what failed lately for a name or an address."""
    await connection.execute(
        _STORE_FAILURE, subject, list(failures.recent), failures.consecutive, failures.locked_until, now
    )


async def forget_failures(connection: Connection, subject: str) -> None:
    """Let a name or an address begin anew."""
    await connection.execute(_FORGET_FAILURES, subject)


async def purge_failures(connection: Connection, before: datetime) -> None:
    """Forget what failed before an instant."""
    await connection.execute(_PURGE_FAILURES, before)
