"""Carries out jobs, step by step, each step in one transaction.

- Pending is a job that is queued or running; the one whose last turn is the longest ago has the next one, so a job of
  millions of rows does not hold up the others.
- Cursor: `step` in the job's row, moved in the transaction that does the work and writes its results. Killed anywhere,
  a step is done or is not, and no row is worked on twice.
- A job is taken with an advisory lock, by any number of runners on any number of hosts; who dies lets go of it.
- On error: a row that cannot be done is rejected in the results; a job that cannot go on (its account is disabled, its
  template withdrawn) fails with its problem; trouble with the database is waited out; a defect is tried three times.
- Rights are those of the job's account as they are now. Changes are recorded as the account's, from where the job came.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple, NoReturn

import asyncpg
import msgspec

from registry import origin
from registry.authority import Action, Principal, authorise
from registry.barrier import ReplicaBarrier
from registry.database import Connection, Pool, connected, transaction
from registry.errors import ChangedMeanwhile, Forbidden, RegistryError, Unavailable
from registry.service import job_rows, regrading, templates
from registry.service.batch_answers import Answers, Rejection
from registry.service.batch_policy import BatchPolicy
from registry.service.batch_rows import Row, read_line
from registry.service.change import ATTEMPTS_MAX
from registry.service.job_import import ImportChunkWriter
from registry.tables import accounts, jobs
from registry.tables.jobs import Job, State
from registry.tables.templates import Template

LOOKED_AT: Final = 16
"""Jobs that a runner tries to take before it rests."""
REST_S: Final = 1.0
BACK_OFF_S: Final = 5.0
STUMBLES_MAX: Final = 3
ROWS_BETWEEN_BREATHS: Final = 100
"""Reading a row takes about 15 µs; other requests get their turn in between."""

TROUBLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What may pass by itself: the database is away or does not follow."""

log = logging.getLogger(__name__)


class Stepped(NamedTuple):
    """What a step leads to: the job as it is then, and a line for each row that was worked on."""

    job: Job
    results: bytes = b""


