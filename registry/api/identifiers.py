"""Handlers: single identifiers, and lists of them."""

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

from identifiers.value_json import decode_plain_body
from registry.api.call import JSON, Answer, Call, answer, check_media_type, outcome
from registry.api.paging import write_cursor
from registry.api.shapes import IdentifierAnswer, IdentifierPage, IdentifierPatch, IdentifierRequest
from registry.database import Connection
from registry.errors import InvalidRequest, one_field
from registry.service import identifiers, records
from registry.service.change import Outcome
from registry.service.identifiers import Written
from registry.service.preconditions import Precondition
from registry.service.records import Seen
from registry.states import instant

PATH: Final = "/api/v1/identifiers/"
# Everything a path may hold unencoded.
_SAFE: Final = "!$&'()*+,;=:@/~-._"
_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def put(call: Call) -> Answer:
    """PUT /api/v1/identifiers/{identifier}."""
    name, precondition = call.rest_of_path(PATH), _precondition(call)
    values, template = await _registration(call)
    if precondition.admits_creation and not call.is_repeatable:
        together = await call.context.registrar.register(
            call.principal, call.now, name, values=values, template=template
        )
        if together is not None:
            return await call.conclude(made(together), report=True)

    async def work(connection: Connection) -> Outcome:
        written = await identifiers.put(
            connection,
            call.principal,
            call.now,
            name,
            values=values,
            template=template,
            precondition=precondition,
        )
        return made(written)

    return await call.change(work, report=True)


async def patch(call: Call) -> Answer:
    """PATCH /api/v1/identifiers/{identifier}."""
    name, precondition = call.rest_of_path(PATH), _precondition(call)
    body = await call.read(IdentifierPatch)
    if not body.values and not body.remove:
        raise one_field("empty_patch", "values", "give values to add or replace, or indexes to remove")

    async def work(connection: Connection) -> Outcome:
        written = await identifiers.patch(
            connection,
            call.principal,
            call.now,
            name,
            values=body.values,
            remove=body.remove,
            precondition=precondition,
        )
        return made(written)

    return await call.change(work, report=True)


async def withdraw(call: Call) -> Answer:
    """DELETE /api/v1/identifiers/{identifier}."""
    name, precondition = call.rest_of_path(PATH), _precondition(call)

    async def work(connection: Connection) -> Outcome:
        written = await identifiers.withdraw(
            connection,
            call.principal,
            call.now,
            name,
            successor=call.query("successor"),
            precondition=precondition,
        )
        return made(written)

    return await call.change(work, report=True)


async def get(call: Call) -> Answer:
    """GET /api/v1/identifiers/{identifier}."""
    async with call.connected() as connection:
        seen, prefix = await records.get(connection, call.principal, call.rest_of_path(PATH))
    tag = f'"{seen.record.version}"'
    # What of a restricted record is shown changes with the grants, and its version does not.
    if not seen.restricted and _matches(call.request.headers.get("If-None-Match"), tag):
        return Answer(304, b"", {"ETag": tag})
    return answer(shown(seen, prefix.prefix), ETag=tag)


async def page(call: Call) -> Answer:
    """GET /api/v1/identifiers."""
    prefix = call.query("prefix")
    if not prefix:
        raise InvalidRequest("prefix_missing", "the parameter prefix is missing", remedy="add ?prefix=88.118.8")
    state = call.query("state") or "active"
    if state not in ("active", "withdrawn", "all"):
        raise InvalidRequest("bad_state", "state is active, withdrawn or all", remedy="correct the parameter state")
    scope = f"identifiers {prefix} {state}"
    after, limit = call.page(scope)
    async with call.connected() as connection:
        found, more = await records.page(
            connection, call.principal, prefix, after, limit, None if state == "all" else state
        )
    following = write_cursor(scope, found[-1].record.key) if more else None
    return answer(IdentifierPage([shown(seen, prefix) for seen in found], following))


async def _registration(call: Call) -> tuple[Any, str | None]:
    """Read the body: values that are checked already, or the JSON of those that are not, and the template's code."""
    check_media_type(call.request, JSON)
    plain = decode_plain_body(await call.request.read())
    if plain is not None:
        return plain
    body = await call.read(IdentifierRequest)
    return body.values, body.template


def made(written: Written) -> Outcome:
    """Describe what a registration has led to."""
    record = written.record
    return outcome(
        201 if written.created else 200,
        {"identifier": record.spelling, "version": record.version},
        written.cursor,
        version=record.version,
        location=PATH + quote(record.spelling, safe=_SAFE) if written.created else None,
    )


def _precondition(call: Call) -> Precondition:
    headers = call.request.headers
    return Precondition.from_headers(headers.get("If-Match"), headers.get("If-None-Match"))


def _matches(if_none_match: str | None, tag: str) -> bool:
    # Weak comparison: a cache may have weakened the tag on the way (RFC 9110, section 13.1.2).
    return if_none_match is not None and (if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match))


def shown(seen: Seen, prefix: str) -> IdentifierAnswer:
    """Show a record below `prefix` as its reader may see it."""
    record = seen.record
    return IdentifierAnswer(
        identifier=record.spelling,
        prefix=prefix,
        state=record.state,  # type: ignore[arg-type] # the table's own check allows no other
        version=record.version,
        created_at=instant(record.created_at),
        updated_at=instant(record.updated_at),
        values=msgspec.Raw(record.values),
        template=record.template,
        successor=record.successor,
        withheld=list(seen.withheld),
    )
