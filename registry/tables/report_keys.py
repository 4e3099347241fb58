"""The table `report_keys`: keys with which enterprises' own nodes sign what they report here."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_COLUMNS = "key_id, prefix, algorithm, public_key, not_before, not_after, created_at, revoked_at"
_INSERT = f"""
INSERT INTO report_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"""
_BY_ID = f"SELECT {_COLUMNS} FROM report_keys WHERE key_id = $1"
_OF_PREFIX = f"SELECT {_COLUMNS} FROM report_keys WHERE prefix = $1 ORDER BY key_id"
_REVOKE = f"UPDATE report_keys SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1 RETURNING {_COLUMNS}"


@dataclass(frozen=True, slots=True)
class ReportKey:
    """A public key. `public_key` is PEM; outside [`not_before`, `not_after`), and once revoked, it is no key."""

    key_id: str
    prefix: str
    algorithm: str
    public_key: str
    not_before: datetime | None
    not_after: datetime | None
    created_at: datetime
    revoked_at: datetime | None

    @property
    def label(self) -> str:
        """What tells it from other keys of the prefix."""
        return self.key_id.partition("#")[2]


async def insert(connection: Connection, key: ReportKey) -> ReportKey | None:
    """Add a key; None if its id was used before."""
    row = await connection.fetchrow(
        _INSERT,
        key.key_id,
        key.prefix,
        key.algorithm,
        key.public_key,
        key.not_before,
        key.not_after,
        key.created_at,
    )
    return None if row is None else ReportKey(*row.values())


async def by_id(connection: Connection, key_id: str) -> ReportKey | None:
    """Return a key, revoked or not."""
    row = await connection.fetchrow(_BY_ID, key_id)
    return None if row is None else ReportKey(*row.values())


async def of_prefix(connection: Connection, prefix: str) -> list[ReportKey]:
    """Return the keys of a prefix, revoked ones too."""
    return [ReportKey(*row.values()) for row in await connection.fetch(_OF_PREFIX, prefix)]


async def revoke(connection: Connection, key_id: str, now: datetime) -> ReportKey | None:
    """End a key for good; None if there is none."""
    row = await connection.fetchrow(_REVOKE, key_id, now)
    return None if row is None else ReportKey(*row.values())
