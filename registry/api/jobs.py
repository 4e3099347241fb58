"""Handlers: jobs. An upload streams in and is kept; its results stream out."""

from collections.abc import AsyncIterator
from typing import Any, Final, cast, get_args

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from registry.api.answer_stream import AnswerStream
from registry.api.batch import MEDIA_TYPES
from registry.api.call import Answer, Call, answer, check_media_type, next_cursor, outcome
from registry.api.job_shapes import JobAnswer, JobCounts, JobPage, JobProblem, JobState
from registry.api.routing import CSV, NDJSON
from registry.database import Connection
from registry.errors import InvalidRequest
from registry.service import jobs
from registry.service.batch_policy import OnConflict
from registry.service.change import Outcome
from registry.service.jobs import Upload
from registry.states import instant
from registry.tables.jobs import Job, Kind

UPLOADED: Final = ("import", "update", "withdraw")
_REJECTED: Final = b'"status":"rejected"'


async def create(call: Call) -> Answer:
    """POST /api/v1/jobs."""
    upload = _upload(call)
    pieces = _body(call.request)
    context = call.context
    job = await jobs.create(context.pool, call.principal, context.clock, context.settings.jobs, upload, pieces)
    context.jobs_waiting.set()
    return answer(_shown(job), 202, Location=f"/api/v1/jobs/{job.id}")


async def get(call: Call) -> Answer:
    """GET /api/v1/jobs/{job}."""
    async with call.connected() as connection:
        return answer(_shown(await jobs.get(connection, call.principal, call.path("job"))))


async def page(call: Call) -> Answer:
    """GET /api/v1/jobs."""
    state = call.query("state")
    if state is not None and state not in get_args(JobState):
        known = ", ".join(get_args(JobState))
        raise InvalidRequest("bad_state", f"state is one of {known}", remedy="correct the parameter state")
    scope = f"jobs {state or ''}"
    before, limit = call.page(scope)
    async with call.connected() as connection:
        found = await jobs.page(connection, call.principal, before, limit, state)
    following = next_cursor(scope, found, limit, found[-1].id if found else "")
    return answer(JobPage([_shown(job) for job in found], following))


async def cancel(call: Call) -> Answer:
    """POST /api/v1/jobs/{job}:cancel."""

    async def work(connection: Connection) -> Outcome:
        return outcome(200, _shown(await jobs.cancel(connection, call.principal, call.now, call.path("job"))), None)

    return await call.change(work)


async def results(call: Call) -> web.StreamResponse:
    """GET /api/v1/jobs/{job}/results."""
    only = call.query("status")
    if only not in (None, "rejected"):
        raise InvalidRequest("bad_status", "status is rejected, or left out", remedy="correct the parameter status")
    async with call.connected() as connection:
        job = await jobs.get(connection, call.principal, call.path("job"))
    if call.request.method == "HEAD":
        return web.Response(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    async with AnswerStream(call.request) as stream:
        async for part in jobs.results(call.context.pool, job.id):
            await stream.send(part if only is None else _rejected(part))
        await stream.finish(b"")
        return stream.response


def _upload(call: Call) -> Upload:
    if "Idempotency-Key" in call.request.headers:
        raise InvalidRequest(
            "idempotency_key_not_used",
            "an upload takes no Idempotency-Key",
            remedy="leave it out: rows that are worked on twice are found unchanged",
        )
    check_media_type(call.request, *MEDIA_TYPES, CSV)
    kind = _chosen(call, "kind", UPLOADED, None)
    options: dict[str, Any] = {}
    if kind == "import":
        options["on_conflict"] = _chosen(call, "on_conflict", get_args(OnConflict), "fail")
    elif call.query("on_conflict") is not None:
        raise InvalidRequest("bad_on_conflict", "on_conflict is for imports", remedy="leave it out")
    if (template := call.query("template")) is not None:
        options["template"] = template
    return Upload(cast("Kind", kind), options, csv=call.request.content_type == CSV)


def _chosen(call: Call, name: str, choices: tuple[str, ...], default: str | None) -> str:
    value = call.query(name) or default
    if value not in choices:
        known = ", ".join(choices)
        code = "bad_kind" if name == "kind" else "bad_on_conflict"
        raise InvalidRequest(code, f"{name} is one of {known}", remedy=f"correct the parameter {name}")
    return value


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except (OSError, aiohttp.ClientError, HttpProcessingError) as error:
        raise InvalidRequest(
            "upload_cut_off", "the connection ended within the upload", remedy="upload the file again"
        ) from error


def _rejected(part: bytes) -> bytes:
    # Inside a JSON string the quotation marks would be escaped, so this finds members and nothing else.
    return b"".join(line for line in part.splitlines(keepends=True) if _REJECTED in line)


def _shown(job: Job) -> JobAnswer:
    problem = job.problem
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        state=job.state,  # type: ignore[arg-type] # a job that is being uploaded is shown to nobody
        account=job.account,
        enterprise=job.enterprise,
        template=job.options.get("template"),
        on_conflict=job.options.get("on_conflict"),
        rows_total=job.rows_total,
        rows_done=sum(job.counts.values()),
        counts=msgspec.convert(dict(job.counts), JobCounts),
        problem=JobProblem(problem["code"], problem["message"], problem["remedy"]) if problem is not None else None,
        created_at=instant(job.created_at),
        started_at=instant(job.started_at) if job.started_at else None,
        finished_at=instant(job.finished_at) if job.finished_at else None,
    )
