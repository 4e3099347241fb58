"""Handler: batches. Lines in, answers out, both as streams; the status is sent when the first chunk is stored."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final, get_args

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from identifiers.changes import START
from registry.api.answer_stream import AnswerStream
from registry.api.call import Call, check_media_type
from registry.api.problems import problem_of
from registry.api.routing import NDJSON
from registry.api.shapes import BatchEnd, BatchSummary
from registry.errors import InvalidRequest, RegistryError
from registry.service import templates
from registry.service.batch import carry_out
from registry.service.batch_answers import Answers
from registry.service.batch_chunk import ChunkWriter
from registry.service.batch_policy import BatchPolicy, OnConflict
from registry.tables.templates import Template

MEDIA_TYPES: Final = (NDJSON, "application/ndjson", "application/jsonl")
_BOOLEANS: Final = {"true": True, "false": False}


async def write(call: Call) -> web.StreamResponse:
    """POST /api/v1/identifiers:batch."""
    on_conflict, wait = _options(call)
    template = await _template(call)
    clock = call.context.clock
    writer = ChunkWriter(call.context.pool, call.principal, clock, BatchPolicy(on_conflict))
    counts: Counter[str] = Counter()
    reached = START
    async with AnswerStream(call.request) as stream:

        async def emit(answers: Answers) -> None:
            nonlocal reached
            reached = max(reached, answers.cursor)
            counts.update(answers.counts)
            call.context.barrier.wake()
            await stream.send(answers.lines())

        ended_by = await carry_out(_body(call.request), writer, emit, clock=clock, template=template)
        if ended_by is not None and not stream.started:
            raise ended_by
        if not wait or ended_by is not None:
            resolvable = False
        else:
            resolvable = await call.resolvable(reached if reached != START else None)
        await stream.finish(_end(counts, resolvable, ended_by))
        return stream.response


def _end(counts: Counter[str], resolvable: bool, ended_by: RegistryError | None) -> bytes:  # noqa: FBT001 - one caller
    summary = BatchSummary(
        created=counts["created"],
        replaced=counts["replaced"],
        unchanged=counts["unchanged"],
        skipped=counts["skipped"],
        rejected=counts["rejected"],
        resolvable=resolvable,
        problem=problem_of(ended_by) if ended_by is not None else None,
    )
    return msgspec.json.encode(BatchEnd(summary)) + b"\n"


def _options(call: Call) -> tuple[OnConflict, bool]:
    if "Idempotency-Key" in call.request.headers:
        raise InvalidRequest(
            "idempotency_key_not_used",
            "a batch takes no Idempotency-Key",
            remedy="leave it out: sending a batch again finds its rows unchanged",
        )
    check_media_type(call.request, *MEDIA_TYPES)
    wait = call.query("wait") or "true"
    if wait not in _BOOLEANS:
        raise InvalidRequest("bad_wait", "wait is true or false", remedy="correct the parameter wait")
    on_conflict = call.query("on_conflict") or "fail"
    for choice in get_args(OnConflict):
        if choice == on_conflict:
            return choice, _BOOLEANS[wait]
    raise InvalidRequest(
        "bad_on_conflict", "on_conflict is skip, replace or fail", remedy="correct the parameter on_conflict"
    )


async def _template(call: Call) -> Template | None:
    code = call.query("template")
    if code is None:
        return None
    async with call.connected() as connection:
        return await templates.usable(connection, call.principal, code)


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.content.iter_any():
            yield piece
    except (OSError, aiohttp.ClientError, HttpProcessingError) as error:
        raise InvalidRequest(
            "batch_cut_off",
            "the connection ended within the batch",
            remedy="send the rows without an answer as another batch",
        ) from error