class JobRunner:
    """Carries out jobs until cancelled. `waiting` is set where a job was queued here; others are found by looking."""

    def __init__(
        self, pool: Pool, barrier: ReplicaBarrier, clock: Callable[[], datetime], waiting: asyncio.Event
    ) -> None:
        self._pool = pool
        self._barrier = barrier
        self._clock = clock
        self._waiting = waiting
        self._expecting: dict[str, bool] = {}
        self._steps: Mapping[str, Callable[[Connection, Job], Awaitable[Stepped]]] = {
            "import": self._import_chunk,
            "update": self._work_on_rows,
            "withdraw": self._work_on_rows,
            "regrade": self._regrade,
        }

    async def run(self) -> NoReturn:
        """Take turns for ever, and rest when there is nothing to do."""
        complained = False
        while True:
            self._waiting.clear()
            try:
                busy = await self.take_turn()
                complained = False
            except (RegistryError, ChangedMeanwhile, *TROUBLE) as error:
                # Said once: it lasts as long as the database is away.
                if not complained:
                    log.warning("jobs rest for now: %s", error or type(error).__name__)
                complained = True
                await asyncio.sleep(BACK_OFF_S)
                continue
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(REST_S):
                        await self._waiting.wait()

    async def take_turn(self) -> bool:
        """Do one step of the next job that nobody else has; False if there is none."""
        async with connected(self._pool) as connection:
            candidates = await jobs.candidates(connection, LOOKED_AT)
        for job_id in candidates:
            if await self._try(job_id):
                return True
        return False

    async def _try(self, job_id: str) -> bool:
        """Take one job's turn; False if another runner has it, or it has ended."""
        try:
            for _ in range(ATTEMPTS_MAX):
                with suppress(ChangedMeanwhile):
                    return await self._step(job_id)
            async with connected(self._pool) as connection:
                await jobs.touch(connection, job_id, self._clock())
        except _EndedMeanwhile:
            log.info("the job %s ended within a step, which was undone", job_id)
            async with connected(self._pool) as connection:
                await jobs.drop_input(connection, job_id)
        except Unavailable:
            raise
        except RegistryError as refusal:
            await self._fail(job_id, refusal)
        except Exception:
            log.exception("a step of the job %s failed", job_id)
            await self._stumble(job_id)
        return True

    async def _step(self, job_id: str) -> bool:
        async with transaction(self._pool) as connection:
            job = await jobs.by_id(connection, job_id) if await jobs.lock(connection, job_id) else None
            if job is None or job.ended:
                return False
            here = origin.Origin(address=job.address, action=f"job {job.kind}", request_id=job.id, actor=job.account)
            with origin.acting(here):
                stepped = await self._steps[job.kind](connection, job)
            if stepped.results:
                await jobs.add_result(connection, job.id, job.step, stepped.results)
            if not await jobs.advance(connection, stepped.job, from_step=job.step, now=self._clock()):
                raise _EndedMeanwhile
        if stepped.job.ended:
            self._expecting.pop(job.id, None)
        self._barrier.wake()
        return True

    async def _import_chunk(self, connection: Connection, job: Job) -> Stepped:
        principal = await _principal(connection, job)
        code = job.options.get("template")
        template = await templates.usable(connection, principal, code) if code is not None else None
        writer = ImportChunkWriter(self._pool, principal, self._clock, BatchPolicy(job.options["on_conflict"]))
        writer.expects_existing = self._expecting.get(job.id, False)
        rows = await self._read(await _lines(connection, job), template)
        answers = await writer.write_within(connection, rows)
        self._expecting[job.id] = writer.expects_existing
        return await _done(connection, job, answers)

    async def _read(self, lines: Sequence[tuple[int, bytes]], template: Template | None) -> list[Row | Rejection]:
        timestamp_s = int(self._clock().timestamp())
        rows: list[Row | Rejection] = []
        for start in range(0, len(lines), ROWS_BETWEEN_BREATHS):
            part = lines[start : start + ROWS_BETWEEN_BREATHS]
            rows += [read_line(number, line, timestamp_s, template) for number, line in part]
            await asyncio.sleep(0)
        return rows

    async def _work_on_rows(self, connection: Connection, job: Job) -> Stepped:
        principal = await _principal(connection, job)
        lines = await _lines(connection, job)
        return await _done(
            connection, job, await job_rows.carry_out(connection, principal, self._clock(), job.kind, lines)
        )

    async def _regrade(self, connection: Connection, job: Job) -> Stepped:
        done = await regrading.regrade_some(connection, job, self._clock())
        counts = Counter(job.counts)
        counts.update({"replaced": done.changed, "unchanged": done.seen - done.changed})
        place = msgspec.json.encode(done.position).decode()
        state: State = "running" if done.position is not None else "done"
        return Stepped(replace(job, state=state, step=job.step + 1, place=place, counts=counts))

    async def _fail(self, job_id: str, refusal: RegistryError) -> None:
        problem = {"code": refusal.code, "message": refusal.message, "remedy": refusal.remedy}
        async with transaction(self._pool) as connection:
            if await jobs.end(connection, job_id, "failed", self._clock(), problem):
                await jobs.drop_input(connection, job_id)
        self._expecting.pop(job_id, None)

    async def _stumble(self, job_id: str) -> None:
        async with connected(self._pool) as connection:
            stumbles = await jobs.stumbled(connection, job_id, self._clock())
        if stumbles >= STUMBLES_MAX:
            await self._fail(
                job_id,
                Unavailable(
                    "job_broken",
                    "the registry has failed; the log says why",
                    remedy="report it to the operator; rows without a result were not worked on",
                ),
            )


class _EndedMeanwhile(Exception):  # noqa: N818 - an event, not a defect
    """The job was cancelled while a step was under way: the step is undone."""


async def _principal(connection: Connection, job: Job) -> Principal:
    """Return whom a job speaks for, with the rights of now."""
    account = await accounts.account(connection, job.account)
    if account is None or account.state != "active" or account.enterprise != job.enterprise:
        raise Forbidden(
            "account_lost",
            "the account that began this job is disabled, or of another enterprise now",
            remedy="begin the job again with an account that may",
        )
    principal = Principal(account.id, account.role, account.enterprise)
    authorise(principal, Action.RUN_JOB)
    return principal


async def _lines(connection: Connection, job: Job) -> list[tuple[int, bytes]]:
    """Return the numbered lines of the next chunk, without empty ones."""
    found = await jobs.input_chunk(connection, job.id, job.step)
    if found is None:
        raise LookupError(f"the job {job.id} has no chunk {job.step}")
    first, content = found
    return [(number, line) for number, line in enumerate(content.split(b"\n"), first) if line and not line.isspace()]


async def _done(connection: Connection, job: Job, answers: Answers) -> Stepped:
    """Note what became of a chunk; the job is done with its last row."""
    await jobs.drop_input(connection, job.id, job.step)
    counts = Counter(job.counts) + answers.counts
    state: State = "done" if counts.total() == job.rows_total else "running"
    return Stepped(replace(job, state=state, step=job.step + 1, counts=counts), answers.lines())
