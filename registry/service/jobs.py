"""Jobs: work on up to millions of rows that is uploaded at once and carried out while nobody waits.

An upload is kept whole before any of it is done. A job that was answered with its id survives any end of the registry:
`job_runner` carries it out step by step, each in one transaction with the note of how far the job has come.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from registry import journal, origin
from registry.authority import Action, Principal, Reach, authorise, check_reaches
from registry.context import JobSettings
from registry.database import Connection, Pool, connected, transaction
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.service import quotas, templates
from registry.service.job_input import CsvTable, InputLimits, cut
from registry.states import to_millisecond
from registry.tables import jobs
from registry.tables.jobs import Job, Kind

UPLOAD_KEPT: Final = timedelta(minutes=10)
"""An upload that nothing was added to for so long has been given up."""
EXPIRED_AT_ONCE: Final = 20

CHUNK_ROWS: Final[Mapping[Kind, int]] = {"import": 2_000, "update": 100, "withdraw": 100}
"""Rows of one step. An import copies them in; the others take about a millisecond a row, and a transaction that lasts
keeps everyone's changes from the replica meanwhile."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What a job is to be made of. `options` are those of its kind; `csv` tells CSV from NDJSON."""

    kind: Kind
    options: Mapping[str, Any]
    csv: bool = False


async def create(
    pool: Pool,
    principal: Principal,
    clock: Callable[[], datetime],
    settings: JobSettings,
    upload: Upload,
    pieces: AsyncIterator[bytes],
) -> Job:
    """Take an upload in and queue a job for it. Nothing is left of an upload that does not arrive whole.

    `pieces` are the octets of the upload, cut anywhere. Raises `InvalidRequest` and `TooLarge` for what is no such file
    or too much, `Conflict` when too many jobs of the enterprise are open.
    """
    authorise(principal, Action.RUN_JOB)
    async with transaction(pool) as connection:
        job, limits, table = await _begin(connection, principal, clock(), settings, upload)
    async with _given_up_unless_whole(pool, job.id):
        number = rows = 0
        async for chunk in cut(pieces, limits, table):
            async with connected(pool) as connection:
                if not await jobs.add_input(connection, job.id, number, chunk.first_line, chunk.content, clock()):
                    raise _given_up()
            number, rows = number + 1, rows + chunk.rows
        if rows == 0:
            raise InvalidRequest("no_rows", "there are no rows in the upload", remedy="send at least one row")
        async with connected(pool) as connection:
            if not await jobs.submit(connection, job.id, rows, clock()):
                raise _given_up()
            return await _existing(connection, job.id)


async def start_regrade(
    connection: Connection, principal: Principal, now: datetime, *, template: str, index: int, before: int, after: int
) -> Job:
    """Queue the job that gives the stored values of a template's item their new grade.

    To be called in the transaction that changes the grade of the item. The job begins when every transaction that may
    still have worked with the old grade is over.
    """
    found = await templates.stored(connection, template)
    options = {"template": template, "index": index, "before": before, "after": after}
    job = _new("regrade", principal, now, options, found.enterprise if found is not None else None)
    await jobs.insert(connection, job)
    return job


async def get(connection: Connection, principal: Principal, job_id: str) -> Job:
    """Return a job the principal may see. Raises `NotFound` or `Forbidden`."""
    authorise(principal, Action.READ_JOB)
    found = await _existing(connection, job_id)
    check_reaches(principal, Action.READ_JOB, found.enterprise)
    return found


async def page(connection: Connection, principal: Principal, before: str, limit: int, state: str | None) -> list[Job]:
    """Return the next jobs the principal may see, the newest first."""
    everything = authorise(principal, Action.READ_JOB) is Reach.EVERYTHING
    # An id no enterprise has leaves none.
    return await jobs.page(connection, before, limit, None if everything else principal.enterprise or "", state)


async def cancel(connection: Connection, principal: Principal, now: datetime, job_id: str) -> Job:
    """End a job where it is; what is done stays done. Raises `Conflict` if it has ended."""
    authorise(principal, Action.RUN_JOB)
    found = await _existing(connection, job_id)
    check_reaches(principal, Action.RUN_JOB, found.enterprise)
    if found.kind == "regrade":
        raise Conflict(
            "job_not_cancellable",
            "values would be left with a grade their item no longer has",
            remedy="give the item its former grade again instead",
        )
    if not await jobs.end(connection, job_id, "cancelled", to_millisecond(now)):
        raise Conflict("job_ended", f"the job {job_id} has ended already", remedy="read the job to see how")
    await jobs.drop_input(connection, job_id)
    return await _existing(connection, job_id)


async def results(pool: Pool, job_id: str) -> AsyncIterator[bytes]:
    """Give the results of a job so far, one line a row. No connection is held between two parts."""
    number = -1
    while True:
        async with connected(pool) as connection:
            found = await jobs.result_chunk(connection, job_id, number)
        if found is None:
            return
        number, content = found
        yield content


async def forget_expired(connection: Connection, now: datetime, kept: timedelta) -> None:
    """Forget some of the jobs that ended long ago, and uploads given up."""
    expired = await jobs.expired(
        connection, finished_before=now - kept, uploading_before=now - UPLOAD_KEPT, limit=EXPIRED_AT_ONCE
    )
    for job_id in expired:
        await jobs.delete(connection, job_id)


async def _begin(
    connection: Connection, principal: Principal, now: datetime, settings: JobSettings, upload: Upload
) -> tuple[Job, InputLimits, CsvTable | None]:
    enterprise = principal.enterprise
    await journal.serialise(connection, "job", enterprise or "")
    if await jobs.count_open(connection, enterprise) >= settings.open_max:
        raise Conflict(
            "too_many_jobs",
            f"{settings.open_max} jobs of yours have not ended",
            remedy="wait until one has ended, or cancel one",
        )
    code = upload.options.get("template")
    template = await templates.usable(connection, principal, code) if code is not None else None
    own = (await quotas.limits(connection, enterprise, now)).job_rows_max if enterprise is not None else None
    rows_max = settings.rows_max if own is None else min(own, settings.rows_max)
    job = _new(upload.kind, principal, now, upload.options, enterprise, uploading=True)
    await jobs.insert(connection, job)
    limits = InputLimits(settings.octets_max, rows_max, CHUNK_ROWS[upload.kind])
    return job, limits, CsvTable(template, values=upload.kind != "withdraw") if upload.csv else None


@asynccontextmanager
async def _given_up_unless_whole(pool: Pool, job_id: str) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        # If this fails too, `forget_expired` does it.
        async with connected(pool) as connection:
            await jobs.delete(connection, job_id)
        raise


async def _existing(connection: Connection, job_id: str) -> Job:
    found = await jobs.by_id(connection, job_id)
    if found is None:
        raise NotFound("unknown_job", f"there is no job {job_id}", remedy="list the jobs; old ones are forgotten")
    return found


def _new(
    kind: Kind,
    principal: Principal,
    now: datetime,
    options: Mapping[str, Any],
    enterprise: str | None,
    *,
    uploading: bool = False,
) -> Job:
    now = to_millisecond(now)
    # Ids begin with the time, so that lists are in the order of creation.
    job_id = f"job_{int(now.timestamp() * 1000):012x}{secrets.token_hex(4)}"
    state: Any = "uploading" if uploading else "queued"
    return Job(job_id, kind, state, principal.account, enterprise, origin.current().address, options, now, now)


def _given_up() -> InvalidRequest:
    return InvalidRequest("upload_given_up", "the upload took too long", remedy="upload the file again")
