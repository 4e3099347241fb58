"""The tables `takeovers` and `takeover_conflicts`: emergency take-overs, and what did not agree after one."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from dataclasses import dataclass
from datetime import datetime

from registry.database import Connection

_COLUMNS = "takeover_id, started_at, reason, started_by, ended_at, ended_by"
_BEGIN = """
INSERT INTO takeovers (started_at, reason, started_by) VALUES ($1, $2, $3)
ON CONFLICT ((true)) WHERE ended_at IS NULL DO NOTHING"""
_END = "UPDATE takeovers SET ended_at = $1, ended_by = $2 WHERE ended_at IS NULL"
_NEWEST = f"SELECT {_COLUMNS} FROM takeovers ORDER BY takeover_id DESC LIMIT $1"
_ENDED_SINCE = "SELECT EXISTS (SELECT FROM takeovers WHERE ended_at > $1)"
_WITHOUT_FULL_SETS = """
SELECT takeover_id FROM takeovers WHERE ended_at IS NOT NULL AND full_sets_at IS NULL ORDER BY 1 FOR UPDATE"""
_FULL_SETS_QUEUED = "UPDATE takeovers SET full_sets_at = $2 WHERE takeover_id = ANY($1::bigint[])"
_IMPORTING = "SELECT set_config('idnode.takeover_import', 'on', true)"

_CONFLICT = "key, identifier, reason, ours, theirs, found_at, decision, decided_at, decided_by"
_NOTE = f"""
INSERT INTO takeover_conflicts ({_CONFLICT}) VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, NULL)
ON CONFLICT (key) DO UPDATE
SET reason = $3, ours = $4, theirs = $5, found_at = $6, decision = NULL, decided_at = NULL, decided_by = NULL
WHERE takeover_conflicts.theirs <> $5"""
_SETTLE = "DELETE FROM takeover_conflicts WHERE key = ANY($1::text[]) AND decision IS NULL"
_PAGE = f"""
SELECT {_CONFLICT} FROM takeover_conflicts WHERE key > $1 AND ($3 OR decision IS NULL) ORDER BY key LIMIT $2"""
_BY_KEY = f"SELECT {_CONFLICT} FROM takeover_conflicts WHERE key = $1 FOR UPDATE"
_DECIDE = "UPDATE takeover_conflicts SET decision = $2, decided_at = $3, decided_by = $4 WHERE key = $1"
_COUNT_OPEN = "SELECT count(*) FROM takeover_conflicts WHERE decision IS NULL"


@dataclass(frozen=True, slots=True)
class Takeover:
    """One take-over: since when, why and by whose order, and its end."""

    takeover_id: int
    started_at: datetime
    reason: str
    started_by: str
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One identifier of which the other body holds something else; `ours` and `theirs` are JSON."""

    key: str
    identifier: str
    reason: str
    ours: str | None
    theirs: str
    found_at: datetime
    decision: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None


async def begin(connection: Connection, now: datetime, reason: str, started_by: str) -> None:
    """Put a take-over on record; one that is under way stays as it is."""
    await connection.execute(_BEGIN, now, reason, started_by)


async def end(connection: Connection, now: datetime, ended_by: str) -> None:
    """Note that the one under way has ended."""
    await connection.execute(_END, now, ended_by)


async def newest(connection: Connection, limit: int) -> list[Takeover]:
    """Return the newest take-overs."""
    return [Takeover(*row.values()) for row in await connection.fetch(_NEWEST, limit)]


async def ended_since(connection: Connection, at: datetime) -> bool:
    """Whether a take-over has ended behind an instant."""
    return bool(await connection.fetchval(_ENDED_SINCE, at))


async def without_full_sets(connection: Connection) -> list[int]:
    """Return the take-overs after which the full sets are still to be queued, locked until the transaction ends."""
    return [row["takeover_id"] for row in await connection.fetch(_WITHOUT_FULL_SETS)]


async def full_sets_queued(connection: Connection, takeover_ids: list[int], now: datetime) -> None:
    """Note that the full sets were queued."""
    await connection.execute(_FULL_SETS_QUEUED, takeover_ids, now)


async def admit_import(connection: Connection) -> None:
    """Let this transaction change what is registered although the registry takes no changes."""
    await connection.execute(_IMPORTING)


async def note(connection: Connection, one: Disagreement) -> None:
    """Keep a disagreement; one that was decided counts again only if the other side holds something else by now."""
    await connection.execute(_NOTE, one.key, one.identifier, one.reason, one.ours, one.theirs, one.found_at)


async def settle(connection: Connection, keys: list[str]) -> None:
    """Forget open disagreements of keys on which both sides agree by now."""
    await connection.execute(_SETTLE, keys)


async def page(connection: Connection, after: str, limit: int, *, decided: bool) -> list[Disagreement]:
    """Return disagreements in the order of their keys; with `decided` also those that are."""
    return [Disagreement(*row.values()) for row in await connection.fetch(_PAGE, after, limit, decided)]


async def by_key(connection: Connection, key: str) -> Disagreement | None:
    """Return one, locked until the transaction ends."""
    row = await connection.fetchrow(_BY_KEY, key)
    return None if row is None else Disagreement(*row.values())


async def decide(connection: Connection, key: str, decision: str, now: datetime, decided_by: str) -> None:
    """Note what was decided: ours or theirs."""
    await connection.execute(_DECIDE, key, decision, now, decided_by)


async def count_open(connection: Connection) -> int:
    """Return how many are not decided."""
    return int(await connection.fetchval(_COUNT_OPEN))
