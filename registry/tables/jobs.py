"""The tables `jobs`, `job_input` and `job_results`: long work, what it is done on, and what became of it."""

# ruff: noqa: S608 - what is put into the statements is the column list beside them

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import orjson

from registry.database import Connection

Kind = Literal["import", "update", "withdraw", "regrade"]
State = Literal["uploading", "queued", "running", "done", "failed", "cancelled"]

OPEN_STATES: Final[tuple[State, ...]] = ("uploading", "queued", "running")

_COLUMNS = """
id, kind, state, account_id, enterprise_id, address, options, counts, problem, rows_total, octets, step, place,
created_at, updated_at, started_at, finished_at"""
_INSERT = """
INSERT INTO jobs (id, kind, state, account_id, enterprise_id, address, options, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"""
_BY_ID = f"SELECT {_COLUMNS} FROM jobs WHERE id = $1 AND state <> 'uploading'"
# Ids begin with their time: the newest come first.
_PAGE = f"""
SELECT {_COLUMNS} FROM jobs
WHERE ($1 = '' OR id < $1) AND state <> 'uploading' AND ($2::text IS NULL OR enterprise_id = $2)
  AND ($4::text IS NULL OR state = $4)
ORDER BY id DESC LIMIT $3"""
_OPEN = """
SELECT count(*) FROM jobs
WHERE state IN ('uploading', 'queued', 'running') AND enterprise_id IS NOT DISTINCT FROM $1"""
_OPEN_BY_STATE = """
SELECT state, count(*) FROM jobs WHERE state IN ('uploading', 'queued', 'running') GROUP BY state"""
_ADD_INPUT = """
WITH job AS (
    UPDATE jobs SET octets = octets + octet_length($4::bytea), updated_at = $5 WHERE id = $1 AND state = 'uploading'
    RETURNING id
)
INSERT INTO job_input (job_id, number, first_line, content) SELECT id, $2::integer, $3::bigint, $4::bytea FROM job"""
_SUBMIT = "UPDATE jobs SET state = 'queued', rows_total = $2, updated_at = $3 WHERE id = $1 AND state = 'uploading'"
_DELETE = "DELETE FROM jobs WHERE id = $1"
# What regrades a template waits for the transactions that may not have seen the grade change, and for what regraded
# the same template before.
_CANDIDATES = """
SELECT id FROM jobs AS job
WHERE state IN ('queued', 'running') AND (
    kind <> 'regrade'
    OR created_xid < pg_snapshot_xmin(pg_current_snapshot()) AND NOT EXISTS (
        SELECT FROM jobs AS earlier
        WHERE earlier.state IN ('queued', 'running') AND earlier.kind = 'regrade'
          AND earlier.created_xid < job.created_xid
          AND earlier.options::json ->> 'template' = job.options::json ->> 'template'))
ORDER BY updated_at LIMIT $1"""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('job:' || $1, 0))"
_INPUT = "SELECT first_line, content FROM job_input WHERE job_id = $1 AND number = $2"
_ADD_RESULT = "INSERT INTO job_results (job_id, number, content) VALUES ($1, $2, $3)"
_DROP_INPUT = "DELETE FROM job_input WHERE job_id = $1 AND number = $2"
_DROP_ALL_INPUT = """
DELETE FROM job_input
WHERE job_id = $1 AND number IN (SELECT number FROM job_input WHERE job_id = $1 FOR UPDATE SKIP LOCKED)
"""
_ADVANCE = """
UPDATE jobs
SET state = $3, step = $4, place = $5, counts = $6, attempts = 0, updated_at = $7,
    started_at = coalesce(started_at, $7), finished_at = CASE WHEN $3 = 'done' THEN $7 END
WHERE id = $1 AND step = $2 AND state IN ('queued', 'running')
RETURNING id"""
_END = """
UPDATE jobs SET state = $2, problem = $3, updated_at = $4, finished_at = $4
WHERE id = $1 AND state IN ('queued', 'running')
RETURNING id"""
_TOUCH = "UPDATE jobs SET updated_at = $2 WHERE id = $1"
_STUMBLED = "UPDATE jobs SET attempts = attempts + 1, updated_at = $2 WHERE id = $1 RETURNING attempts"
_RESULTS = "SELECT number, content FROM job_results WHERE job_id = $1 AND number > $2 ORDER BY number LIMIT 1"
_EXPIRED = """
SELECT id FROM jobs
WHERE finished_at < $1 OR (state = 'uploading' AND updated_at < $2)
ORDER BY id LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `counts` says how many rows ended how; `step` and `place`, where it goes on.

    `problem` (`code`, `message`, `remedy`) is why it failed. `rows_total` is None where nobody has counted.
    """

    id: str
    kind: Kind
    state: State
    account: str
    enterprise: str | None
    address: str
    options: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    counts: Mapping[str, int] = field(default_factory=dict)
    problem: Mapping[str, str] | None = None
    rows_total: int | None = None
    octets: int = 0
    step: int = 0
    place: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will be done."""
        return self.state in ("done", "failed", "cancelled")


async def insert(connection: Connection, job: Job) -> None:
    """Add a job."""
    options = orjson.dumps(dict(job.options)).decode()
    await connection.execute(
        _INSERT, job.id, job.kind, job.state, job.account, job.enterprise, job.address, options, job.created_at
    )


async def by_id(connection: Connection, job_id: str) -> Job | None:
    """Return a job that has been uploaded whole."""
    row = await connection.fetchrow(_BY_ID, job_id)
    return _from_row(row) if row else None


async def page(connection: Connection, before: str, limit: int, enterprise: str | None, state: str | None) -> list[Job]:
    """Return the next jobs, the newest first: of one enterprise or of all, in one state or in any."""
    return [_from_row(row) for row in await connection.fetch(_PAGE, before, enterprise, limit, state)]


async def count_open(connection: Connection, enterprise: str | None) -> int:
    """Count the jobs of an enterprise (None: of the node) that have not ended."""
    return int(await connection.fetchval(_OPEN, enterprise))


async def count_open_by_state(connection: Connection) -> dict[str, int]:
    """Count all jobs that have not ended."""
    return {row["state"]: row["count"] for row in await connection.fetch(_OPEN_BY_STATE)}


async def add_input(
    connection: Connection, job_id: str, number: int, first_line: int, content: bytes, now: datetime
) -> bool:
    """Keep a chunk of an upload; False if the upload has been given up."""
    return str(await connection.execute(_ADD_INPUT, job_id, number, first_line, content, now)) == "INSERT 0 1"


async def submit(connection: Connection, job_id: str, rows_total: int, now: datetime) -> bool:
    """Let an uploaded job begin; False if the upload has been given up."""
    return str(await connection.execute(_SUBMIT, job_id, rows_total, now)) == "UPDATE 1"


async def delete(connection: Connection, job_id: str) -> None:
    """Forget a job with all that belongs to it."""
    await connection.execute(_DELETE, job_id)


async def candidates(connection: Connection, limit: int) -> list[str]:
    """Return jobs with something to be done; the one whose last turn is the longest ago is the first."""
    return [row["id"] for row in await connection.fetch(_CANDIDATES, limit)]


async def lock(connection: Connection, job_id: str) -> bool:
    """Take a job for this transaction; False while another one has it. Takes no transaction id."""
    return bool(await connection.fetchval(_LOCK, job_id))


async def input_chunk(connection: Connection, job_id: str, number: int) -> tuple[int, bytes] | None:
    """Return the number of a chunk's first line and its lines; None behind the last chunk."""
    row = await connection.fetchrow(_INPUT, job_id, number)
    return (row["first_line"], row["content"]) if row else None


