"""Handlers: the audit log, as pages and as an export."""

from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from registry import origin
from registry.api.audit_shapes import AuditPage
from registry.api.call import Answer, Call, answer, read_instant
from registry.api.paging import write_cursor
from registry.api.routing import CSV, NDJSON
from registry.authority import Action, authorise
from registry.errors import InvalidRequest
from registry.service import audit as service
from registry.tables.audit import EntryKind, Filters

_SCOPE: Final = "audit"
_OF_THE_LOG: Final = "audit log"


async def page(call: Call) -> Answer:
    """GET /api/v1/audit."""
    filters = _filters(call)
    cursor, limit = call.page(_SCOPE)
    before = _read_position(cursor) if cursor else _until(call)
    async with call.connected() as connection:
        found = await service.page(connection, call.principal, filters, before, limit)
    origin.note_restricted_read(_OF_THE_LOG)
    following = _write_position(service.position(found[-1])) if len(found) == limit else None
    return answer(AuditPage([service.shown(entry) for entry in found], following))


async def export(call: Call) -> web.StreamResponse:
    """GET /api/v1/audit:export."""
    authorise(call.principal, Action.READ_AUDIT)
    filters, before, as_csv = _filters(call), _until(call), _is_csv(call)
    origin.note_restricted_read(_OF_THE_LOG)
    name = "audit.csv" if as_csv else "audit.ndjson"
    headers = {
        "Content-Type": f"{CSV}; charset=utf-8" if as_csv else NDJSON,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if call.request.method == "HEAD":
        return web.Response(headers=headers)
    pages = service.export(call.context.pool, call.principal, filters, before)
    first = await anext(pages, None)  # what goes wrong at once is answered as a problem
    response = web.StreamResponse(headers=headers)
    await response.prepare(call.request)
    entries = first or []
    await response.write(service.as_csv(entries, header=True) if as_csv else service.as_ndjson(entries))
    async for entries in pages:
        await response.write(service.as_csv(entries, header=False) if as_csv else service.as_ndjson(entries))
    await response.write_eof()
    return response


def _filters(call: Call) -> Filters:
    since = call.query("since")
    return Filters(
        kind=_kind(call.query("kind")),
        actor=call.query("actor"),
        action=call.query("action"),
        object=call.query("object"),
        result=call.query("result"),
        request_id=call.query("request_id"),
        since=read_instant(since, "since") if since is not None else None,
    )


def _kind(text: str | None) -> EntryKind | None:
    match text:
        case None | "change" | "access":
            return text
    raise InvalidRequest("bad_filter", "kind is change or access", remedy="correct the parameter kind")


def _is_csv(call: Call) -> bool:
    form = call.query("format") or "ndjson"
    if form not in ("ndjson", "csv"):
        raise InvalidRequest("bad_format", "format is ndjson or csv", remedy="correct the parameter format")
    return form == "csv"


def _until(call: Call) -> tuple[datetime, int]:
    """Return the position behind the last instant asked for."""
    until = call.query("until")
    return (read_instant(until, "until"), 0) if until is not None else service.NEWEST


def _write_position(position: tuple[datetime, int]) -> str:
    return write_cursor(_SCOPE, f"{position[0].astimezone(UTC).isoformat()} {position[1]}")


def _read_position(text: str) -> tuple[datetime, int]:
    at, _, number = text.partition(" ")
    return datetime.fromisoformat(at), int(number)
