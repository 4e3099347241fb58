"""Handlers: the change feed and its snapshots (docking contract 10)."""

import asyncio
import gzip
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from registry import origin
from registry.api.call import Answer, Call, answer
from registry.api.feed_shapes import ScopeName, SnapshotRequest, TableName
from registry.api.routing import NDJSON
from registry.errors import InvalidRequest
from registry.service.feed import LIMIT_DEFAULT, LIMIT_MAX, WAIT_MAX_S, Question

GZIP: Final = "application/gzip"
_FILTERS_MAX: Final = 100
_COMPRESSED_FROM_OCTETS: Final = 1_400
_NUMBER = re.compile(r"[0-9]{1,4}")
_ACCEPTS_GZIP = re.compile(r"(^|[\s,])(gzip|\*)\s*(?!;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)


async def changes(call: Call) -> Answer:
    """GET /api/v1/changes."""
    after = call.query("after")
    if not after:
        raise InvalidRequest("bad_cursor", "the parameter after is missing", remedy="send a cursor, or oldest, or now")
    question = Question(
        after=after,
        limit=_number(call, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT),
        tables=frozenset(_listed(call, "tables", TableName)),
        scopes=tuple(_listed(call, "scope", ScopeName)),
        wait_s=_number(call, "wait", 0, WAIT_MAX_S, 0),
    )
    body = await call.context.feed.read(call.principal, question)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(body) >= _COMPRESSED_FROM_OCTETS and _ACCEPTS_GZIP.search(call.request.headers.get("Accept-Encoding", "")):
        body = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Answer(200, body, headers, NDJSON)


async def create_snapshot(call: Call) -> Answer:
    """POST /api/v1/snapshots."""
    asked = await call.read(SnapshotRequest) if call.request.body_exists else SnapshotRequest()
    found, existed = await call.context.snapshots.ask(call.principal, call.now, asked.tables, asked.scope)
    origin.note_restricted_read("change feed")
    return answer(found.shown, 200 if existed else 202)


async def get_snapshot(call: Call) -> Answer:
    """GET /api/v1/snapshots/{id}."""
    found = await call.context.snapshots.get(call.principal, call.now, call.path("id"))
    return answer(found.shown, Cache_Control="no-store")


async def get_part(call: Call) -> web.StreamResponse:
    """GET /api/v1/snapshots/{id}/parts/{n}: with `Range`, and the digest of the whole part."""
    path, sha256 = await call.context.snapshots.part(call.principal, call.now, call.path("id"), call.path("n"))
    headers = {"Content-Type": GZIP, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(path, headers=headers | {"Digest": f"sha-256={sha256}"})


async def delete_snapshot(call: Call) -> Answer:
    """DELETE /api/v1/snapshots/{id}."""
    await call.context.snapshots.delete(call.principal, call.now, call.path("id"))
    return Answer(204, b"", {})


def _number(call: Call, name: str, least: int, most: int, usual: int) -> int:
    text = call.query(name)
    if text is None:
        return usual
    if _NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
        raise InvalidRequest(
            "bad_parameter", f"{name} is a number from {least} to {most}", remedy=f"correct the parameter {name}"
        )
    return int(text)


def _listed(call: Call, name: str, kind: Any) -> list[str]:
    """Read a parameter that is repeated, or a list with commas."""
    call.query(name)  # raises for what is no UTF-8
    found = [one for text in call.request.query.getall(name, []) for one in text.split(",")]
    if len(found) > _FILTERS_MAX:
        raise InvalidRequest("bad_parameter", f"{name} has more than {_FILTERS_MAX} entries", remedy="ask for fewer")
    try:
        return msgspec.convert(found, list[kind])
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            "bad_parameter", f"{name} has an entry that is none", remedy=f"correct the parameter {name}"
        ) from error