async def drop_input(connection: Connection, job_id: str, number: int | None = None) -> None:
    """Forget a chunk that is done; without a number, all of them but one that is just being worked on."""
    if number is None:
        await connection.execute(_DROP_ALL_INPUT, job_id)
    else:
        await connection.execute(_DROP_INPUT, job_id, number)


async def add_result(connection: Connection, job_id: str, number: int, content: bytes) -> None:
    """Keep what became of a chunk."""
    await connection.execute(_ADD_RESULT, job_id, number, content)


async def advance(connection: Connection, job: Job, *, from_step: int, now: datetime) -> bool:
    """Store how far a job has come; False if it has ended or is elsewhere meanwhile."""
    counts = orjson.dumps(dict(job.counts)).decode()
    row = await connection.fetchrow(_ADVANCE, job.id, from_step, job.state, job.step, job.place, counts, now)
    return row is not None


async def end(
    connection: Connection, job_id: str, state: State, now: datetime, problem: Mapping[str, str] | None = None
) -> bool:
    """End a job before all is done; False if it has ended already."""
    text = orjson.dumps(dict(problem)).decode() if problem is not None else None
    return await connection.fetchrow(_END, job_id, state, text, now) is not None


async def touch(connection: Connection, job_id: str, now: datetime) -> None:
    """Let other jobs have their turn first."""
    await connection.execute(_TOUCH, job_id, now)


async def stumbled(connection: Connection, job_id: str, now: datetime) -> int:
    """Note that a step failed and return how often it has in a row."""
    return int(await connection.fetchval(_STUMBLED, job_id, now) or 0)


async def result_chunk(connection: Connection, job_id: str, after: int) -> tuple[int, bytes] | None:
    """Return the next part of the results and its number, which begins at 0; None behind the last."""
    row = await connection.fetchrow(_RESULTS, job_id, after)
    return (row["number"], row["content"]) if row else None


async def expired(
    connection: Connection, *, finished_before: datetime, uploading_before: datetime, limit: int
) -> list[str]:
    """Return jobs that ended long ago, and uploads that nobody goes on with."""
    return [row["id"] for row in await connection.fetch(_EXPIRED, finished_before, uploading_before, limit)]


def _from_row(row: asyncpg.Record) -> Job:
    values = dict(row)
    values["account"] = values.pop("account_id")
    values["enterprise"] = values.pop("enterprise_id")
    values["options"] = orjson.loads(values["options"])
    values["counts"] = orjson.loads(values["counts"])
    values["problem"] = orjson.loads(values["problem"]) if values["problem"] is not None else None
    return Job(**values)
